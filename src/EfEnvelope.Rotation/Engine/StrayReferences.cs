using System.Data.Common;
using System.Globalization;
using EfEnvelope.Envelopes;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>
/// Counts what is under a key number where the encryption map does not look: in a column that it lost, as when an application still encrypts what a job decrypted,
/// and in a table of the same name in another schema, which this user's search path hides.
/// </summary>
internal static class StrayReferences
{
    private static readonly EnvelopeAlgorithm[] Algorithms = [EnvelopeAlgorithm.Aes256Gcm, EnvelopeAlgorithm.Aes256Siv, EnvelopeAlgorithm.BlindIndex];

    public static async Task<IReadOnlyList<VersionReference>> FindAsync(Session session, EncryptionMap map, uint number, CancellationToken cancellationToken)
    {
        var found = new List<VersionReference>();
        var others = await session.Dialect.ListOtherMapsAsync(session, cancellationToken).ConfigureAwait(false);
        foreach (var (schema, name) in await session.Dialect.ListTablesAsync(session, cancellationToken).ConfigureAwait(false))
        {
            // What has keys of its own counts them itself.
            if (others.Contains(schema) || await session.Dialect.FindTableAsync(session, schema, name, cancellationToken).ConfigureAwait(false) is not { } table)
                continue;
            List<TableColumn> columns = [.. table.Columns.Where(c => (c.IsBinary || c.IsText) && !map.Columns.Any(m => m.Schema == schema && m.Table == name && m.Column == c.Name))];
            if (columns.Count > 0)
                found.AddRange(await CountAsync(session, table, columns, map, number, cancellationToken).ConfigureAwait(false));
        }

        return found;
    }

    private static async Task<IReadOnlyList<VersionReference>> CountAsync(
        Session session, TableInfo table, List<TableColumn> columns, EncryptionMap map, uint number, CancellationToken cancellationToken)
    {
        var dialect = session.Dialect;
        var headers = Algorithms.Select(a => new EnvelopeHeader(a, number)).ToList();
        var counts = columns.Select(
            c => dialect.Count($"CASE WHEN {dialect.HasHeader($"t.{dialect.Quote(c.Name)}", c.IsBinary ? StoredForm.Binary : StoredForm.Text, headers)} THEN 1 END"));
        try
        {
            var query = $"SELECT {string.Join(", ", counts)} FROM {dialect.Table(table)} AS t{dialect.ScanHint(table)}";
            var row = (await session.QueryAsync(query, [], cancellationToken).ConfigureAwait(false))[0];
            return [.. columns.Select((c, i) => new VersionReference($"{table.DisplayName}.{c.Name}", Convert.ToInt64(row[i] ?? 0L, CultureInfo.InvariantCulture))).Where(r => r.Values > 0)];
        }
        catch (DbException e) when (
            dialect.IsDenied(e) && !columns.Exists(c => map.Columns.Any(m => m.Table == table.Name && m.Column == c.Name)))
        {
            // A table of another application, which this user may not read.
            return [];
        }
        catch (DbException e) when (!dialect.IsTransient(e))
        {
            throw new OperationRefusedException(RotationMessages.TableNotRead(table.DisplayName, dialect.CodeOf(e)), e);
        }
    }
}
