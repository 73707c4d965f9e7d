using EfEnvelope.Kms.Local;
using EfEnvelope.Kms.Tests.Conformance;
using EfEnvelope.Kms.Tests.Http;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Time.Testing;
using Npgsql;

namespace EfEnvelope.Kms.Tests.Local;

/// <summary>The embedded KMS with access enforced; the suite is a principal that one policy lets do everything.</summary>
internal sealed class LocalHarness : KmsHarness
{
    private const string InProcess = "The embedded KMS is called in the process, not over a network.";

    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);
    private readonly CollectedLog _log = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("efenvelope-conformance-").FullName;
    private readonly Func<ValueTask> _cleanUp;
    private readonly LocalKms _kms;
    private string _credential = "";

    private LocalHarness(Func<string, LocalKmsSeal, TimeProvider, CollectedLog, LocalKms> open, Func<ValueTask> cleanUp)
        => (_kms, _cleanUp) = (open(_folder, LocalKmsSeal.CreateKeyFile(Path.Combine(_folder, "kms.key")), _time, _log), cleanUp);

    public override IReadOnlyDictionary<KmsLever, string> Cannot { get; } = new Dictionary<KmsLever, string>
    {
        [KmsLever.ExpireCredentials] = "A credential of the embedded KMS does not expire; there is nothing to renew it from.",
        [KmsLever.Throttle] = InProcess,
        [KmsLever.Fail] = InProcess,
        [KmsLever.Hang] = InProcess,
        [KmsLever.Drop] = InProcess,
        [KmsLever.Stop] = InProcess,
    };

    public override bool IsRemote => false;

    public override IKeyWrapper Wrapper => field ??= Of("clinic");

    public override IKeyWrapper OtherKey => field ??= Of("lab");

    public override IKeyWrapper MissingKey => field ??= Of("missing");

    public override IEnumerable<string> Secrets => [_credential];

    public override string Log => _log.Text;

    public static ValueTask<LocalHarness> StartOnSqliteAsync()
        => StartAsync(new LocalHarness((folder, seal, time, log) => new LocalKms($"Data Source={Path.Combine(folder, "kms.db")}", seal, time, log), () => ValueTask.CompletedTask));

    public static async ValueTask<LocalHarness> StartOnPostgresAsync()
    {
        var server = Environment.GetEnvironmentVariable("EFENVELOPE_POSTGRES");
        Assert.SkipWhen(string.IsNullOrEmpty(server), "EFENVELOPE_POSTGRES names no server.");
        // A busy machine takes its time.
        server += ";Timeout=300;Command Timeout=600";
        var name = $"kms_conformance_{Guid.CreateVersion7():N}";
        await ExecuteAsync(server, $"CREATE DATABASE {name}");
        var connection = new NpgsqlConnectionStringBuilder(server) { Database = name, Pooling = false }.ConnectionString;
        return await StartAsync(
            new LocalHarness(
                (_, seal, time, log) => new LocalKms(store => store.UseNpgsql(connection), seal, time, log),
                async () => await ExecuteAsync(server, $"DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
    }

    /// <summary>In the one database that EFENVELOPE_SQLSERVER names: the tables of the KMS are dropped before and after.</summary>
    public static async ValueTask<LocalHarness> StartOnSqlServerAsync()
    {
        var server = Environment.GetEnvironmentVariable("EFENVELOPE_SQLSERVER");
        Assert.SkipWhen(string.IsNullOrEmpty(server), "EFENVELOPE_SQLSERVER names no database of a SQL Server.");
        await DropTablesAsync(server!);
        return await StartAsync(
            new LocalHarness(
                (_, seal, time, log) => new LocalKms(store => store.UseSqlServer(server), seal, time, log), async () => await DropTablesAsync(server!)));
    }

    public override async ValueTask RotateAsync() => await _kms.RotateKeyAsync("clinic");

    public override async ValueTask DisableAsync() => await _kms.DisableKeyAsync("clinic");

    public override async ValueTask EnableAsync() => await _kms.EnableKeyAsync("clinic");

    public override async ValueTask ScheduleDeletionAsync() => await _kms.ScheduleKeyDeletionAsync("clinic", days: 7);

    public override async ValueTask DeleteAsync()
    {
        await ScheduleDeletionAsync();
        _time.Advance(TimeSpan.FromDays(8));
    }

    public override async ValueTask DenyAsync() => await _kms.Access.DeletePolicyAsync("suite");

    public override async ValueTask DisposeAsync()
    {
        await _kms.DisposeAsync();
        await _cleanUp();
        Directory.Delete(_folder, recursive: true);
    }

    // Keys are administered by who holds the seal; it is access to them that is enforced.
    private static async ValueTask<LocalHarness> StartAsync(LocalHarness harness)
    {
        await harness._kms.CreateAsync();
        await harness._kms.CreateKeyAsync("clinic");
        await harness._kms.CreateKeyAsync("lab");
        harness._credential = await harness._kms.Access.CreatePrincipalAsync("suite");
        await harness._kms.Access.PutPolicyAsync(
            "suite", """{ "statements": [ { "effect": "allow", "principals": ["suite"], "operations": ["*"], "keys": ["*"] } ] }""");
        return harness;
    }

    private static async Task DropTablesAsync(string server)
    {
        await using var connection = new SqlConnection(server);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText =
            """
            DECLARE @sql nvarchar(max) = N'';
            SELECT @sql += N'ALTER TABLE ' + QUOTENAME(OBJECT_NAME(parent_object_id)) + N' DROP CONSTRAINT ' + QUOTENAME(name) + N';'
                FROM sys.foreign_keys WHERE OBJECT_NAME(parent_object_id) LIKE N'kms[_]%';
            SELECT @sql += N'DROP TABLE ' + QUOTENAME(name) + N';' FROM sys.tables WHERE schema_id = SCHEMA_ID() AND name LIKE N'kms[_]%';
            EXEC sp_executesql @sql;
            """;
        await command.ExecuteNonQueryAsync();
    }

    private static async Task ExecuteAsync(string server, string sql)
    {
        await using var connection = new NpgsqlConnection(server);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private IKeyWrapper Of(string key) => _kms.As(LocalKmsCredential.Parse(_credential)).GetKeyWrapper(key);
}
