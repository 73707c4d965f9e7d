using System.Data.Common;
using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Access;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EfEnvelope.Kms.Local;

/// <summary>An empty place of its own for the KMS of one test.</summary>
public abstract class TestStore : IDisposable
{
    public const string KeyName = TestKms.KeyName;

    /// <summary>Gets what another process opens the store with: a path, or the connection string of a server.</summary>
    public abstract string Address { get; }

    public abstract LocalKms Open(LocalKmsSeal? seal = null, TimeProvider? time = null);

    public abstract DbConnection Connect();

    public abstract void Dispose();

    public async Task<LocalKms> CreateAsync(TimeProvider? time = null, LocalKmsSeal? seal = null)
    {
        var kms = Open(seal, time);
        await kms.CreateAsync(TestKms.Cancellation);
        await kms.CreateKeyAsync(KeyName, TestKms.Cancellation);
        return kms;
    }

    public async Task<object?> ExecuteAsync(string sql)
    {
        await using var connection = Connect();
        await connection.OpenAsync(TestKms.Cancellation);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteScalarAsync(TestKms.Cancellation);
    }
}

/// <summary>A SQLite file.</summary>
public sealed class SqliteTestStore : TestStore
{
    private readonly TestKms _test = new();

    public override string Address => _test.File;

    public override LocalKms Open(LocalKmsSeal? seal = null, TimeProvider? time = null) => _test.Open(seal, time);

    public override DbConnection Connect() => new SqliteConnection(_test.ConnectionString + ";Pooling=False");

    public override void Dispose() => _test.Dispose();
}

/// <summary>A schema of its own on the PostgreSQL server of <c>EFENVELOPE_POSTGRES</c>, beside a table of another application.</summary>
public sealed class PostgresTestStore : TestStore
{
    private readonly string _schema = "kms_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
    private readonly string _server;

    public PostgresTestStore()
    {
        _server = PostgresTamperStore.Server ?? "";
        Assert.SkipWhen(_server.Length == 0, "EFENVELOPE_POSTGRES is not set.");
        Address = new NpgsqlConnectionStringBuilder(_server) { SearchPath = _schema, MaxPoolSize = 12 }.ConnectionString;
        Execute($"CREATE SCHEMA {_schema}; CREATE TABLE {_schema}.patients (id int); CREATE TABLE {_schema}.kms_notes (id int)");
    }

    public override string Address { get; }

    public override LocalKms Open(LocalKmsSeal? seal = null, TimeProvider? time = null)
        => new(store => store.UseNpgsql(Address), seal ?? TestKms.QuickSeal(), time);

    public override DbConnection Connect() => new NpgsqlConnection(Address);

    public override void Dispose()
    {
        using (var pooled = new NpgsqlConnection(Address))
            NpgsqlConnection.ClearPool(pooled);
        Execute($"DROP SCHEMA {_schema} CASCADE");
    }

    private void Execute(string sql)
    {
        using var connection = new NpgsqlConnection(_server);
        connection.Open();
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }
}

/// <summary>A test that runs on a new store of each kind.</summary>
public abstract class StoreTests(TestStore store) : IDisposable
{
    protected TestStore Store => store;

    protected static CancellationToken Cancellation => TestKms.Cancellation;

    public void Dispose()
    {
        store.Dispose();
        GC.SuppressFinalize(this);
    }
}
