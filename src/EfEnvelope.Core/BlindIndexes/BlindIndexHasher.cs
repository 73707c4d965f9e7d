using System.Security.Cryptography;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.BlindIndexes;

/// <summary>Hashes the values of one blind index under one key version. Owned by its data key; safe for concurrent use.</summary>
internal sealed class BlindIndexHasher : IDisposable
{
    public const int HashLength = 32;

    private readonly HashPool _pool;

    public BlindIndexHasher(DataKey key, EncryptionContext context)
    {
        var subkey = new OwnedBytes(32);
        key.Derive(SubkeyPurpose.BlindIndex, algorithm: 0, context, subkey.Span);
        _pool = new HashPool(subkey, static k => IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, k));
    }

    /// <summary>Writes as many of the hash's first bytes as the destination has.</summary>
    public void Hash(ReadOnlySpan<byte> input, Span<byte> destination)
    {
        Span<byte> hash = stackalloc byte[HashLength];
        var hmac = _pool.Rent(out var slot);
        try
        {
            hmac.AppendData(input);
            hmac.GetHashAndReset(hash);
        }
        catch
        {
            // It may still hold what was appended.
            hmac.Dispose();
            throw;
        }

        _pool.Return(hmac, slot);
        hash[..destination.Length].CopyTo(destination);
    }

    public void Dispose() => _pool.Dispose();

    // An instance has one user at a time: it is taken out of its slot and put back. Slots stand a cache line apart, by core.
    private sealed class HashPool(OwnedBytes key, Func<ReadOnlySpan<byte>, IncrementalHash> create) : IDisposable
    {
        private const int SlotCount = 16;
        private const int SlotStride = 8;

        private readonly IncrementalHash?[] _slots = new IncrementalHash?[SlotCount * SlotStride];
        private readonly OwnedBytes _key = key;
        private volatile bool _disposed;

        public IncrementalHash Rent(out int slot)
        {
            slot = (Thread.GetCurrentProcessorId() & (SlotCount - 1)) * SlotStride;
            return Interlocked.Exchange(ref _slots[slot], null) ?? Create();
        }

        // Whoever returns after the pool was drained drains it again: either sees the other.
        public void Return(IncrementalHash instance, int slot)
        {
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
        private IncrementalHash Create()
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
}
