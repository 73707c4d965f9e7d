namespace EfEnvelope.Keys;

/// <summary>
/// Keyed instances of a platform type that is dear to make and not thread-safe: an instance has one user at a time, who takes it out of its
/// slot and puts it back. Owns the subkey that they are made from, so that dropping a key drains them.
/// </summary>
/// <param name="key">The subkey; zeroed when the pool is disposed.</param>
/// <param name="create">Makes an instance, which must copy what it needs of the subkey.</param>
internal sealed class InstancePool<T>(OwnedBytes key, Func<ReadOnlySpan<byte>, T> create) : IDisposable
    where T : class, IDisposable
{
    // By core, a cache line apart, so that threads do not take turns.
    private const int SlotCount = 16;
    private const int SlotStride = 8;

    private readonly T?[] _slots = new T?[SlotCount * SlotStride];
    private readonly OwnedBytes _key = key;
    private volatile bool _disposed;

    /// <summary>Takes an instance. It is returned after it was used, or disposed if its use failed: its state is unknown then.</summary>
    /// <param name="slot">Where it is to be returned.</param>
    /// <exception cref="ObjectDisposedException">The key was dropped.</exception>
    public T Rent(out int slot)
    {
        slot = (Thread.GetCurrentProcessorId() & (SlotCount - 1)) * SlotStride;
        return Interlocked.Exchange(ref _slots[slot], null) ?? Create();
    }

    public void Return(T instance, int slot)
    {
        // Whoever returns after the pool was drained drains it again: either sees the other.
        if (Interlocked.CompareExchange(ref _slots[slot], instance, null) is not null)
            instance.Dispose();
        else if (_disposed)
            Interlocked.Exchange(ref _slots[slot], null)?.Dispose();
    }

    public void Dispose()
    {
        _disposed = true;
        for (var slot = 0; slot < _slots.Length; slot += SlotStride)
            Interlocked.Exchange(ref _slots[slot], null)?.Dispose();
        _key.Dispose();
    }

    // What was made while the subkey was zeroed may have been made from zeros, so it is never handed out.
    private T Create()
    {
        var instance = create(_key.Span);
        try
        {
            _key.ThrowIfDisposed();
            return instance;
        }
        catch
        {
            instance.Dispose();
            throw;
        }
    }
}
