using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>Looks at our tables through a connection of the application's that is open.</summary>
internal static class StoreQuery
{
    public static EnvelopeTablesSql SqlOf(DbContext context)
        => new(context.GetService<ISqlGenerationHelper>(), context.GetService<IRelationalTypeMappingSource>(), context.Database.ProviderName);

    /// <summary>Tells whether one of our tables is there and can be read. In PostgreSQL a query that fails would end the application's transaction.</summary>
    public static async ValueTask<bool> ExistsAsync(
        DbContext context, DbConnection connection, DbTransaction? transaction, string table, string? schema, bool synchronous, CancellationToken cancellationToken)
        => (await ReadAsync(connection, transaction, SqlOf(context).Find(table, schema), synchronous, cancellationToken).ConfigureAwait(false)).Count > 0;

    /// <summary>Reads all rows of a query, as text.</summary>
    public static async ValueTask<List<string?[]>> ReadAsync(
        DbConnection connection, DbTransaction? transaction, string text, bool synchronous, CancellationToken cancellationToken)
    {
        var query = connection.CreateCommand();
        (query.CommandText, query.Transaction) = (text, transaction);
        if (synchronous)
        {
            using (query)
            {
                using var reader = query.ExecuteReader();
                var rows = new List<string?[]>();
                while (reader.Read())
                    rows.Add(Read(reader));
                return rows;
            }
        }

        await using (query.ConfigureAwait(false))
        {
            var reader = await query.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                var rows = new List<string?[]>();
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    rows.Add(Read(reader));
                return rows;
            }
        }
    }

    // Whoever writes the database may store anything in any column of SQLite.
    private static string?[] Read(DbDataReader reader)
        => [.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : reader.GetValue(i) as string ?? "")];
}
