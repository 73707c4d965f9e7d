using System.Globalization;
using EfEnvelope.Envelopes;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Counts what a column holds by its headers, in SQL: no value leaves the database, and no key is needed.</summary>
internal static class HeaderScan
{
    private static readonly EnvelopeAlgorithm[] Algorithms = [EnvelopeAlgorithm.Aes256Gcm, EnvelopeAlgorithm.Aes256Siv, EnvelopeAlgorithm.BlindIndex];

    /// <summary>Counts the values under a key number.</summary>
    public static async Task<long> CountAsync(Session session, MapColumn column, uint number, CancellationToken cancellationToken)
    {
        var table = await RequireColumnAsync(session, column, cancellationToken).ConfigureAwait(false);
        var dialect = session.Dialect;
        var form = column.IsText ? StoredForm.Text : StoredForm.Binary;
        var has = dialect.HasHeader($"t.{dialect.Quote(column.Column)}", form, Algorithms.Select(a => new EnvelopeHeader(a, number)));
        var count = await session.ScalarAsync(
            $"SELECT {dialect.Count()} FROM {dialect.Table(table)} AS t{dialect.ScanHint(table)} WHERE {has}", [], cancellationToken)
            .ConfigureAwait(false);
        return Convert.ToInt64(count, CultureInfo.InvariantCulture);
    }

    /// <summary>Counts all values by key number.</summary>
    public static async Task<ColumnStatus> CountAllAsync(Session session, MapColumn column, CancellationToken cancellationToken)
    {
        var table = await RequireColumnAsync(session, column, cancellationToken).ConfigureAwait(false);
        var dialect = session.Dialect;
        var name = $"t.{dialect.Quote(column.Column)}";
        var header = $"CASE WHEN {name} IS NULL THEN NULL ELSE {dialect.Header(name, column.IsText ? StoredForm.Text : StoredForm.Binary)} END";
        var groups = await session.QueryAsync(
            $"SELECT g.h, g.n, {dialect.Count()} FROM (SELECT {header} AS h, CASE WHEN {name} IS NULL THEN 1 ELSE 0 END AS n"
                + $" FROM {dialect.Table(table)} AS t{dialect.ScanHint(table)}) AS g GROUP BY g.h, g.n",
            [], cancellationToken).ConfigureAwait(false);
        var (nulls, foreign, byNumber) = (0L, 0L, new SortedDictionary<uint, long>());
        foreach (var group in groups)
        {
            var count = Convert.ToInt64(group[2], CultureInfo.InvariantCulture);
            if (Convert.ToInt32(group[1], CultureInfo.InvariantCulture) == 1)
                nulls += count;
            else if (HeaderText.TryRead(group[0], out var read))
                byNumber[read.KeyNumber] = byNumber.GetValueOrDefault(read.KeyNumber) + count;
            else
                foreign += count;
        }

        return new ColumnStatus { Column = column, Nulls = nulls, Foreign = foreign, ByKeyNumber = byNumber };
    }

    // A column that the map has and the table has not would be counted as free of references.
    private static async Task<TableInfo> RequireColumnAsync(Session session, MapColumn column, CancellationToken cancellationToken)
    {
        var table = await session.Dialect.FindTableAsync(session, column.Schema, column.Table, cancellationToken).ConfigureAwait(false)
            ?? throw new EnvelopeConfigurationException(RotationMessages.TableMissing(column.TableName));
        if (table.Find(column.Column) is null)
            throw new EnvelopeConfigurationException(RotationMessages.ColumnMissing(table.DisplayName, column.Column));
        return table;
    }
}
