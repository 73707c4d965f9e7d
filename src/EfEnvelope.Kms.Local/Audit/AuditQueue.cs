using EfEnvelope.Kms.Local.Sealing;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>
/// Group commit: callers at the same time share one transaction. Each goes on only when its event is durable; when the transaction
/// fails, all of its callers fail.
/// </summary>
internal sealed class AuditQueue(Func<RootKey, IReadOnlyList<AuditEvent>, Task> commit)
{
    private const int MaximumBatch = 500;

    private readonly Lock _gate = new();
    private readonly Queue<(RootKey Root, AuditEvent Event, TaskCompletionSource Done)> _waiting = new();
    private bool _running;

    /// <summary>Appends an event. Not to be cancelled: what was done is recorded.</summary>
    public Task AppendAsync(RootKey root, AuditEvent @event)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _waiting.Enqueue((root, @event, done));
            if (!_running)
            {
                _running = true;

                // The transaction belongs to all callers: it sees neither the ambient transaction nor the activity of the first.
                using var suppressed = ExecutionContext.IsFlowSuppressed() ? default(IDisposable) : ExecutionContext.SuppressFlow();
                _ = Task.Run(DrainAsync);
            }
        }

        return done.Task;
    }

    private async Task DrainAsync()
    {
        while (true)
        {
            var batch = new List<(RootKey Root, AuditEvent Event, TaskCompletionSource Done)>();
            lock (_gate)
            {
                // A file that was replaced has another root key, and a trail of its own.
                while (batch.Count < MaximumBatch && _waiting.TryPeek(out var next) && (batch.Count == 0 || batch[0].Root == next.Root))
                    batch.Add(_waiting.Dequeue());
                if (batch.Count == 0)
                {
                    _running = false;
                    return;
                }
            }

            try
            {
                await commit(batch[0].Root, batch.ConvertAll(b => b.Event)).ConfigureAwait(false);
                foreach (var (_, _, done) in batch)
                    done.SetResult();
            }
#pragma warning disable CA1031 // Whatever it is, each caller gets it.
            catch (Exception e)
#pragma warning restore CA1031
            {
                foreach (var (_, _, done) in batch)
                    done.SetException(e);
            }
        }
    }
}
