using EfEnvelope.Kms.Local.Audit;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>A store of its own for one test, into which it can look, and meddle, without the KMS.</summary>
internal abstract class TamperStore : IAsyncDisposable
{
    public abstract StorePlace Place { get; }

    public LocalKms Open(TimeProvider? time = null) => new(Place, TestKms.QuickSeal(), time, null);

    public async Task<LocalKms> CreateAsync(TimeProvider? time = null)
    {
        var kms = Open(time);
        await kms.CreateAsync(TestKms.Cancellation);
        await kms.CreateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        return kms;
    }

    /// <summary>Runs SQL behind the back of the KMS.</summary>
    public async Task<int> ExecuteAsync(string sql, params object?[] parameters)
    {
        await using var db = Place.CreateContext();
        return await db.Database.ExecuteSqlRawAsync(sql, parameters!, TestKms.Cancellation);
    }

    /// <summary>Appends events quickly, as the KMS itself does.</summary>
    public async Task AppendAsync(int count)
    {
        var store = new KmsStore(Place);
        using var opener = new KmsOpener(store, TestKms.QuickSeal(), TimeProvider.System, NullLogger.Instance);
        var root = await opener.OpenAsync(create: false, synchronous: false, TestKms.Cancellation);
        var appender = new AuditAppender(store.Path, TimeProvider.System);
        var events = Enumerable.Range(0, count).Select(i => new AuditEvent(
            "app", "Wrap", $"key-{i % 3}", new string('a', 32), 1, new EncryptionContext([new("n", $"{i}")]), null, "ok", null, "root", $"c{i}"));
        await store.WriteAsync(
            async (db, token) =>
            {
                await appender.AppendAsync(db, root!, [.. events], token);
                return true;
            },
            TestKms.Cancellation);
    }

    public abstract ValueTask DisposeAsync();
}

internal sealed class SqliteTamperStore : TamperStore
{
    private readonly TestKms _test = new();

    public string Folder => _test.Folder;

    public override StorePlace Place => field ??= new FilePlace(LocalKmsFile.Parse(_test.ConnectionString));

    public override ValueTask DisposeAsync()
    {
        _test.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>A database of its own on the server that EFENVELOPE_POSTGRES names.</summary>
internal sealed class PostgresTamperStore : TamperStore
{
    private readonly string _name = $"efenvelope_kms_{Convert.ToHexStringLower(TestKms.NewKey(16))}";

    private PostgresTamperStore()
    {
    }

    // A busy machine takes its time.
    public static string? Server { get; }
        = Environment.GetEnvironmentVariable("EFENVELOPE_POSTGRES") is { Length: > 0 } server ? server + ";Timeout=300;Command Timeout=600" : null;

    public override StorePlace Place => field ??= new ServerPlace(options => options.UseNpgsql(ConnectionString));

    private string ConnectionString => new NpgsqlConnectionStringBuilder(Server) { Database = _name, MaxPoolSize = 20 }.ConnectionString;

    public static async Task<PostgresTamperStore> NewAsync()
    {
        Assert.SkipWhen(Server is null, "EFENVELOPE_POSTGRES is not set; run tests/run.sh, which starts a PostgreSQL server.");
        var store = new PostgresTamperStore();
        await OnServerAsync($"CREATE DATABASE {store._name}");
        return store;
    }

    public override async ValueTask DisposeAsync()
    {
        await using (var connection = new NpgsqlConnection(ConnectionString))
            NpgsqlConnection.ClearPool(connection);
        await OnServerAsync($"DROP DATABASE IF EXISTS {_name} WITH (FORCE)");
    }

    private static async Task OnServerAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(Server);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
