using System.Data.Common;
using System.Globalization;
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
    private static readonly StoreColumn Scope = EnvelopeTables.All.Single(t => t.Name == EnvelopeTables.Keys).Columns[0];

    /// <summary>Asks the database.</summary>
    /// <exception cref="KeyUnavailableException">It does not answer.</exception>
    public static async ValueTask<bool> HoldsAsync(
        DbContext context, IReadOnlyList<StoredKey> keys, int newest, bool synchronous, CancellationToken cancellationToken)
    {
        var command = context.GetService<IRelationalConnection>().DbConnection.CreateCommand();
        await using (command.ConfigureAwait(false))
        {
            var scope = context.GetService<ISqlGenerationHelper>().GenerateParameterName("scope");
            command.CommandText = Query(context, scope);
            if (context.Database.CurrentTransaction is { } transaction)
                command.Transaction = transaction.GetDbTransaction();
            command.Parameters.Add(ScopeParameter(context, command, scope, keys[0].Version.Scope));
            try
            {
                return Holds(synchronous ? Read(command) : await ReadAsync(command, cancellationToken).ConfigureAwait(false), keys, newest);
            }
            catch (DbException e)
            {
                throw new KeyUnavailableException(EnvelopeMessages.KeyStoreFailed(EnvelopeTables.Keys), e);
            }
        }
    }

    /// <summary>Makes the parameter of the query, in its column's type: another one keeps SQL Server from the key table's index.</summary>
    public static DbParameter ScopeParameter(DbContext context, DbCommand command, string name, KeyScope scope)
        => EnvelopeTablesSql.FindMapping(context.GetService<IRelationalTypeMappingSource>(), Scope)
            .CreateParameter(command, name, scope.Name, nullable: false);

    /// <summary>Makes the query whose answer <see cref="Holds" /> judges.</summary>
    /// <param name="context">The context that writes, or one of the same database.</param>
    /// <param name="scope">The parameter that holds the name of the scope.</param>
    public static string Query(DbContext context, string scope)
    {
        var sql = context.GetService<ISqlGenerationHelper>();
        return $"SELECT {sql.DelimitIdentifier(EnvelopeTables.Version)}, {sql.DelimitIdentifier(EnvelopeTables.Commitment)}, {sql.DelimitIdentifier(EnvelopeTables.SearchesFrom)}"
            + $" FROM {sql.DelimitIdentifier(EnvelopeTables.Keys, EnvelopeTables.FindSchema(context.Model))}"
            + $" WHERE {EnvelopeTablesSql.IsName(context.Database.ProviderName, sql.DelimitIdentifier(EnvelopeTables.Scope), scope)}"
            + $" AND {sql.DelimitIdentifier(EnvelopeTables.Status)} = '{EnvelopeTables.StatusOf(KeyVersionStatus.Enabled)}'"
            + $" AND {sql.DelimitIdentifier(EnvelopeTables.RetiredAt)} IS NULL";
    }

    /// <summary>Tells whether the versions that are written under are all there, and none is searched that they do not know of.</summary>
    public static bool Holds(IEnumerable<ProvedRow> rows, IReadOnlyList<StoredKey> keys, int newest)
    {
        var stored = rows.ToDictionary(r => r.Version);
        return keys.All(k => stored.TryGetValue(k.Version.Number, out var row) && row.Commitment == Convert.ToBase64String(k.Commitment.Span))
            && !stored.Values.Any(r => r.Version > newest && r.IsSearched);
    }

    /// <summary>Reads a row of the answer.</summary>
    public static ProvedRow Read(object?[] row) => new(Convert.ToInt32(row[0], CultureInfo.InvariantCulture), (string)row[1]!, row[2] is not null);

    private static ProvedRow Read(DbDataReader reader) => new(reader.GetInt32(0), reader.GetString(1), !reader.IsDBNull(2));

    private static List<ProvedRow> Read(DbCommand command)
    {
        using var reader = command.ExecuteReader();
        var rows = new List<ProvedRow>();
        while (reader.Read())
            rows.Add(Read(reader));
        return rows;
    }

    private static async ValueTask<List<ProvedRow>> ReadAsync(DbCommand command, CancellationToken cancellationToken)
    {
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            var rows = new List<ProvedRow>();
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                rows.Add(Read(reader));
            return rows;
        }
    }
}

/// <summary>A version that may be written under.</summary>
internal readonly record struct ProvedRow(int Version, string Commitment, bool IsSearched);
