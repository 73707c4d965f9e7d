using System.Diagnostics;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>The memory that a job holds does not grow with the table.</summary>
public abstract class JobMemorySpecification(TestDatabase database) : EngineSpecification(database)
{
    [Fact]
    public Task Memory_stays_flat_over_many_rows() => RunFlatAsync(50_000);

    [Fact]
    public Task Memory_stays_flat_over_a_million_rows()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("EFENVELOPE_LONG") == "1", "EFENVELOPE_LONG is not 1: a million rows take minutes.");
        return RunFlatAsync(1_000_000);
    }

    private async Task RunFlatAsync(int rows)
    {
        await MakeTextsAsync(rows);
        var job = await EnqueueAsync(Backfill() with { BatchSize = 500, RangeSize = 10_000, Throttle = new Throttle { DutyCycle = 1 } });
        var (batches, every, held) = (0, rows / 500 / 10, new List<long>());
        Encrypted.BeforeWrite = () =>
        {
            if (++batches % every == 0)
                held.Add(GC.GetTotalMemory(forceFullCollection: true));
            return Task.CompletedTask;
        };
        var (started, allocated) = (Stopwatch.GetTimestamp(), GC.GetTotalAllocatedBytes());
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(15));
        AssertCompleted((await Encrypted.Jobs.RunAsync([job.Id], cancellationToken: limit.Token))[0], rows);
        var (elapsed, perRow) = (Stopwatch.GetElapsedTime(started), (GC.GetTotalAllocatedBytes() - allocated) / rows);
        TestContext.Current.TestOutputHelper?.WriteLine($"{rows / elapsed.TotalSeconds:0} rows/s, {perRow} bytes allocated per row, held: {string.Join(", ", held.Select(h => $"{h >> 10} KiB"))}");

        // A few pages are under way at any time.
        var (early, late) = (held[1], held[^1]);
        Assert.True(late - early < 8 << 20, $"The memory held grew from {early} to {late} bytes.");
        Assert.True(perRow < 16 << 10, $"{perRow} bytes were allocated per row.");
    }
}
