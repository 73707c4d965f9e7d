using System.Data.Common;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Several workers on some jobs, until all have ended; a database or a KMS that is out of reach is waited for.</summary>
internal sealed class JobCrew(DatabaseSource source, JobEngine engine, JobRunner runner, RunOptions options, IProgress<JobProgress>? progress)
{
    private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestRest = TimeSpan.FromSeconds(5);

    private string? _waitsFor;

    public async Task RunAsync(IReadOnlyList<long> jobIds, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var workers = Enumerable.Range(0, Math.Max(1, options.Workers)).Select(_ => WorkAsync(jobIds, stop)).ToList();
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        var reporting = progress is null ? Task.CompletedTask : ReportAsync(jobIds, progress, ended.Token);
        try
        {
            await Task.WhenAll(workers).ConfigureAwait(false);
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await reporting.ConfigureAwait(false);
        }
    }

    private async Task WorkAsync(IReadOnlyList<long> jobIds, CancellationTokenSource stop)
    {
        try
        {
            var left = jobIds.ToList();
            var (outageSince, rest) = ((long?)null, Idle);
            while (left.Count > 0)
            {
                var (worked, waiting) = (false, 0);
                foreach (var id in left.ToList())
                {
                    RangeOutcome outcome;
                    try
                    {
                        outcome = await runner.RunRangeAsync(id, reason => _waitsFor = reason, stop.Token).ConfigureAwait(false);
                        (outageSince, rest) = (null, Idle);
                    }
                    catch (KeyUnavailableException e) when (!stop.IsCancellationRequested)
                    {
                        outageSince ??= source.TimeProvider.GetTimestamp();
                        if (source.TimeProvider.GetElapsedTime(outageSince.Value) >= options.OutageTolerance)
                            throw;
                        _waitsFor = RotationMessages.WaitsForOutage(e.Message);
                        await Task.Delay(rest, source.TimeProvider, stop.Token).ConfigureAwait(false);
                        rest = rest * 2 < LongestRest ? rest * 2 : LongestRest;
                        worked = true;
                        continue;
                    }

                    if (outcome == RangeOutcome.Ended)
                        left.Remove(id);
                    worked |= outcome is RangeOutcome.Done or RangeOutcome.Ended;
                    waiting += outcome == RangeOutcome.Waiting ? 1 : 0;
                }

                if (!options.WaitsForTime && left.Count > 0 && waiting == left.Count)
                    return;
                if (!worked && left.Count > 0)
                    await Task.Delay(Idle, source.TimeProvider, stop.Token).ConfigureAwait(false);
            }
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task ReportAsync(IReadOnlyList<long> jobIds, IProgress<JobProgress> to, CancellationToken cancellationToken)
    {
        var last = new Dictionary<long, (long Rows, long At)>();
        var rates = new Dictionary<long, double>();
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(TimeSpan.FromMilliseconds(500), source.TimeProvider, cancellationToken).ConfigureAwait(false);
                foreach (var id in jobIds)
                {
                    var job = await engine.GetAsync(id, cancellationToken).ConfigureAwait(false);
                    var now = source.TimeProvider.GetTimestamp();
                    if (last.TryGetValue(id, out var before) && source.TimeProvider.GetElapsedTime(before.At, now).TotalSeconds is > 0.05 and var seconds)
                        rates[id] = (0.7 * rates.GetValueOrDefault(id)) + (0.3 * (job.RowsWritten - before.Rows) / seconds);
                    last[id] = (job.RowsWritten, now);
                    var rate = rates.GetValueOrDefault(id);
                    var left = Math.Max(0, job.EstimatedRows - job.RowsWritten);
                    to.Report(new JobProgress(
                        job, rate, job.Pass == 1 && rate > 1 ? TimeSpan.FromSeconds(left / rate) : null, job.State == JobState.Running && job.NotBefore is null ? _waitsFor : job.Reason));
                }
            }
            catch (Exception e) when (e is OperationCanceledException or EnvelopeException or DbException)
            {
                // Told once more in half a second, or over.
            }
        }
    }
}
