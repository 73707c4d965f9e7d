using System.Security.Cryptography;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.BlindIndexes;

/// <summary>Hashes the values of one blind index under one key version. Owned by its data key; safe for concurrent use.</summary>
internal sealed class BlindIndexHasher : IDisposable
{
    public const int HashLength = 32;

    private readonly InstancePool<IncrementalHash> _pool;

    public BlindIndexHasher(DataKey key, EncryptionContext context)
    {
        var subkey = new OwnedBytes(32);
        key.Derive(SubkeyPurpose.BlindIndex, algorithm: 0, context, subkey.Span);
        _pool = new InstancePool<IncrementalHash>(subkey, static k => IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, k));
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
}
