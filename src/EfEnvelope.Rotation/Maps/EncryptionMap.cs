using EfEnvelope.Envelopes;

namespace EfEnvelope.Rotation;

/// <summary>Which columns of a database are encrypted or hold a blind index, and how; read from the database itself, where migrations or jobs put it.</summary>
/// <param name="Columns">The columns, ordered by schema, table and name.</param>
public sealed record EncryptionMap(IReadOnlyList<MapColumn> Columns)
{
    /// <summary>Gets the rows of the map that cannot be read; what they say of a column is not known.</summary>
    public IReadOnlyList<MalformedRow> Malformed { get; init; } = [];

    /// <summary>Finds the columns of one table.</summary>
    /// <param name="schema">The schema, or empty for the database's own default.</param>
    /// <param name="table">The table.</param>
    /// <returns>Its columns; empty when none is encrypted.</returns>
    public IReadOnlyList<MapColumn> Of(string schema, string table) => [.. Columns.Where(c => c.Schema == schema && c.Table == table)];

    /// <summary>Finds the columns of one table that is to be changed, so that none may be missing.</summary>
    /// <exception cref="EnvelopeConfigurationException">A row that cannot be read may be of this table.</exception>
    internal IReadOnlyList<MapColumn> Require(string schema, string table)
    {
        var name = schema.Length == 0 ? $"{table}." : $"{schema}.{table}.";
        return Malformed.FirstOrDefault(r => r.Key.StartsWith(name, StringComparison.Ordinal)) is { } row
            ? throw new EnvelopeConfigurationException(RotationMessages.RowMalformed(row))
            : Of(schema, table);
    }

    /// <summary>Refuses to conclude anything about all encrypted columns when one of them is not known.</summary>
    /// <exception cref="EnvelopeConfigurationException">A row cannot be read.</exception>
    internal void RequireReadable()
    {
        if (Malformed.Count > 0)
            throw new EnvelopeConfigurationException(RotationMessages.RowMalformed(Malformed[0]));
    }
}

/// <summary>What a column of the encryption map holds.</summary>
public enum MapColumnKind
{
    /// <summary>Envelopes of values.</summary>
    Value,

    /// <summary>Keyed hashes of other columns' values.</summary>
    BlindIndex,
}

/// <summary>One column of the encryption map.</summary>
public sealed record MapColumn
{
    /// <summary>Gets the schema, or empty for the database's own default.</summary>
    public required string Schema { get; init; }

    /// <summary>Gets the table.</summary>
    public required string Table { get; init; }

    /// <summary>Gets the column.</summary>
    public required string Column { get; init; }

    /// <summary>Gets the stable name that its values are bound to; for a blind index that of its first source.</summary>
    public required string Field { get; init; }

    /// <summary>Gets what it holds.</summary>
    public required MapColumnKind Kind { get; init; }

    /// <summary>Gets how its values are encrypted; without meaning for a blind index.</summary>
    public EncryptionMode Mode { get; init; }

    /// <summary>Gets the name of the plaintext's type, such as <c>string</c> or <c>date</c>, as FORMAT.md lists them.</summary>
    public required string PlaintextType { get; init; }

    /// <summary>Gets whether envelopes are stored as text.</summary>
    public bool IsText { get; init; }

    /// <summary>Gets whether a text column may hold plaintexts, because it is being backfilled.</summary>
    public bool AllowsPlaintext { get; init; }

    /// <summary>Gets the column whose second value this one holds while unique values move to another key version, or <see langword="null" />.</summary>
    public string? NextOf { get; init; }

    /// <summary>Gets the columns that a blind index is computed from.</summary>
    public IReadOnlyList<string> Sources { get; init; } = [];

    /// <summary>Gets whether a unique index compares it.</summary>
    public bool IsUnique { get; init; }

    /// <summary>Gets whether the column has no CHECK constraint, because the application asked for that or its table cannot have one.</summary>
    internal bool IsUnchecked { get; init; }

    internal string? Definition { get; init; }

    /// <summary>Gets whether the application's last migration allows plaintext in it; a job that ends does not change that.</summary>
    internal bool IsDeclared { get; init; }

    /// <summary>Gets the job that ended although the application still allows plaintext, or <see langword="null" />.</summary>
    internal long? EndedBy { get; init; }

    internal EnvelopeAlgorithm Algorithm => AlgorithmOf(Mode);

    internal static EnvelopeAlgorithm AlgorithmOf(EncryptionMode mode)
        => mode == EncryptionMode.Deterministic ? EnvelopeAlgorithm.Aes256Siv : EnvelopeAlgorithm.Aes256Gcm;

    /// <summary>Gets <c>table.column</c>, with the schema if there is one.</summary>
    public string Name => $"{TableName}.{Column}";

    internal string TableName => Schema.Length == 0 ? Table : $"{Schema}.{Table}";

    internal bool IsCompared => Kind == MapColumnKind.BlindIndex || Mode == EncryptionMode.Deterministic;
}
