namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>Callers at the same time share one run and its outcome; the next caller after it starts a new run.</summary>
internal sealed class SingleFlight<T>
{
    private readonly Lock _gate = new();
    private Task<T>? _running;

    public Task<T> RunAsync(Func<Task<T>> work, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_running is null or { IsCompleted: true })
            {
                // The run belongs to all callers: it sees neither the token nor the ambient transaction of the first.
                using var suppressed = ExecutionContext.IsFlowSuppressed() ? default(IDisposable) : ExecutionContext.SuppressFlow();
                _running = Task.Run(work, CancellationToken.None);
            }

            return _running.WaitAsync(cancellationToken);
        }
    }
}
