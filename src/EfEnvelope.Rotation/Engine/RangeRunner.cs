using System.Threading.Channels;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Runs one range: while a batch is written, the next one is converted, and the one after it is read.</summary>
internal sealed class RangeRunner(DatabaseSource source, JobRow job, RangeRow range, RowPlan plan)
{
    private const int Ahead = 2;

    /// <summary>Runs the range from its checkpoint to its end.</summary>
    /// <exception cref="RangeStoppedException">It was left before its end; it goes on when it is claimed again.</exception>
    public async Task RunAsync(Action<string?> waits, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var reading = await source.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using (reading.ConfigureAwait(false))
        {
            var sealing = await source.OpenAsync(cancellationToken).ConfigureAwait(false);
            await using (sealing.ConfigureAwait(false))
            {
                var writing = await source.OpenAsync(cancellationToken).ConfigureAwait(false);
                await using (writing.ConfigureAwait(false))
                {
                    var checkpoint = await new JobStore(writing).FindCheckpointAsync(job.Id, range.Number, job.Pass, cancellationToken).ConfigureAwait(false)
                        ?? throw new RangeStoppedException(RotationMessages.JobStopped(job.Id));
                    if (new[] { range.Lower, range.Upper, checkpoint.Position }.Any(key => key is not null && key.Length != plan.Table.Key.Count))
                        throw new EnvelopeConfigurationException(RotationMessages.RowMalformed(new MalformedRow(JobTables.Ranges, $"{job.Id}, {range.Number}", RotationMessages.KeyOfOtherTable())));
                    var sealer = new BatchSealer(source, sealing, plan, new KeyScope(job.Scope));
                    var keys = await sealer.ReloadAsync(cancellationToken).ConfigureAwait(false);
                    var brake = new Brake(source.TimeProvider, writing.Dialect.HasRowLocks ? null : 0.5);
                    brake.Follow(job.Throttle.Format());

                    var read = Channel.CreateBounded<List<(object?[] Key, object?[] Values)>>(Ahead);
                    var sealedBatches = Channel.CreateBounded<SealedBatch>(Ahead);
                    var reader = new RowReader(reading, plan, plan.Filter(reading.Dialect, keys), waits: job.Reason == JobInfo.Fenced);
                    var writer = new BatchWriter(source, writing, plan, job, range.Number, checkpoint.Step, brake);
                    await RunTogetherAsync(
                        stop,
                        ReadAsync(reader, checkpoint.Position ?? range.Lower, brake, reading.Dialect, read.Writer, stop.Token),
                        SealAsync(sealer, read.Reader, sealedBatches.Writer, stop.Token),
                        WriteAsync(writer, brake, sealedBatches.Reader, waits, stop.Token)).ConfigureAwait(false);
                }
            }
        }
    }

    private async Task ReadAsync(
        RowReader reader, object?[]? after, Brake brake, Dialect dialect, ChannelWriter<List<(object?[] Key, object?[] Values)>> pages, CancellationToken cancellationToken)
    {
        while (true)
        {
            var size = brake.BatchSize(job.Request.BatchSize ?? dialect.DefaultBatchSize);
            var page = await reader.ReadAsync(after, range.Upper, size, cancellationToken).ConfigureAwait(false);
            if (page.Count > 0)
            {
                after = page[^1].Key;
                await pages.WriteAsync(page, cancellationToken).ConfigureAwait(false);
            }

            if (page.Count < size)
                break;
        }

        pages.Complete();
    }

    private static async Task SealAsync(
        BatchSealer sealer, ChannelReader<List<(object?[] Key, object?[] Values)>> pages, ChannelWriter<SealedBatch> batches, CancellationToken cancellationToken)
    {
        await foreach (var page in pages.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            await batches.WriteAsync(await sealer.SealAsync(page, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        batches.Complete();
    }

    private async Task WriteAsync(BatchWriter writer, Brake brake, ChannelReader<SealedBatch> batches, Action<string?> waits, CancellationToken cancellationToken)
    {
        await foreach (var batch in batches.ReadAllAsync(cancellationToken).ConfigureAwait(false))
        {
            var (written, busy) = await writer.WriteAsync(batch, cancellationToken).ConfigureAwait(false);
            var rest = brake.Rest(written, busy);
            waits(brake.Reason);
            await writer.RestAsync(rest, cancellationToken).ConfigureAwait(false);
        }
    }

    // The first failure stops the others, and is the one that is told.
    private static async Task RunTogetherAsync(CancellationTokenSource stop, params Task[] stages)
    {
        Exception? first = null;
        var left = stages.ToList();
        while (left.Count > 0)
        {
            var ended = await Task.WhenAny(left).ConfigureAwait(false);
            left.Remove(ended);
            if (ended.IsCompletedSuccessfully)
                continue;
            first ??= ended.Exception?.InnerException ?? new OperationCanceledException(stop.Token);
            await stop.CancelAsync().ConfigureAwait(false);
        }

        if (first is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
    }
}
