using EfEnvelope.Keys;

namespace EfEnvelope.Benchmarks.Keys;

/// <summary>How often the key stores of one process were read.</summary>
internal sealed class ReadCounter
{
    private int _reads;

    public int Reads => Volatile.Read(ref _reads);

    public void Add() => Interlocked.Increment(ref _reads);
}

/// <summary>A key store whose reads are counted.</summary>
internal sealed class CountingKeyStore(IKeyStore inner, ReadCounter counter) : IKeyStore
{
    public bool IsInTransaction => inner.IsInTransaction;

    public bool SharesConnection => inner.SharesConnection;

    public ValueTask<KeyStoreSnapshot> ReadAsync(KeyScope scope, CancellationToken cancellationToken)
    {
        counter.Add();
        return inner.ReadAsync(scope, cancellationToken);
    }

    public ValueTask<bool> TryAddAsync(StoredKey key, CancellationToken cancellationToken) => inner.TryAddAsync(key, cancellationToken);

    public ValueTask<bool> TryUpdateAsync(StoredKey key, CancellationToken cancellationToken) => inner.TryUpdateAsync(key, cancellationToken);

    public ValueTask<long?> ReserveAsync(KeyVersion version, string field, long count, CancellationToken cancellationToken)
        => inner.ReserveAsync(version, field, count, cancellationToken);
}
