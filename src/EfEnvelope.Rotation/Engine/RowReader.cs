using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Reads the rows of a range by key, a page at a time: each page is a statement of its own, so that no snapshot and no lock is held.</summary>
/// <param name="session">The connection.</param>
/// <param name="plan">What is read of each row.</param>
/// <param name="filter">The condition of rows that may need work, or <see langword="null" /> for all.</param>
/// <param name="waits">Whether to wait for rows that are not committed yet: for the pass that may be the last.</param>
internal sealed class RowReader(Session session, RowPlan plan, string? filter, bool waits = false)
{
    private readonly Dialect _dialect = session.Dialect;

    /// <summary>Reads a page of keys and values.</summary>
    public async Task<List<(object?[] Key, object?[] Values)>> ReadAsync(object?[]? after, object?[]? upTo, int count, CancellationToken cancellationToken)
    {
        var key = plan.Table.Key;
        var select = key.Select(k => _dialect.SelectKey(k, "t")).Concat(plan.Columns.Select(c => _dialect.SelectValue(c, "t")));
        var from = $"{_dialect.Table(plan.Table)} AS t{(waits ? _dialect.ScanHint(plan.Table) : "")}";
        var query = $"SELECT {string.Join(", ", select)} FROM {from}{Where(_dialect, key, after, upTo, filter)} ORDER BY "
            + $"{_dialect.OrderBy(key, "t")}";
        var command = session.CreateCommand(_dialect.Page(query, 0, count));
        await using (command.ConfigureAwait(false))
        {
            Bind(session, command, after, upTo);
            if (_dialect.PreparesStatements)
                await command.PrepareAsync(cancellationToken).ConfigureAwait(false);
            var rows = new List<(object?[] Key, object?[] Values)>(count);
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    var (rowKey, values) = (new object?[key.Count], new object?[plan.Columns.Count]);
                    for (var i = 0; i < rowKey.Length; i++)
                        rowKey[i] = Read(reader, i);
                    for (var i = 0; i < values.Length; i++)
                        values[i] = _dialect.Decode(plan.Columns[i], Read(reader, key.Count + i));
                    rows.Add((rowKey, values));
                }
            }

            // A key that does not come back as it is would be read again and again.
            if (after is not null && rows.Count > 0 && RowKey.Format(rows[^1].Key) == RowKey.Format(after))
                throw new EnvelopeConfigurationException(RotationMessages.KeyNotExact(plan.Table.DisplayName));
            return rows;
        }
    }

    public static string Where(Dialect dialect, IReadOnlyList<TableColumn> key, object?[]? after, object?[]? upTo, string? filter)
    {
        List<string> terms = [];
        if (after is not null)
            terms.Add(dialect.After(key, "t", "l"));
        if (upTo is not null)
            terms.Add(dialect.UpTo(key, "t", "u"));
        if (filter is not null)
            terms.Add(filter);
        return terms.Count == 0 ? "" : $" WHERE {string.Join(" AND ", terms)}";
    }

    public static void Bind(Session session, System.Data.Common.DbCommand command, object?[]? after, object?[]? upTo)
    {
        for (var i = 0; i < (after?.Length ?? 0); i++)
            session.Dialect.AddParameter(command, $"@l{i}", after![i]);
        for (var i = 0; i < (upTo?.Length ?? 0); i++)
            session.Dialect.AddParameter(command, $"@u{i}", upTo![i]);
    }

    public static object? Read(System.Data.Common.DbDataReader reader, int i)
        => reader.IsDBNull(i) ? null : reader.GetValue(i) switch
        {
            short or int or byte => Convert.ToInt64(reader.GetValue(i), System.Globalization.CultureInfo.InvariantCulture),
            var value => value,
        };
}
