using EfEnvelope.Specification.History;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.TestProcess;

/// <summary>
/// A process that takes part in runs: each line that comes in is one (<see cref="HistoryRun" />), a line "stop" ends the present one, and the process ends
/// with its input, so that none is left when the test is killed.
/// </summary>
internal abstract class HistoryProcess(FileKms kms)
{
    public static async Task RunAsync(string kmsFile, Func<FileKms, HistoryProcess> create)
    {
        var process = create(new FileKms(kmsFile));
        var running = Task.CompletedTask;
        var stop = new CancellationTokenSource();
        Console.WriteLine("ready");
        while (await Console.In.ReadLineAsync() is { } line)
        {
            if (line != "stop")
            {
                stop = new CancellationTokenSource();
                running = Task.Run(() => process.RunAsync(HistoryRun.Parse(line), stop.Token));
                continue;
            }

            await stop.CancelAsync();
            await running;
            Console.WriteLine("stopped");
        }

        Environment.Exit(0);
    }

    /// <summary>Configures what an application would, with keys that are refreshed so often that a test need not wait.</summary>
    protected DbContextOptions<HistoryContext> Options(HistoryRun run)
    {
        var builder = new DbContextOptionsBuilder<HistoryContext>();
        Configure(builder, run);
        return builder.Options;
    }

    protected void Configure(DbContextOptionsBuilder builder, HistoryRun run)
    {
        Providers.Use(builder, run.Provider, run.Connection);
        builder.UseEnvelopeEncryption(e => e.UseKms(kms).Configure(HistoryPlan.Hurry));
    }

    protected abstract Task RunAsync(HistoryRun run, CancellationToken stop);

    /// <summary>Rests, also after something failed, so that an outage is not a busy loop; does not throw when it is stopped.</summary>
    protected static Task RestAsync(int milliseconds, CancellationToken stop)
        => milliseconds <= 0 ? Task.CompletedTask : Task.Delay(milliseconds, stop).ContinueWith(_ => { }, TaskScheduler.Default);
}
