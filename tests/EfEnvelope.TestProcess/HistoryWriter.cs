using EfEnvelope.Specification.History;
using EfEnvelope.Specification.TestUtilities;

namespace EfEnvelope.TestProcess;

/// <summary>Writes rows of its own and rows that all writers share, as an application does, and logs each write before and after.</summary>
internal sealed class HistoryWriter(FileKms kms) : HistoryProcess(kms)
{
    protected override async Task RunAsync(HistoryRun run, CancellationToken stop)
    {
        using var log = new HistoryLog(run.LogFile);
        var options = Options(run);
        await Task.WhenAll(
            Enumerable.Range(0, run.Sessions).Select(
                async number =>
                {
                    var session = new HistoryWriterSession(run, number, log, () => HistoryContext.Open(run.Storage, options));
                    while (!stop.IsCancellationRequested)
                        await RestAsync(await session.StepAsync(), stop);
                }));
    }
}
