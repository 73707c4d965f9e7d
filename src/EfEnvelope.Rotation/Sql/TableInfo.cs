namespace EfEnvelope.Rotation.Sql;

/// <summary>In which form a column holds values.</summary>
internal enum StoredForm
{
    /// <summary>Envelopes as bytes.</summary>
    Binary,

    /// <summary>Envelopes as text, or the plaintexts that are to become such.</summary>
    Text,

    /// <summary>Plaintexts of any type.</summary>
    Plain,
}

/// <summary>What keeps former versions of a table's rows.</summary>
internal enum TableHistory
{
    /// <summary>The history table of a system-versioned temporal table.</summary>
    Temporal,

    /// <summary>The history of a ledger table, which cannot be switched off.</summary>
    Ledger,

    /// <summary>The change tables of change data capture.</summary>
    ChangeDataCapture,
}

/// <summary>A table as the database describes it.</summary>
internal sealed record TableInfo(string Schema, string Name, IReadOnlyList<TableColumn> Columns)
{
    /// <summary>Gets whether it lives in memory and has no locks, so that no hint about them is taken (SQL Server).</summary>
    public bool IsMemoryOptimized { get; init; }

    public IReadOnlyList<TableColumn> Key { get; } = [.. Columns.Where(c => c.KeyOrder > 0).OrderBy(c => c.KeyOrder)];

    public string DisplayName => Schema.Length == 0 ? Name : $"{Schema}.{Name}";

    public TableColumn? Find(string column) => Columns.FirstOrDefault(c => c.Name == column);
}

/// <param name="Name">Its name.</param>
/// <param name="StoreType">Its type, as it can be written in SQL.</param>
/// <param name="IsNullable">Whether it takes null.</param>
/// <param name="IsBinary">Whether it holds bytes.</param>
/// <param name="IsText">Whether it holds text.</param>
/// <param name="MaxLength">How many bytes or characters it takes, or <see langword="null" /> for as many as there are.</param>
/// <param name="KeyOrder">Its place in the primary key, from 1, or 0.</param>
/// <param name="IsIndexed">Whether it is the first column of an index.</param>
/// <param name="IsUnique">Whether a unique index contains it, the primary key left out.</param>
/// <param name="IsPadded">Whether it pads its values, so that they do not come back as they went.</param>
/// <param name="Collation">By which rules its texts are compared, where a statement has to say so, or <see langword="null" />.</param>
/// <param name="IsSparse">Whether it takes no room for nulls, where a statement has to say so.</param>
/// <param name="Index">The name of an index that compares it, where that keeps it from being widened, or <see langword="null" />.</param>
internal sealed record TableColumn(
    string Name, string StoreType, bool IsNullable, bool IsBinary, bool IsText, int? MaxLength, int KeyOrder, bool IsIndexed, bool IsUnique,
    bool IsPadded = false, string? Collation = null, bool IsSparse = false, string? Index = null);

/// <summary>SQL that the database itself applies to a table.</summary>
/// <param name="Kind">What it belongs to, such as <c>view</c>.</param>
/// <param name="Name">The name of that.</param>
/// <param name="Sql">Its text, as the database tells it.</param>
/// <param name="IsProved">For a check: whether every row was found to comply.</param>
internal sealed record TableSql(string Kind, string Name, string Sql, bool IsProved = true);

/// <summary>A column that a job reads, and perhaps writes.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Form">In which form it holds values.</param>
/// <param name="StoreType">Its type.</param>
/// <param name="PlaintextType">The type of its plaintexts.</param>
/// <param name="IsWritten">Whether it is written.</param>
internal sealed record RowColumn(string Name, StoredForm Form, string StoreType, string PlaintextType, bool IsWritten);

/// <summary>A row that is to be written: its key, what was read, and what it becomes.</summary>
internal readonly record struct RowChange(object?[] Key, object?[] Old, object?[] New);
