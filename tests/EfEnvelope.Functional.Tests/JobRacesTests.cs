using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Rotation;
using EfEnvelope.Specification;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteJobRacesTests() : JobRacesSpecification(new SqliteTestDatabase())
{
    protected override string CaselessText => "text COLLATE NOCASE";

    [Theory]
    [InlineData("WAL")]
    [InlineData("DELETE")]
    public async Task An_application_that_writes_all_the_time_goes_on_and_so_does_the_job(string journal)
    {
        await SqlAsync($"PRAGMA journal_mode = {journal}");
        await MakeTextsAsync(400);
        var job = await EnqueueAsync(Backfill() with { BatchSize = 20, RangeSize = 100 });
        using var stop = new CancellationTokenSource();
        var (written, writing) = (0, Task.CompletedTask);
        writing = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await SqlAsync($"UPDATE t SET o = o + 1 WHERE id = {(written % 400) + 1}");
                written++;
                await Task.Delay(1);
            }
        });
        Assert.Equal(JobState.Completed, (await RunAsync(job.Id)).State);
        await stop.CancelAsync();
        await writing;
        AssertAllEncrypted(await TextsAsync());
        Assert.True(written > 0);
        Assert.Equal([(long)written], await Database.QueryAsync("SELECT SUM(o) FROM t"));
    }
}

public sealed class PostgresJobRacesTests() : JobRacesSpecification(new PostgresTestDatabase())
{
    protected override string CaselessText => "citext";

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await SqlAsync("CREATE EXTENSION IF NOT EXISTS citext");
    }

    [Fact]
    public async Task A_row_that_is_locked_is_not_waited_for_and_found_by_a_later_pass()
    {
        var job = await PrepareAsync();
        await using var connection = (NpgsqlConnection)Database.CreateConnection();
        await connection.OpenAsync();
        var transaction = await connection.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand("UPDATE t SET v = 'mine' WHERE id = 7", connection, transaction))
            await command.ExecuteNonQueryAsync();

        // All that can be done is done while the row is locked.
        while ((await Encrypted.Jobs.RunRangeAsync(job.Id)) == RangeOutcome.Done && (await Encrypted.Jobs.GetAsync(job.Id)).Pass == 1)
        {
        }

        var meanwhile = await Encrypted.Jobs.GetAsync(job.Id);
        Assert.Equal((49L, 1L), (meanwhile.RowsWritten, meanwhile.RowsLost));
        await transaction.CommitAsync();
        Assert.Equal((JobState.Completed, 50L), ((await RunAsync(job.Id)).State, (await Encrypted.Jobs.GetAsync(job.Id)).RowsWritten));
        await AssertDecryptedAsync(i => i == 7 ? "mine" : $"value {i}");
    }

    [Fact]
    public async Task A_lock_that_a_statement_waits_for_too_long_is_no_outage()
    {
        var job = await PrepareAsync();
        await SqlAsync("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = 100', current_database()); END $$");
        NpgsqlConnection.ClearPool(new NpgsqlConnection(((PostgresTestDatabase)Database).ConnectionString));
        await using var connection = (NpgsqlConnection)Database.CreateConnection();
        await connection.OpenAsync();
        var transaction = await connection.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand("LOCK TABLE t IN ACCESS EXCLUSIVE MODE", connection, transaction))
            await command.ExecuteNonQueryAsync();

        // An outage of no length at all is tolerated.
        var running = RunAsync(job.Id, new RunOptions { OutageTolerance = TimeSpan.Zero });
        Assert.NotSame(running, await Task.WhenAny(running, Task.Delay(TimeSpan.FromSeconds(1.5))));
        await transaction.CommitAsync();

        AssertCompleted(await running, 50);
    }

    [Fact]
    public async Task An_open_transaction_in_another_database_of_the_server_is_nobodys_business()
    {
        var job = await PrepareAsync();
        await using var connection = new NpgsqlConnection(PostgresTestDatabase.Server);
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand("SELECT pg_current_xact_id()", connection, transaction))
            await command.ExecuteScalarAsync();
        AssertCompleted(await RunAsync(job.Id), 50);
    }

    [Fact]
    public async Task Application_and_workers_that_update_the_same_rows_in_opposite_orders_do_not_deadlock()
    {
        await MakeTextsAsync(300);
        var job = await EnqueueAsync(Backfill() with { BatchSize = 50, RangeSize = 100 });
        using var stop = new CancellationTokenSource();
        var writing = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
                await SqlAsync("BEGIN; " + string.Concat(Enumerable.Range(0, 30).Select(i => $"UPDATE t SET o = o + 1 WHERE id = {300 - (i * 10)};")) + "COMMIT");
        });
        var ended = await RunAsync(job.Id, new RunOptions { Workers = 2 });
        await stop.CancelAsync();
        await writing;
        Assert.Equal(JobState.Completed, ended.State);
        AssertAllEncrypted(await TextsAsync());
    }
}
