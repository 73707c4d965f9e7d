using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>A job that was stopped anywhere goes on there: nothing is lost, and nothing counted twice.</summary>
public abstract class JobResumptionSpecification(TestDatabase database) : EngineSpecification(database)
{
    protected const int Rows = 120;

    [Fact]
    public async Task A_worker_that_dies_before_any_of_its_batches_leaves_exact_counters()
    {
        var job = await PrepareAsync();
        var (deaths, batches) = (0, 0);
        Encrypted.BeforeWrite = () => ++batches % 2 == 0 ? throw new IOException("the worker dies") : Task.CompletedTask;
        while ((await Encrypted.Jobs.GetAsync(job.Id)).State != JobState.Completed)
        {
            try
            {
                await Encrypted.Jobs.RunRangeAsync(job.Id);
            }
            catch (KeyUnavailableException)
            {
                deaths++;
            }
        }

        Assert.True(deaths >= 6, $"{deaths}");
        await AssertExactAsync(job.Id);
    }

    [Fact]
    public async Task Cancelling_at_every_batch_leaves_exact_counters()
    {
        var job = await PrepareAsync();
        for (var state = JobState.Pending; state != JobState.Completed; state = (await Encrypted.Jobs.GetAsync(job.Id)).State)
        {
            using var stop = new CancellationTokenSource();
            var batches = 0;
            Encrypted.BeforeWrite = () => ++batches == 2 ? stop.CancelAsync() : Task.CompletedTask;
            try
            {
                await Encrypted.Jobs.RunAsync([job.Id], cancellationToken: stop.Token);
            }
            catch (OperationCanceledException)
            {
            }
        }

        await AssertExactAsync(job.Id);
    }

    [Fact]
    public async Task Ranges_that_many_tasks_run_at_once_are_each_done_once()
    {
        var job = await PrepareAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(30));
        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(async () =>
        {
            while (await Encrypted.Jobs.RunRangeAsync(job.Id, limit.Token) != RangeOutcome.Ended)
                await Task.Delay(20, limit.Token);
        })));
        await AssertExactAsync(job.Id);
    }

    [Fact]
    public async Task Two_processes_share_a_job()
    {
        var job = await PrepareAsync();
        var other = Reopen();
        await Task.WhenAll(RunAsync(job.Id), RunAsync(job.Id, by: other));
        await AssertExactAsync(job.Id);
    }

    [Fact]
    public async Task A_job_is_paused_slowed_resumed_and_cancelled_while_it_runs()
    {
        var job = await PrepareAsync();
        var batches = 0;
        Encrypted.BeforeWrite = async () =>
        {
            if (++batches == 3)
                await Encrypted.Jobs.PauseAsync(job.Id);
        };
        var paused = await RunAsync(job.Id, new RunOptions { WaitsForTime = false });
        Assert.Equal((JobState.Paused, 20L), (paused.State, paused.RowsWritten));

        // The batch whose worker was paused was not written.
        Assert.Equal(20, (await TextsAsync()).Count(t => t!.StartsWith("efenvelope:", StringComparison.Ordinal)));
        Assert.Equal(JobState.Running, (await Encrypted.Jobs.ResumeAsync(job.Id)).State);
        batches = 0;
        Encrypted.BeforeWrite = async () =>
        {
            if (++batches == 2)
                await Encrypted.Jobs.ThrottleAsync(job.Id, new Throttle { RowsPerSecond = 100_000 });
            if (batches == 4)
                await Encrypted.Jobs.CancelAsync(job.Id);
        };
        var cancelled = await RunAsync(job.Id);
        Assert.Equal((JobState.Cancelled, 45L, 100_000), (cancelled.State, cancelled.RowsWritten, cancelled.Throttle.RowsPerSecond));
        await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Jobs.ResumeAsync(job.Id));
        await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Jobs.PauseAsync(job.Id));
        Encrypted.BeforeWrite = null;
        AssertCompleted(await RunAsync(Backfill()), Rows - 45);
    }

    [Fact]
    public async Task A_slow_job_obeys_a_faster_throttle_while_it_rests()
    {
        await MakeTextsAsync(30);
        var job = await EnqueueAsync(Backfill() with { Throttle = new Throttle { DutyCycle = 0.000001 } });
        var running = RunAsync(job.Id);
        while ((await Encrypted.Jobs.GetAsync(job.Id)).RowsWritten == 0)
            await Task.Delay(50);
        await Encrypted.Jobs.ThrottleAsync(job.Id, new Throttle { DutyCycle = 1 });
        AssertCompleted(await running, 30);
    }

    protected async Task<JobInfo> PrepareAsync()
    {
        await MakeTextsAsync(Rows);
        return await EnqueueAsync(Backfill());
    }

    protected async Task AssertExactAsync(long id)
    {
        var job = await Encrypted.Jobs.GetAsync(id);
        AssertCompleted(job, Rows);
        Assert.Equal((Rows, 0L), (job.RowsRead, job.RowsLost));
        AssertAllEncrypted(await TextsAsync());
        Encrypted.BeforeWrite = null;
        await RunAsync(Decrypt());
        Assert.Equal(Enumerable.Range(1, Rows).Select(i => $"value {i}"), await TextsAsync());
    }
}
