using System.Data.Common;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>Asks an open connection in which schema it finds the key table, or would create it.</summary>
internal static class SchemaQuery
{
    public static string Sql(string? provider)
        => provider == ServerDatabase.SqlServer
            ? $"SELECT COALESCE(OBJECT_SCHEMA_NAME(OBJECT_ID(N'[{EnvelopeTables.Keys}]')), SCHEMA_NAME())"
            : "SELECT COALESCE((SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                + $" WHERE c.oid = pg_catalog.to_regclass('\"{EnvelopeTables.Keys}\"')), pg_catalog.current_schema())::text";

    public static async ValueTask<string?> AskAsync(IRelationalConnection connection, string? provider, bool synchronous, CancellationToken cancellationToken)
    {
        var command = connection.DbConnection.CreateCommand();
        await using (command.ConfigureAwait(false))
        {
            command.CommandText = Sql(provider);
            if (connection.CurrentTransaction is { } transaction)
                command.Transaction = transaction.GetDbTransaction();
            if (connection.CommandTimeout is { } timeout)
                command.CommandTimeout = timeout;
            return (synchronous ? command.ExecuteScalar() : await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false)) as string;
        }
    }
}
