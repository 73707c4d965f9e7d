using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Cuts a table into ranges of its primary key.</summary>
internal static class TableRanges
{
    public static async Task<(IReadOnlyList<(string? Lower, string? Upper)> Ranges, long Rows)> CutAsync(
        Session session, TableInfo table, int size, CancellationToken cancellationToken)
    {
        var (ranges, rows, after) = (new List<(string? Lower, string? Upper)>(), 0L, (object?[]?)null);
        var cuts = new HashSet<string>(StringComparer.Ordinal);
        while (true)
        {
            var next = await SkipAsync(session, table, after, size - 1, cancellationToken).ConfigureAwait(false);

            // A key that does not come back as it is would be cut at again and again.
            if (next is not null && !cuts.Add(RowKey.Format(next)))
                throw new EnvelopeConfigurationException(RotationMessages.KeyNotExact(table.DisplayName));
            ranges.Add((after is null ? null : RowKey.Format(after), next is null ? null : RowKey.Format(next)));
            if (next is null)
                return (ranges, rows + await CountAsync(session, table, after, cancellationToken).ConfigureAwait(false));
            rows += size;
            after = next;
        }
    }

    public static async Task<long> CountAsync(Session session, TableInfo table, object?[]? after, CancellationToken cancellationToken)
    {
        var command = session.CreateCommand(
            $"SELECT {session.Dialect.Count()} FROM {session.Dialect.Table(table)} AS "
                + $"t{RowReader.Where(session.Dialect, table.Key, after, null, null)}");
        await using (command.ConfigureAwait(false))
        {
            RowReader.Bind(session, command, after, null);
            return Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false), System.Globalization.CultureInfo.InvariantCulture);
        }
    }

    private static async Task<object?[]?> SkipAsync(Session session, TableInfo table, object?[]? after, int skip, CancellationToken cancellationToken)
    {
        var dialect = session.Dialect;
        var keys = string.Join(", ", table.Key.Select(k => dialect.SelectKey(k, "t")));
        var command = session.CreateCommand(
            dialect.Page($"SELECT {keys} FROM {dialect.Table(table)} AS t{RowReader.Where(dialect, table.Key, after, null, null)} ORDER BY {dialect.OrderBy(table.Key, "t")}", skip, 1));
        await using (command.ConfigureAwait(false))
        {
            RowReader.Bind(session, command, after, null);
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                if (!await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    return null;
                var key = new object?[table.Key.Count];
                for (var i = 0; i < key.Length; i++)
                    key[i] = RowReader.Read(reader, i);
                return key;
            }
        }
    }
}
