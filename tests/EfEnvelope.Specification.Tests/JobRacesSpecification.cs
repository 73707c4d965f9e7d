using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>What the application does between a job's read and its write always wins, and no row is forgotten for it.</summary>
public abstract class JobRacesSpecification(TestDatabase database) : EngineSpecification(database)
{
    private const int Rows = 50;

    [Fact]
    public async Task A_value_that_is_updated_in_between_is_the_applications_and_ends_encrypted()
    {
        var job = await RaceAsync(() => SqlAsync("UPDATE t SET v = 'new ' || id WHERE id IN (3, 17)"));
        Assert.Equal((JobState.Completed, Rows, 2L), (job.State, job.RowsWritten, job.RowsLost));
        AssertAllEncrypted(await TextsAsync());
        await AssertDecryptedAsync(i => i is 3 or 17 ? $"new {i}" : $"value {i}");
    }

    [Fact]
    public async Task Without_compare_and_set_that_value_would_be_lost()
    {
        Encrypted.SkipsCompareAndSet = true;
        await RaceAsync(() => SqlAsync("UPDATE t SET v = 'new ' || id WHERE id IN (3, 17)"));
        await AssertDecryptedAsync(i => $"value {i}");
    }

    [Fact]
    public async Task A_change_of_another_column_survives_and_does_not_keep_the_row_from_being_converted()
    {
        var job = await RaceAsync(() => SqlAsync("UPDATE t SET o = 77 WHERE id = 4"));
        Assert.Equal((JobState.Completed, Rows, 0L), (job.State, job.RowsWritten, job.RowsLost));
        AssertAllEncrypted(await TextsAsync());
        Assert.Equal(77, Convert.ToInt32((await Database.QueryAsync("SELECT o FROM t WHERE id = 4"))[0], System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task A_row_that_is_deleted_in_between_stays_deleted()
    {
        var job = await RaceAsync(() => SqlAsync("DELETE FROM t WHERE id = 4"));
        Assert.Equal((JobState.Completed, Rows - 1, 1L), (job.State, job.RowsWritten, job.RowsLost));
        Assert.Equal(Rows - 1, (await TextsAsync()).Count);
    }

    [Fact]
    public async Task A_row_that_becomes_null_in_between_stays_null()
    {
        var job = await RaceAsync(() => SqlAsync("UPDATE t SET v = NULL WHERE id = 4"));
        Assert.Equal(JobState.Completed, job.State);
        Assert.Null((await TextsAsync())[3]);
    }

    [Fact]
    public async Task Rows_that_are_inserted_before_and_behind_the_position_are_found()
    {
        var job = await RaceAsync(() => SqlAsync("INSERT INTO t VALUES (-5, 'value -5', 0), (1000, 'value 1000', 0)"), atBatch: 3);
        AssertCompleted(job, Rows + 2);
        AssertAllEncrypted(await TextsAsync());
    }

    [Fact]
    public async Task A_row_that_is_written_in_clear_text_in_every_pass_is_looked_for_until_it_is_not()
    {
        var (times, job) = (0, await PrepareAsync());
        Encrypted.BeforeWrite = () => ++times <= 8 ? SqlAsync($"UPDATE t SET v = 'again {times}' WHERE id = 1") : Task.CompletedTask;
        Assert.Equal(JobState.Completed, (await RunAsync(job.Id)).State);
        AssertAllEncrypted(await TextsAsync());
        Assert.True(times > 8);
    }

    [Fact]
    public async Task Values_that_differ_in_case_or_in_trailing_blanks_are_not_the_value_that_was_read()
    {
        await SqlAsync($"CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v {CaselessText}, o integer)");
        await SqlAsync("INSERT INTO t VALUES (1, 'ada', 0), (2, 'bob', 0)");
        var (job, done) = (await EnqueueAsync(Backfill()), false);
        Encrypted.BeforeWrite = async () =>
        {
            if (!done)
                await SqlAsync("UPDATE t SET v = 'ADA' WHERE id = 1");
            done = true;
        };
        Assert.Equal(1, (await RunAsync(job.Id)).RowsLost);
        await RunAsync(Decrypt());
        Assert.Equal(["ADA", "bob"], await TextsAsync());
    }

    protected abstract string CaselessText { get; }

    protected async Task<JobInfo> PrepareAsync()
    {
        await MakeTextsAsync(Rows);
        return await EnqueueAsync(Backfill());
    }

    protected async Task<JobInfo> RaceAsync(Func<Task> race, int atBatch = 1)
    {
        var (batches, job) = (0, await PrepareAsync());
        Encrypted.BeforeWrite = () => ++batches == atBatch ? race() : Task.CompletedTask;
        return await RunAsync(job.Id);
    }

    protected async Task AssertDecryptedAsync(Func<int, string> expected)
    {
        (Encrypted.SkipsCompareAndSet, Encrypted.BeforeWrite) = (false, null);
        await RunAsync(Decrypt());
        Assert.Equal(Enumerable.Range(1, Rows).Select(expected), await TextsAsync());
    }
}
