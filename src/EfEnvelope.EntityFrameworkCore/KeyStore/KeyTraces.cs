using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>Looks into a few rows of each encrypted column for a value that has a key, in a database that has none: the last trace of key rows that were lost.</summary>
internal static class KeyTraces
{
    // Few, so that a column that was just added to a large table, and is empty, is not read to its end.
    private const int Rows = 100;

    /// <summary>Finds a column that holds an envelope.</summary>
    /// <param name="user">The context whose model names the columns.</param>
    /// <param name="store">A context of the same database, whose connection is used.</param>
    /// <param name="schema">Where tables are that the model names no schema for, or <see langword="null" /> for the connection's default.</param>
    /// <param name="synchronous">Whether to wait.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<string?> FindColumnAsync(DbContext user, DbContext store, string? schema, bool synchronous, CancellationToken cancellationToken)
    {
        var sql = user.GetService<ISqlGenerationHelper>();
        var isSqlServer = user.Database.ProviderName == ServerDatabase.SqlServer;
        _ = synchronous ? OpenNow(store) : await OpenAsync(store, cancellationToken).ConfigureAwait(false);
        try
        {
            foreach (var (table, column) in ColumnsOf(user.Model))
            {
                var name = sql.DelimitIdentifier(column);
                var from = sql.DelimitIdentifier(table.Name, table.Schema ?? schema);
                var text = $"SELECT {name} FROM (SELECT {(isSqlServer ? $"TOP({Rows}) " : "")}{name} FROM {from}{(isSqlServer ? "" : $" LIMIT {Rows}")}) AS s WHERE {name} IS NOT NULL";
                if (IsEnvelope(await ReadAsync(store, text, synchronous, cancellationToken).ConfigureAwait(false)))
                    return $"{table.DisplayName()}.{column}";
            }
        }
        finally
        {
            if (synchronous)
                store.Database.CloseConnection();
            else
                await store.Database.CloseConnectionAsync().ConfigureAwait(false);
        }

        return null;
    }

    private static IEnumerable<(StoreObjectIdentifier Table, string Column)> ColumnsOf(IModel model)
        => model.GetEntityTypes().SelectMany(t => t.GetFlattenedDeclaredProperties())
            .Where(p => EnvelopeConverters.TryFindField(p.GetTypeMapping().Converter, out _))
            .SelectMany(EncryptedColumn.FindColumns).Distinct();

    private static bool OpenNow(DbContext store)
    {
        store.Database.OpenConnection();
        return true;
    }

    private static async Task<bool> OpenAsync(DbContext store, CancellationToken cancellationToken)
    {
        await store.Database.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    // A table that is not there yet has no value.
    private static async Task<object?> ReadAsync(DbContext store, string text, bool synchronous, CancellationToken cancellationToken)
    {
        var command = store.Database.GetDbConnection().CreateCommand();
        await using (command.ConfigureAwait(false))
        {
            command.CommandText = text;
            if (store.Database.CurrentTransaction is { } transaction)
                command.Transaction = transaction.GetDbTransaction();
            try
            {
                return synchronous ? command.ExecuteScalar() : await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (DbException)
            {
                return null;
            }
        }
    }

    private static bool IsEnvelope(object? value)
        => value switch
        {
            byte[] bytes => EnvelopeHeader.TryRead(bytes, out _),
            string text => text.StartsWith(TextEnvelope.Prefix, StringComparison.Ordinal),
            _ => false,
        };
}
