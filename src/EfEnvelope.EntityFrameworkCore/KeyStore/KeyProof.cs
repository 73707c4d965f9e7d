using System.Data.Common;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// Proves, through the very connection that is about to write, that the key version it writes under is in the key store beside its rows. A database
/// that was restored, made anew or exchanged behind a running process does not have it, and its rows could never be opened again.
/// </summary>
internal static class KeyProof
{
    public static async ValueTask<bool> IsStoredAsync(DbContext context, StoredKey key, bool synchronous, CancellationToken cancellationToken)
    {
        var sql = context.GetService<ISqlGenerationHelper>();
        var table = sql.DelimitIdentifier(EnvelopeTables.Keys, context.Model.FindEntityType(EnvelopeTables.Keys)?.GetSchema());
        var command = context.GetService<IRelationalConnection>().DbConnection.CreateCommand();
        await using (command.ConfigureAwait(false))
        {
            command.CommandText =
                $"SELECT {sql.DelimitIdentifier(EnvelopeTables.Commitment)} FROM {table}"
                + $" WHERE {sql.DelimitIdentifier(EnvelopeTables.Scope)} = {sql.GenerateParameterName("scope")}"
                + $" AND {sql.DelimitIdentifier(EnvelopeTables.Version)} = {sql.GenerateParameterName("version")}";
            if (context.Database.CurrentTransaction is { } transaction)
                command.Transaction = transaction.GetDbTransaction();
            Add(command, sql.GenerateParameterName("scope"), key.Version.Scope.Name);
            Add(command, sql.GenerateParameterName("version"), key.Version.Number);
            try
            {
                var stored = synchronous
                    ? command.ExecuteScalar()
                    : await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false);
                return stored is string text && text == Convert.ToBase64String(key.Commitment.Span);
            }
            catch (DbException e)
            {
                throw new KeyUnavailableException(EnvelopeMessages.KeyStoreFailed(EnvelopeTables.Keys), e);
            }
        }
    }

    private static void Add(DbCommand command, string name, object value)
    {
        var parameter = command.CreateParameter();
        (parameter.ParameterName, parameter.Value) = (name, value);
        command.Parameters.Add(parameter);
    }
}
