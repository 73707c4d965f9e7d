using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>The base of what specifies jobs over tables that SQL made: no model, as the tool sees a database.</summary>
public abstract class EngineSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    protected static readonly KeyScope Scope = new("default");

    private readonly List<EncryptedDatabase> _opened = [];

    protected EncryptedDatabase Encrypted { get; private set; } = null!;

    protected bool IsPostgres { get; private set; }

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using (var connection = Database.CreateConnection())
            IsPostgres = connection.GetType().Name == "NpgsqlConnection";
        Encrypted = Reopen();
        await Encrypted.Keys.CreateAsync(Scope);
    }

    public override async ValueTask DisposeAsync()
    {
        foreach (var database in _opened)
            await database.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <summary>Opens the database once more, as another process would.</summary>
    protected EncryptedDatabase Reopen()
    {
        var opened = EncryptedDatabase.Open(Options<DbContext>(e => e.Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(2) })));
        _opened.Add(opened);
        return opened;
    }

    protected string Q(string name) => Database.Quote(name);

    protected async Task SqlAsync(string sql)
    {
        await using var connection = Database.CreateConnection();
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = Database.OwnWords(sql);
        await command.ExecuteNonQueryAsync();
    }

    protected async Task<List<string?>> ColumnAsync(string table, string column, string orderBy)
        => [.. (await Database.QueryAsync(Database.OwnWords($"SELECT {column} FROM {table} ORDER BY {orderBy}"))).Select(v => v as string)];

    /// <summary>Makes a table of texts, <c>t (id, v, o)</c>, with rows from 1.</summary>
    protected async Task MakeTextsAsync(int rows)
    {
        await SqlAsync("CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text, o integer NOT NULL DEFAULT 0)");
        await SqlAsync($"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT INTO t (id, v) SELECT i, 'value ' || i FROM n");
    }

    protected Task<List<string?>> TextsAsync() => ColumnAsync("t", "CAST(v AS text)", "id");

    protected static JobRequest Backfill(string table = "t", string column = "v")
        => new() { Kind = JobKind.Backfill, Table = table, Columns = [column], BatchSize = 10, RangeSize = 25 };

    protected static JobRequest Decrypt(string table = "t", string column = "v") => Backfill(table, column) with { Kind = JobKind.Decrypt };

    protected async Task<JobInfo> EnqueueAsync(JobRequest request) => await Encrypted.Jobs.EnqueueAsync(await Encrypted.Jobs.PlanAsync(request));

    protected async Task<JobInfo> RunAsync(JobRequest request, RunOptions? options = null, EncryptedDatabase? by = null)
        => await RunAsync((await EnqueueAsync(request)).Id, options, by);

    protected async Task<JobInfo> RunAsync(long job, RunOptions? options = null, EncryptedDatabase? by = null)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(30));
        return (await (by ?? Encrypted).Jobs.RunAsync([job], options, cancellationToken: limit.Token))[0];
    }

    protected static void AssertCompleted(JobInfo job, long written, long refused = 0)
        => Assert.Equal((JobState.Completed, null, written, refused), (job.State, job.Reason, job.RowsWritten, job.RowsRefused));

    protected static void AssertAllEncrypted(IEnumerable<string?> values)
        => Assert.All(values, v => Assert.True(v is null || v.StartsWith("efenvelope:v1:", StringComparison.Ordinal), v));
}
