using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>
/// Reads the rows of EfEnvelope's own tables, each on its own: whoever can write the database can put anything into them, and one row must not keep the others
/// from being read.
/// </summary>
internal static class StoredRows
{
    /// <summary>Reads rows, and tells which of them cannot be read.</summary>
    /// <param name="table">Their table.</param>
    /// <param name="rows">Their values.</param>
    /// <param name="key">Tells the key of a row, for people.</param>
    /// <param name="read">Reads a row by the other methods of this class.</param>
    public static (IReadOnlyList<T> Rows, IReadOnlyList<MalformedRow> Malformed) ReadAll<T>(
        string table, IEnumerable<object?[]> rows, Func<object?[], string> key, Func<object?[], T> read)
    {
        var (found, malformed) = (new List<T>(), new List<MalformedRow>());
        foreach (var row in rows)
        {
            try
            {
                found.Add(read(row));
            }
            catch (MalformedValueException e)
            {
                malformed.Add(new MalformedRow(table, key(row), RotationMessages.ValueMalformed(e.Column)));
            }
        }

        return (found, malformed);
    }

    /// <summary>Reads one row that is needed.</summary>
    /// <exception cref="EnvelopeConfigurationException">It cannot be read.</exception>
    public static T Read<T>(string table, string key, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (MalformedValueException e)
        {
            throw new EnvelopeConfigurationException(RotationMessages.RowMalformed(new MalformedRow(table, key, RotationMessages.ValueMalformed(e.Column))));
        }
    }

    /// <summary>Reads a value by whatever may throw for one that is not as it should be.</summary>
    public static T Value<T>(string column, object? value, Func<object, T> read)
    {
        try
        {
            if (value is not null)
                return read(value);
        }
        catch (Exception e) when (e is not (OutOfMemoryException or OperationCanceledException))
        {
            // What a parser says of it may quote it.
        }

        throw new MalformedValueException(column);
    }

    public static T? ValueOrNull<T>(string column, object? value, Func<object, T> read)
        where T : class
        => value is null ? null : Value(column, value, read);

    public static string Text(string column, object? value) => value as string ?? throw new MalformedValueException(column);

    public static string Name(string column, object? value) => Text(column, value) is { Length: > 0 } name ? name : throw new MalformedValueException(column);

    public static long Long(string column, object? value, long min = 0, long max = long.MaxValue)
        => Value(column, value, JobRows.ToLong) is var number && number >= min && number <= max ? number : throw new MalformedValueException(column);

    public static int Int(string column, object? value, int min = 0) => (int)Long(column, value, min, int.MaxValue);

    public static DateTimeOffset Time(string column, object? value) => Value(column, value, v => JobRows.ParseTime((string)v)!.Value);

    public static DateTimeOffset? TimeOrNull(string column, object? value) => value is null ? null : Time(column, value);

    /// <summary>Shows a key's part, whatever it is.</summary>
    public static string Display(object? value) => RowKey.Display([value]);
}

/// <summary>A column of a stored row holds something that EfEnvelope does not write there.</summary>
internal sealed class MalformedValueException(string column) : Exception
{
    public string Column => column;
}
