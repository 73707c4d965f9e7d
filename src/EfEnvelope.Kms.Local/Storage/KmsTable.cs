using System.Globalization;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>A column of a table of the KMS.</summary>
/// <param name="Name">Its name, which needs no quotes on any server.</param>
/// <param name="Type">The type of its values: text, a whole number, a flag, bytes or a time.</param>
/// <param name="MaxLength">The length of its longest value, or <see langword="null" /> for any.</param>
/// <param name="IsNullable">Whether a row may have no value.</param>
/// <param name="Get">Reads its value from a row.</param>
internal sealed record KmsColumn(string Name, Type Type, int? MaxLength, bool IsNullable, Func<object, object?> Get)
{
    /// <summary>Gets what a row has that was written before the column was there.</summary>
    public object? Default
        => IsNullable ? null : Type == typeof(string) ? "" : Type == typeof(byte[]) ? Array.Empty<byte>() : Activator.CreateInstance(Type);
}

/// <summary>A table of the KMS, the same in every relational store; its primary key is its first columns.</summary>
internal abstract class KmsTable(string name, int keyLength, IReadOnlyList<KmsColumn> columns)
{
    public string Name => name;

    public IReadOnlyList<KmsColumn> Columns => columns;

    public IEnumerable<KmsColumn> Key => columns.Take(keyLength);

    public int KeyLength => keyLength;

    /// <summary>Gets the index of the column that counts the changes of a row, for optimistic concurrency.</summary>
    public int? Revision { get; init; }

    /// <summary>Gets the one column that has an index of its own besides the primary key.</summary>
    public string? Index { get; init; }

    public bool IsIndexUnique { get; init; }

    /// <summary>Gets the table whose primary key, of one column, the column <c>key_id</c> refers to.</summary>
    public KmsTable? Parent { get; init; }

    /// <summary>Gets whether the table is part of the audit trail, which proves itself.</summary>
    public bool IsTrail { get; init; }

    public abstract Type RowType { get; }

    public abstract object Read(KmsValues values);

    public object?[] Write(object row)
    {
        var values = new object?[columns.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = columns[i].Get(row) is DateTimeOffset time ? time.ToUniversalTime() : columns[i].Get(row);
        return values;
    }

    /// <summary>Makes what tells the row of a table from its others.</summary>
    public string KeyOf(object?[] values)
        => string.Join('\0', values.Take(keyLength).Select(v => Convert.ToString(v, CultureInfo.InvariantCulture)));
}

/// <inheritdoc />
internal sealed class KmsTable<T>(string name, int keyLength, IReadOnlyList<KmsColumn> columns, Func<KmsValues, T> read) : KmsTable(name, keyLength, columns)
    where T : class
{
    public override Type RowType => typeof(T);

    public override object Read(KmsValues values) => read(values);
}

/// <summary>The values of a row, in the order of its columns.</summary>
internal readonly struct KmsValues(object?[] values)
{
    public string Text(int column) => (string)values[column]!;

    public string? TextOrNull(int column) => (string?)values[column];

    public int Int(int column) => (int)values[column]!;

    public int? IntOrNull(int column) => (int?)values[column];

    public long Long(int column) => (long)values[column]!;

    public long? LongOrNull(int column) => (long?)values[column];

    public bool Flag(int column) => (bool)values[column]!;

    public byte[] Bytes(int column) => (byte[])values[column]!;

    public byte[]? BytesOrNull(int column) => (byte[]?)values[column];

    public DateTimeOffset Time(int column) => (DateTimeOffset)values[column]!;

    public DateTimeOffset? TimeOrNull(int column) => (DateTimeOffset?)values[column];
}

/// <summary>Makes the columns of one table.</summary>
internal static class KmsColumns<T>
    where T : class
{
    public static KmsColumn Text(string name, int? length, Func<T, string?> get, bool nullable = false)
        => new(name, typeof(string), length, nullable, r => get((T)r));

    public static KmsColumn Bytes(string name, int length, Func<T, byte[]?> get, bool nullable = false)
        => new(name, typeof(byte[]), length, nullable, r => get((T)r));

    public static KmsColumn Int(string name, Func<T, int?> get, bool nullable = false)
        => new(name, typeof(int), null, nullable, r => get((T)r));

    public static KmsColumn Long(string name, Func<T, long?> get, bool nullable = false)
        => new(name, typeof(long), null, nullable, r => get((T)r));

    public static KmsColumn Flag(string name, Func<T, bool> get) => new(name, typeof(bool), null, false, r => get((T)r));

    public static KmsColumn Time(string name, Func<T, DateTimeOffset?> get, bool nullable = false)
        => new(name, typeof(DateTimeOffset), null, nullable, r => get((T)r));
}
