namespace EfEnvelope.Rotation;

/// <summary>What a job does.</summary>
public enum JobKind
{
    /// <summary>Rewrites what is encrypted under an older key version under the present one, blind indexes included.</summary>
    Reencrypt,

    /// <summary>
    /// Rewrites blind indexes and deterministic values only. It compares every blind index with the values of its row, and computes it where it is missing or
    /// belongs to other values, as after a write by an application that does not know the index.
    /// </summary>
    Reindex,

    /// <summary>Encrypts plaintext: in its own text column, or into another column.</summary>
    Backfill,

    /// <summary>Decrypts: in its own text column, or into another column.</summary>
    Decrypt,

    /// <summary>Makes a new key version. No row changes.</summary>
    Rotate,
}

/// <summary>What is asked of a job. One job works on one table.</summary>
public sealed record JobRequest
{
    /// <summary>Gets what is to be done.</summary>
    public required JobKind Kind { get; init; }

    /// <summary>Gets the schema of the table, or empty for the database's own default.</summary>
    public string Schema { get; init; } = "";

    /// <summary>Gets the table; empty for a rotation.</summary>
    public string Table { get; init; } = "";

    /// <summary>Gets the columns.</summary>
    /// <value>The default is none: all that the encryption map has of this table.</value>
    public IReadOnlyList<string> Columns { get; init; } = [];

    /// <summary>Gets the key scope.</summary>
    /// <value>The default is <see langword="null" />: the one that the key store has, or <c>default</c> when it is empty. With several it must be named.</value>
    public string? Scope { get; init; }

    /// <summary>Gets the column of the same table that the result is written into, or <see langword="null" /> for the column itself.</summary>
    public string? Into { get; init; }

    /// <summary>Gets how a column is to be encrypted, or <see langword="null" /> as the encryption map says; <see cref="EncryptionMode.Randomized" /> for a column new to it.</summary>
    public EncryptionMode? Mode { get; init; }

    /// <summary>Gets the stable name that the values are to be bound to, or <see langword="null" /> as the encryption map says; <c>Table.Column</c> for a column new to it.</summary>
    public string? Context { get; init; }

    /// <summary>Gets the name of the plaintext's type for a column new to the encryption map, such as <c>string</c> or <c>date</c>.</summary>
    /// <value>The default is <see langword="null" />: <c>string</c>.</value>
    public string? PlaintextType { get; init; }

    /// <summary>Gets whether a rotation also moves what is compared: blind indexes and deterministic values.</summary>
    public bool IncludeSearch { get; init; }

    /// <summary>Gets how long a rotated version waits before it encrypts, or <see langword="null" /> for the configured <see cref="EnvelopeOptions.ActivationDelay" />.</summary>
    public TimeSpan? ActivationDelay { get; init; }

    /// <summary>Gets the brake; it can be changed while the job runs.</summary>
    public Throttle Throttle { get; init; } = new();

    /// <summary>Gets how many rows are written in one transaction.</summary>
    /// <value>From 1 to 500. The default is 500, or 200 on SQLite.</value>
    public int? BatchSize { get; init; }

    /// <summary>Gets how many rows a range has, the unit that workers share.</summary>
    /// <value>The default is 50,000.</value>
    public int RangeSize { get; init; } = 50_000;

    /// <summary>
    /// Gets whether it stores plaintext, or gives values another column, name or mode. Whoever may write the job tables could ask for that without any key, so nothing
    /// runs such a job unless it is told to.
    /// </summary>
    public bool IsSensitive => Kind == JobKind.Decrypt || (Kind == JobKind.Reencrypt && (Into is not null || Mode is not null));

    internal const int MaxBatchSize = 500;
}
