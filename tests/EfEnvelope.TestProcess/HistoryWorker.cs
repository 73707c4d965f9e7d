using EfEnvelope.Rotation;
using EfEnvelope.Specification.History;
using EfEnvelope.Specification.TestUtilities;

namespace EfEnvelope.TestProcess;

/// <summary>Runs a job to its end, whatever happens to the database meanwhile.</summary>
internal sealed class HistoryWorker(FileKms kms) : HistoryProcess(kms)
{
    protected override async Task RunAsync(HistoryRun run, CancellationToken stop)
    {
        using var log = new HistoryLog(run.LogFile);
        await using var database = EncryptedDatabase.Open(builder => Configure(builder, run));
        database.SkipsCompareAndSet = run.IsBroken;
        if (run.Hammers)
            database.BeforeWrite = () => WaitForWritesAsync(Path.GetDirectoryName(run.LogFile)!, stop);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                if (await RunOnceAsync(database, run, stop))
                {
                    Console.WriteLine("ended");
                    return;
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                HistoryFaults.Judge(e, out var isAlarm);
                if (isAlarm)
                {
                    log.Alarm($"{run.Name}: {e}");
                    Console.WriteLine("ended");
                    return;
                }

                await RestAsync(100, stop);
            }
        }
    }

    // A batch that was read is not written before the application has changed much of it. An engine that waits for nobody cannot be hurried to fail.
    private static async Task WaitForWritesAsync(string folder, CancellationToken stop)
    {
        const int Wanted = 40;
        var before = Count();
        while (Count() < before + Wanted && !stop.IsCancellationRequested)
            await RestAsync(20, stop);

        int Count() => HistoryLog.ReadFolder(folder).Count(e => e.Outcome == WriteOutcome.Acknowledged);
    }

    // Half of the workers run whole jobs, the others single ranges as a scheduler of the caller's own would.
    private static async Task<bool> RunOnceAsync(EncryptedDatabase database, HistoryRun run, CancellationToken stop)
    {
        if (run.Index % 2 == 0)
            return (await database.Jobs.RunAsync([run.Job], cancellationToken: stop))[0].HasEnded;
        var outcome = await database.Jobs.RunRangeAsync(run.Job, stop);
        if (outcome is RangeOutcome.Busy or RangeOutcome.Waiting)
            await RestAsync(100, stop);
        return outcome == RangeOutcome.Ended;
    }
}
