using System.Data.Common;
using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>No job ends, and no version is retired, while a transaction that wrote before is still open.</summary>
public abstract class OpenTransactionsSpecification(TestDatabase database) : EngineSpecification(database)
{
    private static readonly TimeSpan AWhile = TimeSpan.FromSeconds(1.5);

    protected virtual string TextType => "text";

    protected virtual bool HasOneWriter => false;

    [Fact]
    public async Task A_backfill_waits_for_rows_that_are_not_committed_and_for_those_behind_its_position()
    {
        await MakeAsync(50);
        var job = await EnqueueAsync(Backfill());
        await using var writer = await WriterAsync("INSERT INTO t VALUES (1000, 'late')");
        var running = Task.Run(() => RunAsync(job.Id));
        Assert.NotSame(running, await Task.WhenAny(running, Task.Delay(AWhile)));
        await writer.ExecuteAsync("INSERT INTO t VALUES (-5, 'late, too')");
        await writer.CommitAsync();
        AssertCompleted(await running, 52);
        AssertAllEncrypted(await TextsAsync());
        Assert.False(Assert.Single((await Encrypted.ReadMapAsync()).Columns).AllowsPlaintext);
    }

    [Fact]
    public async Task The_wait_for_an_open_transaction_is_reported()
    {
        Assert.SkipWhen(HasOneWriter, "A second writer waits in its driver.");
        await MakeAsync(5);
        var job = await EnqueueAsync(Backfill());
        await using var writer = await WriterAsync("INSERT INTO t VALUES (1000, 'late')");
        var waits = new TaskCompletionSource();
        var progress = new Reports(p =>
        {
            if (p.WaitsFor?.Contains("still open", StringComparison.Ordinal) == true)
                waits.TrySetResult();
        });
        var running = Task.Run(() => Encrypted.Jobs.RunAsync([job.Id], progress: progress));
        Assert.Same(waits.Task, await Task.WhenAny(waits.Task, running));
        await writer.CommitAsync();
        AssertCompleted((await running)[0], 6);
    }

    [Fact]
    public async Task A_decryption_waits_for_envelopes_that_are_not_committed()
    {
        await MakeAsync(30);
        await RunAsync(Backfill());
        var envelope = (await TextsAsync())[7];
        var job = await EnqueueAsync(Decrypt());
        await using var writer = await WriterAsync($"INSERT INTO t VALUES (1000, '{envelope}')");
        var running = Task.Run(() => RunAsync(job.Id));
        Assert.NotSame(running, await Task.WhenAny(running, Task.Delay(AWhile)));
        await writer.CommitAsync();
        AssertCompleted(await running, 31);
        Assert.Equal("value 8", (await TextsAsync())[^1]);
        Assert.Empty((await Encrypted.ReadMapAsync()).Columns);
    }

    [Fact]
    public async Task A_retirement_waits_for_envelopes_that_are_not_committed()
    {
        await MakeAsync(5);
        await RunAsync(Backfill());
        var envelope = (await TextsAsync())[2];
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);
        await RunAsync(Backfill() with { Kind = JobKind.Reencrypt, Columns = [] });
        await Task.Delay(TimeSpan.FromSeconds(1.2));
        await using var writer = await WriterAsync($"UPDATE t SET v = '{envelope}' WHERE id = 3");

        // Its driver waits on the thread that asks, on SQLite.
        var retiring = Task.Run(() => Encrypted.Keys.RetireAsync(new KeyVersion(Scope, 1)));
        Assert.NotSame(retiring, await Task.WhenAny(retiring, Task.Delay(AWhile)));
        await writer.CommitAsync();
        Assert.Equal([new VersionReference("t.v", 1)], (await retiring).References);
    }

    private async Task MakeAsync(int rows)
    {
        await SqlAsync($"CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v {TextType})");
        await SqlAsync($"INSERT INTO t VALUES {string.Join(", ", Enumerable.Range(1, rows).Select(i => $"({i}, 'value {i}')"))}");
    }

    private async Task<Writer> WriterAsync(string sql)
    {
        var connection = Database.CreateConnection();
        await connection.OpenAsync();
        var writer = new Writer(connection, await connection.BeginTransactionAsync());
        await writer.ExecuteAsync(sql);
        return writer;
    }

    private sealed class Reports(Action<JobProgress> report) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => report(value);
    }

    private sealed class Writer(DbConnection connection, DbTransaction transaction) : IAsyncDisposable
    {
        public async Task ExecuteAsync(string sql)
        {
            await using var command = connection.CreateCommand();
            (command.CommandText, command.Transaction) = (sql, transaction);
            await command.ExecuteNonQueryAsync();
        }

        public Task CommitAsync() => transaction.CommitAsync();

        public async ValueTask DisposeAsync()
        {
            await transaction.DisposeAsync();
            await connection.DisposeAsync();
        }
    }
}
