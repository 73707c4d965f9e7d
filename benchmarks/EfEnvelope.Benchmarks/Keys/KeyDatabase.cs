using System.Collections.Concurrent;
using System.Data.Common;
using System.Security.Cryptography;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EfEnvelope.Benchmarks.Keys;

/// <summary>A database with the rings of many tenants, one data key each, all under one intermediate key.</summary>
internal sealed class KeyDatabase
{
    private static readonly ConcurrentDictionary<(KeyDatabaseKind Kind, int Scopes), KeyDatabase> Databases = new();

    private KeyDatabase(KeyDatabaseKind kind) => (Kind, ConnectionString) = (kind, Places.NewDatabase(kind));

    public KeyDatabaseKind Kind { get; }

    public string ConnectionString { get; }

    public static string ScopeOf(int tenant) => $"tenant-{tenant:D6}";

    /// <summary>Gets a database whose tenants each have a ring; made once.</summary>
    public static KeyDatabase Get(KeyDatabaseKind kind, int scopes)
        => Databases.GetOrAdd(
            (kind, scopes),
            _ =>
            {
                var database = new KeyDatabase(kind);
                database.FillAsync(scopes).GetAwaiter().GetResult();
                return database;
            });

    public TenantContext NewContext(IKeyWrapper kms, int tenant) => TenantContext.Create(Kind, ConnectionString, kms, ScopeOf(tenant));

    public DbConnection NewConnection()
        => Kind == KeyDatabaseKind.Sqlite ? new SqliteConnection(ConnectionString) : new NpgsqlConnection(ConnectionString);

    // The first tenant and the intermediate key come by the way of an application. The others are wrapped as the library wraps them, and inserted at once:
    // one by one, each would be stored, read back and proved.
    private async Task FillAsync(int scopes)
    {
        var kms = new CountingKms();
        await using var context = NewContext(kms, 0);
        await context.Database.EnsureCreatedAsync();
        context.Add(new Tenant { Secret = "first" });
        await context.SaveChangesAsync();

        var store = new EfKeyStore(new KeyStoreConnection(context));
        var first = (await store.ReadAsync(new KeyScope(ScopeOf(0)), default)).Keys[0];
        var options = new EnvelopeOptions();
        var intermediates = new IntermediateKeys(new KeyWrapping([kms], options.KmsTimeout), options, TimeProvider.System, NullLogger.Instance);
        var id = await intermediates.FindForWrappingAsync(store, default);
        var intermediate = (await intermediates.GetAsync(store, id, default)).Key;
        await InsertAsync(ScopeOf(0), Enumerable.Range(1, scopes - 1).Select(tenant => NewKey(new KeyScope(ScopeOf(tenant)), id, intermediate)));

        foreach (var tenant in new[] { 0, scopes / 2, scopes - 1 })
            await ProveAsync(kms, tenant);
    }

    private static (string Scope, string Wrapped, string Commitment) NewKey(KeyScope scope, IntermediateId id, DataKey intermediate)
    {
        var version = new KeyVersion(scope, 1);
        var bytes = RandomNumberGenerator.GetBytes(DataKey.Length);
        var wrapped = IntermediateWrapping.Wrap(id, intermediate, bytes, ProvedKey.ContextOf(version));
        using var key = new DataKey(version, bytes);
        return (scope.Name, wrapped.ToString(), Convert.ToBase64String(key.DeriveCommitment()));
    }

    // Everything but the key is as in the row of the first tenant.
    private async Task InsertAsync(string first, IEnumerable<(string Scope, string Wrapped, string Commitment)> keys)
    {
        const string Others = "\"Status\", \"CreatedAt\", \"EncryptsFrom\", \"EncryptsUntil\", \"SearchesFrom\", \"UniqueFrom\", \"RetiredAt\", \"Revision\"";
        await using var connection = NewConnection();
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = $"INSERT INTO \"{EnvelopeTables.Keys}\" (\"Scope\", \"Version\", \"WrappedKey\", \"Commitment\", {Others})"
            + $" SELECT @scope, 1, @wrapped, @commitment, {Others} FROM \"{EnvelopeTables.Keys}\" WHERE \"Scope\" = '{first}'";
        foreach (var name in new[] { "scope", "wrapped", "commitment" })
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.DbType, parameter.Value) = (name, System.Data.DbType.String, "");
            command.Parameters.Add(parameter);
        }

        await command.PrepareAsync();
        foreach (var (scope, wrapped, commitment) in keys)
        {
            (command.Parameters[0].Value, command.Parameters[1].Value, command.Parameters[2].Value) = (scope, wrapped, commitment);
            await command.ExecuteNonQueryAsync();
        }

        await transaction.CommitAsync();
        if (Kind == KeyDatabaseKind.PostgreSql)
        {
            command.CommandText = $"ANALYZE \"{EnvelopeTables.Keys}\"";
            command.Parameters.Clear();
            await command.ExecuteNonQueryAsync();
        }
    }

    // What an application writes under a key that was inserted, another process reads.
    private async Task ProveAsync(IKeyWrapper kms, int tenant)
    {
        var row = new Tenant { Secret = ScopeOf(tenant) };
        await using (var context = NewContext(kms, tenant))
        {
            context.Add(row);
            await context.SaveChangesAsync();
        }

        await using var other = NewContext(new CountingKms(), tenant);
        if ((await other.Tenants.SingleAsync(t => t.Id == row.Id)).Secret != row.Secret)
            throw new InvalidOperationException("The value does not open.");
        var stored = await new EfKeyStore(new KeyStoreConnection(other)).ReadAsync(new KeyScope(ScopeOf(tenant)), default);
        if (stored.Keys is not [{ Version.Number: 1 }])
            throw new InvalidOperationException("The tenant has not exactly one key.");
    }
}
