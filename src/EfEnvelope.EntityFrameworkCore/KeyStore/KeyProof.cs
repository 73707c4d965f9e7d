using System.Data.Common;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// Proves, through the very connection that is about to write, that the key versions it writes under are in the key store beside its rows, enabled, and not
/// retired. A database that was restored, made anew or exchanged behind a running process does not have them, and its rows could never be opened again; nor
/// could those under a version that was retired since the ring was read, once it is destroyed, and no query would look under it. A ring that does not know of a
/// version that is searched by now would write unique values without their second one, and no index could see their duplicates.
/// </summary>
internal static class KeyProof
{
    public static async ValueTask<bool> HoldsAsync(
        DbContext context, IReadOnlyList<StoredKey> keys, int newest, bool synchronous, CancellationToken cancellationToken)
    {
        var sql = context.GetService<ISqlGenerationHelper>();
        var table = sql.DelimitIdentifier(EnvelopeTables.Keys, context.Model.FindEntityType(EnvelopeTables.Keys)?.GetSchema());
        var command = context.GetService<IRelationalConnection>().DbConnection.CreateCommand();
        await using (command.ConfigureAwait(false))
        {
            command.CommandText =
                $"SELECT {sql.DelimitIdentifier(EnvelopeTables.Version)}, {sql.DelimitIdentifier(EnvelopeTables.Commitment)}, {sql.DelimitIdentifier(EnvelopeTables.SearchesFrom)} FROM {table}"
                + $" WHERE {sql.DelimitIdentifier(EnvelopeTables.Scope)} = {sql.GenerateParameterName("scope")}"
                + $" AND {sql.DelimitIdentifier(EnvelopeTables.Status)} = '{EnvelopeTables.StatusOf(KeyVersionStatus.Enabled)}'"
                + $" AND {sql.DelimitIdentifier(EnvelopeTables.RetiredAt)} IS NULL";
            if (context.Database.CurrentTransaction is { } transaction)
                command.Transaction = transaction.GetDbTransaction();
            var scope = command.CreateParameter();
            (scope.ParameterName, scope.Value) = (sql.GenerateParameterName("scope"), keys[0].Version.Scope.Name);
            command.Parameters.Add(scope);
            try
            {
                var stored = synchronous ? Read(command) : await ReadAsync(command, cancellationToken).ConfigureAwait(false);
                return keys.All(k => stored.TryGetValue(k.Version.Number, out var row) && row.Commitment == Convert.ToBase64String(k.Commitment.Span))
                    && !stored.Any(s => s.Key > newest && s.Value.IsSearched);
            }
            catch (DbException e)
            {
                throw new KeyUnavailableException(EnvelopeMessages.KeyStoreFailed(EnvelopeTables.Keys), e);
            }
        }
    }

    private static Dictionary<int, (string Commitment, bool IsSearched)> Read(DbCommand command)
    {
        using var reader = command.ExecuteReader();
        var stored = new Dictionary<int, (string Commitment, bool IsSearched)>();
        while (reader.Read())
            stored[reader.GetInt32(0)] = (reader.GetString(1), !reader.IsDBNull(2));
        return stored;
    }

    private static async ValueTask<Dictionary<int, (string Commitment, bool IsSearched)>> ReadAsync(DbCommand command, CancellationToken cancellationToken)
    {
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            var stored = new Dictionary<int, (string Commitment, bool IsSearched)>();
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                stored[reader.GetInt32(0)] = (reader.GetString(1), !reader.IsDBNull(2));
            return stored;
        }
    }
}
