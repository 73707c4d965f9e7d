using System.Data;
using System.Data.Common;

namespace EfEnvelope.Testing;

/// <summary>Finds the tables that a test must leave as they are when it resets its database.</summary>
public static class EnvelopeTestTables
{
    private const string Prefix = "__Envelope";

    /// <summary>
    /// Returns the names of all tables of EfEnvelope in a database of PostgreSQL or SQL Server: keys, budgets, encryption map, jobs. A test that deletes
    /// their rows takes the keys from an application that has them in memory. On SQLite, make a new database for each test.
    /// </summary>
    /// <param name="connection">A connection to the database. It is opened if it is closed, and left so.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The names, without their schemas.</returns>
    public static async Task<IReadOnlyList<string>> FindAsync(DbConnection connection, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (connection.State == ConnectionState.Closed)
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
        using var tables = await connection.GetSchemaAsync("Tables", cancellationToken).ConfigureAwait(false);
        return
        [
            .. tables.Rows.Cast<DataRow>().Select(row => (string)row["TABLE_NAME"])
                .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal),
        ];
    }
}
