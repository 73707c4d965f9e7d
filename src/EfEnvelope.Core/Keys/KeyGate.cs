using EfEnvelope.Diagnostics;
using EfEnvelope.Kms;

namespace EfEnvelope.Keys;

/// <summary>
/// Lets one caller in at a time, whether it waits on its thread or gives it back. A caller that waits on its thread needs no thread of the pool for that, and is
/// told when the one inside needs a thread that the pool does not have.
/// </summary>
internal sealed class KeyGate
{
    // How often a caller that endures finds no free thread, for a second each, before it gives up: a pool that may not grow would let it
    // wait for ever.
    private const int Endurance = 15;

    private readonly SemaphoreSlim _semaphore = new(1, 1);
    private volatile bool _heldByThread;

    /// <summary>Enters, or not, if the gate is taken and the caller does not want to wait. Who entered leaves.</summary>
    /// <param name="synchronous">Whether the caller waits on its thread.</param>
    /// <param name="waits">Whether the caller waits at all.</param>
    /// <param name="endures">
    /// Whether a caller that waits on its thread waits for half a minute, instead of a second, while the pool has no free thread: the pool
    /// adds threads slowly, and
    /// an application whose keys are loaded is only busy.
    /// </param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KeyUnavailableException">The one inside waits for a thread of the pool, and none is free.</exception>
    public async ValueTask<bool> EnterAsync(bool synchronous, bool waits, bool endures, CancellationToken cancellationToken)
    {
        var entered = !synchronous
            ? await _semaphore.WaitAsync(waits ? Timeout.InfiniteTimeSpan : TimeSpan.Zero, cancellationToken).ConfigureAwait(false)
            : waits ? WaitOnThread(endures, cancellationToken) : _semaphore.Wait(0, cancellationToken);
        if (entered)
            _heldByThread = synchronous;
        return entered;
    }

    public ValueTask<bool> EnterAsync(bool synchronous, CancellationToken cancellationToken)
        => EnterAsync(synchronous, waits: true, endures: false, cancellationToken);

    public void Leave()
    {
        _heldByThread = false;
        _semaphore.Release();
    }

    // One that works on a thread of its own ends by itself, however long it takes. One that gave its thread back needs the pool to go on.
    private bool WaitOnThread(bool endures, CancellationToken cancellationToken)
    {
        for (var tries = endures ? Endurance : 1; !_semaphore.Wait(PoolThread.Patience, cancellationToken);)
        {
            if (!_heldByThread && !PoolThread.IsFree(cancellationToken) && !_heldByThread && --tries == 0)
                throw new KeyUnavailableException(Messages.NoPoolThread());
        }

        return true;
    }
}
