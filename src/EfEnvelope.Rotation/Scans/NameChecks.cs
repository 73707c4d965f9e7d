using System.Globalization;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Scans;

/// <summary>Looks for columns of EfEnvelope's own tables that take two names for one, by a name that is in them.</summary>
internal static class NameChecks
{
    private static readonly (string Table, string Column)[] Names =
    [
        (EnvelopeTables.Keys, EnvelopeTables.Scope),
        (EnvelopeTables.Usage, EnvelopeTables.Scope),
        (EnvelopeTables.Map, EnvelopeTables.TableName),
        (EnvelopeTables.Map, EnvelopeTables.ColumnName),
        (JobTables.Jobs, "Scope"),
    ];

    public static async Task<IReadOnlyList<Diagnosis>> FindAsync(Session session, CancellationToken cancellationToken)
    {
        var (dialect, found) = (session.Dialect, new List<Diagnosis>());
        foreach (var (table, column) in Names)
        {
            if (!await MapStore.ExistsAsync(session, table, cancellationToken).ConfigureAwait(false))
                continue;
            var count = await session.ScalarAsync(
                $"SELECT {dialect.Count()} FROM {dialect.Table(session.Schema, table)}"
                    + $" WHERE {Ignores(dialect, column, "UPPER")} OR {Ignores(dialect, column, "LOWER")}",
                [], cancellationToken).ConfigureAwait(false);
            if (Convert.ToInt64(count, CultureInfo.InvariantCulture) > 0)
                found.Add(DoctorMessages.NamesIgnoreCase(table, column));
        }

        return found;
    }

    private static string Ignores(Dialect dialect, string column, string function)
    {
        var name = dialect.Quote(column);
        return $"({name} = {function}({name}) AND {EnvelopeTablesSql.ByBytes(dialect.Provider, name)} <> {function}({name}))";
    }
}
