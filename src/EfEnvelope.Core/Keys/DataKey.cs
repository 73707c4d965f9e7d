using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using EfEnvelope.Kms;

namespace EfEnvelope.Keys;

/// <summary>
/// A data-encryption key (DEK): owned, zeroed when dropped, never printed. It encrypts nothing itself; subkeys derived from it do.
/// </summary>
[DebuggerDisplay("{ToString(),nq}")]
internal sealed class DataKey : IDisposable
{
    public const int Length = 32;
    public const int CommitmentLength = 32;

    private readonly OwnedBytes _key = new(Length);
    private readonly ConcurrentDictionary<object, IDisposable> _subkeys = new(ReferenceEqualityComparer.Instance);
    private volatile bool _disposed;

    /// <summary>Takes over the bytes: the caller's array is zeroed.</summary>
    public DataKey(KeyVersion version, Span<byte> key, GcmEngine? engine = null)
    {
        if (key.Length != Length)
            throw new ArgumentException($"A data key has {Length} bytes.", nameof(key));
        (Version, Engine) = (version, engine ?? GcmEngine.Platform);
        key.CopyTo(_key.Span);
        CryptographicOperations.ZeroMemory(key);
    }

    public KeyVersion Version { get; }

    /// <summary>Gets what encrypts under its subkeys.</summary>
    public GcmEngine Engine { get; }

    public uint Number => (uint)Version.Number;

    /// <summary>Derives the commitment that is stored beside the wrapped key and names this key and no other.</summary>
    public byte[] DeriveCommitment()
    {
        var commitment = new byte[CommitmentLength];
        Derive(SubkeyPurpose.Commitment, algorithm: 0, new EncryptionContext(new KeyValuePair<string, string>("scope", Version.Scope.Name)), commitment);
        return commitment;
    }

    //  info: +--------------+--------------+----------------+-------------------------------+
    //        | purpose (1)  | algorithm (1)| key number (4) | canonical encryption context  |
    //        +--------------+--------------+----------------+-------------------------------+
    // HKDF-SHA256, salt "EfEnvelope/v1". Everything an envelope's header says is bound here, so a changed header derives another
    // subkey. It must never change: every stored value depends on it.
    public void Derive(SubkeyPurpose purpose, byte algorithm, EncryptionContext context, Span<byte> subkey)
    {
        var associatedData = context.AssociatedData.Span;
        Span<byte> info = new byte[6 + associatedData.Length];
        info[0] = (byte)purpose;
        info[1] = algorithm;
        BinaryPrimitives.WriteUInt32BigEndian(info[2..], Number);
        associatedData.CopyTo(info[6..]);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _key.Span, subkey, "EfEnvelope/v1"u8, info);
        _key.ThrowIfDisposed();
    }

    /// <summary>Copies the key, to be wrapped; the caller zeroes the copy.</summary>
    public byte[] CopyBytes()
    {
        var bytes = GC.AllocateUninitializedArray<byte>(Length, pinned: true);
        _key.Span.CopyTo(bytes);
        _key.ThrowIfDisposed();
        return bytes;
    }

    /// <summary>Finds what was made of a subkey, or makes it. The data key owns it, so that dropping the key drains it.</summary>
    public T GetOrAdd<T>(object id, Func<DataKey, T> create)
        where T : class, IDisposable
        => _subkeys.TryGetValue(id, out var existing) ? (T)existing : Add(id, create);

    /// <summary>Finds everything of one type that was made of this key's subkeys.</summary>
    public IEnumerable<T> FindAll<T>() => _subkeys.Select(s => s.Value).OfType<T>();

    private T Add<T>(object id, Func<DataKey, T> create)
        where T : class, IDisposable
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var mine = create(this);
        var winner = _subkeys.GetOrAdd(id, mine);
        if (!ReferenceEquals(winner, mine))
            mine.Dispose();
        else if (_disposed)
            mine.Dispose();
        return (T)winner;
    }

    public void Dispose()
    {
        _disposed = true;
        foreach (var subkey in _subkeys.Values)
            subkey.Dispose();
        _key.Dispose();
    }

    public override string ToString() => $"DataKey({Version})";
}

/// <summary>What a subkey is for. The numbers are part of the format.</summary>
internal enum SubkeyPurpose : byte
{
    Value = 1,
    Commitment = 2,
    BlindIndex = 3,
    Wrapping = 4,
}
