using System.Data.Common;
using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Kms.Local;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Functional;

/// <summary>
/// Synchronous calls in a process that has just started, whose pool has nothing but callers that wait for keys: two threads, and on SQLite never more, so that
/// what needs one more thread of the pool never ends there.
/// </summary>
public abstract class ColdStartTests(TestDatabase database) : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("efenvelope-");
    private string _provider = "";
    private string _kekFile = "";

    public async ValueTask InitializeAsync()
    {
        await database.CreateAsync();
        _kekFile = FileKms.CreateFile();
        LocalKmsSeal.CreateKeyFile(Path.Combine(_folder.FullName, "seal.key"));
        await using var context = new WriterContext(Options(e => e.UseKms(new FileKms(_kekFile))));
        _provider = context.Database.ProviderName!;
        await context.Database.EnsureCreatedAsync();
    }

    public async ValueTask DisposeAsync()
    {
        SqliteConnection.ClearAllPools();
        await database.DisposeAsync();
        _folder.Delete(recursive: true);
        File.Delete(_kekFile);
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(60)]
    public async Task Embedded_KMS_and_key_store_need_no_thread_of_the_pool(int callers)
    {
        // The first run makes KMS and key, the second opens both for a write, the third for a read.
        await AssertAllSucceedAsync("write", callers);
        await AssertAllSucceedAsync("write", callers);
        await AssertAllSucceedAsync("read", callers);

        await using var context = new WriterContext(
            Options(e => e.UseLocalKms($"Data Source={Path.Combine(_folder.FullName, "kms.db")}", LocalKmsSeal.KeyFile(Path.Combine(_folder.FullName, "seal.key")))));
        var rows = await context.Rows.AsNoTracking().ToListAsync();
        Assert.Equal(2 * callers, rows.Count);
        Assert.All(rows, r => Assert.Equal(WrittenRow.SecretOf(r.Writer, r.Number), r.Secret));
        Assert.Equal(["1"], (await database.QueryAsync($"SELECT {database.Quote("Version")} FROM {database.Quote("__EnvelopeKeys")} WHERE {database.OfApplications}")).Select(v => $"{v}"));
    }

    protected string KekFile => _kekFile;

    private async Task AssertAllSucceedAsync(string work, int callers)
    {
        var said = await RunAsync(_folder.FullName, work, callers);
        Assert.True(said.StartsWith($"succeeded {callers} of {callers}", StringComparison.Ordinal), said);
    }

    protected Task<string> RunAsync(string kms, string work, int callers, params string[] more)
    {
        // More callers than the driver's pool has connections, on a machine that may start a process slowly: they queue for as long as it takes.
        using var connection = database.CreateConnection();
        var connectionString = new DbConnectionStringBuilder { ConnectionString = connection.ConnectionString };
        if (connectionString.ContainsKey("Timeout"))
            connectionString["Timeout"] = 300;
        return WriterProcess.RunAsync(["starved", _provider, connectionString.ConnectionString, kms, work, $"{callers}", .. more]);
    }

    private DbContextOptions<WriterContext> Options(Action<EnvelopeOptionsBuilder> configure)
        => ((DbContextOptionsBuilder<WriterContext>)database.UseProvider(new DbContextOptionsBuilder<WriterContext>())).UseEnvelopeEncryption(configure).Options;
}

public sealed class SqliteColdStartTests() : ColdStartTests(new SqliteTestDatabase())
{
    [Fact]
    public async Task KMS_that_needs_the_pool_is_refused_with_the_way_out_and_serves_after_a_warm_up()
    {
        var refused = await RunAsync(KekFile, "write", 8);
        Assert.DoesNotContain("succeeded 8 of 8", refused, StringComparison.Ordinal);
        Assert.Contains("AddEnvelopeWarmUp<TContext>()", refused, StringComparison.Ordinal);
        Assert.Contains(nameof(KeyUnavailableException), refused, StringComparison.Ordinal);

        Assert.StartsWith("succeeded 8 of 8", await RunAsync(KekFile, "write", 8, "warm"), StringComparison.Ordinal);
        Assert.StartsWith("succeeded 8 of 8", await RunAsync(KekFile, "read", 8, "warm"), StringComparison.Ordinal);
    }
}

public sealed class PostgresColdStartTests() : ColdStartTests(new PostgresTestDatabase());
