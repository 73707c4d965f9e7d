using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>The opened root key of one KMS, which seals its keys and authenticates its rows. Zeroed when disposed.</summary>
internal sealed class RootKey : IDisposable
{
    public const int MacSize = 32;

    private readonly Lock _gate = new();
    private readonly byte[] _key = GC.AllocateUninitializedArray<byte>(SealedBytes.KeySize, pinned: true);
    private readonly ConcurrentDictionary<string, byte[]> _subkeys = new(StringComparer.Ordinal);
    private bool _disposed;

    private RootKey(string kmsId) => KmsId = kmsId;

    public string KmsId { get; }

    /// <summary>Gets what tells this root key from any other, and tells nothing of it.</summary>
    public byte[] Check => Mac("key check", Encoding.UTF8.GetBytes(KmsId));

    /// <summary>Draws a root key for a new KMS.</summary>
    public static RootKey Create()
    {
        var root = new RootKey(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)));
        RandomNumberGenerator.Fill(root._key);
        return root;
    }

    /// <summary>Takes the root key of a backup.</summary>
    public static RootKey Of(string kmsId, ReadOnlySpan<byte> key)
    {
        var root = new RootKey(kmsId);
        key.CopyTo(root._key);
        return root;
    }

    /// <summary>Opens the root key of an existing KMS by whichever of its seals is of this kind and opens.</summary>
    public static async Task<RootKey> OpenAsync(
        LocalKmsSeal seal, string file, KmsHeader header, IReadOnlyList<SealRow> seals, CancellationToken cancellationToken, bool synchronous = false)
    {
        if (seals.Count == 0)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(file));
        if (seals.All(s => s.Kind != seal.Kind))
            throw new KmsException(KmsErrorKind.Unauthenticated, LocalKmsMessages.OtherSeal(file, seals.Select(s => s.Kind).Distinct(), seal.Kind));
        foreach (var row in seals.Where(s => s.Kind == seal.Kind))
        {
            if (await TryOpenAsync(seal, file, header.KmsId, row, header.Format, cancellationToken, synchronous).ConfigureAwait(false) is not { } root)
                continue;
            if (header.Format == MetaRow.FirstFormat || CryptographicOperations.FixedTimeEquals(root.Check, header.KeyCheck))
                return root;
            root.Dispose();
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(file));
        }

        throw seal.DoesNotOpen(file);
    }

    /// <summary>Opens the root key by one seal, or returns nothing when that is not its row.</summary>
    public static async Task<RootKey?> TryOpenAsync(
        LocalKmsSeal seal, string file, string kmsId, SealRow row, int format, CancellationToken cancellationToken, bool synchronous = false)
    {
        var sealingKey = GC.AllocateUninitializedArray<byte>(SealedBytes.KeySize, pinned: true);
        var root = new RootKey(kmsId);
        var opened = false;
        try
        {
            opened = await seal.TryDeriveKeyAsync(row.Parameters, file, sealingKey, synchronous, cancellationToken).ConfigureAwait(false)
                && SealedBytes.TryOpen(sealingKey, row.SealedRootKey, Describe(kmsId, row.Kind, row.Parameters, format), root._key);
            return opened ? root : null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(sealingKey);
            if (!opened)
                root.Dispose();
        }
    }

    /// <summary>Seals this root key by another seal.</summary>
    public async Task<SealRow> SealByAsync(
        LocalKmsSeal seal, string file, DateTimeOffset now, CancellationToken cancellationToken, bool synchronous = false)
    {
        var parameters = await seal.NewParametersAsync(synchronous, cancellationToken).ConfigureAwait(false);
        var sealingKey = GC.AllocateUninitializedArray<byte>(SealedBytes.KeySize, pinned: true);
        try
        {
            if (!await seal.TryDeriveKeyAsync(parameters, file, sealingKey, synchronous, cancellationToken).ConfigureAwait(false))
                throw seal.DoesNotOpen(file);
            return new SealRow
            {
                SealId = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)),
                Kind = seal.Kind,
                Parameters = parameters,
                SealedRootKey = Use(key => SealedBytes.Seal(sealingKey, key, Describe(KmsId, seal.Kind, parameters, MetaRow.KnownFormat))),
                Created = now,
            };
        }
        finally
        {
            CryptographicOperations.ZeroMemory(sealingKey);
        }
    }

    /// <summary>
    /// Whether this is the root key of that header, so that it need not be derived again: whichever seal opened it, and whether or not that seal is
    /// still there.
    /// </summary>
    public bool IsOf(KmsHeader header)
        => header.KmsId == KmsId && header.Format == MetaRow.KnownFormat && CryptographicOperations.FixedTimeEquals(header.KeyCheck, Check);

    /// <summary>Seals the material of a key version.</summary>
    public byte[] SealMaterial(KeyRow key, int version, ReadOnlySpan<byte> material) => Seal(material, Describe(key, version));

    /// <summary>Opens the material of a key version, or returns nothing when it is not genuine. The caller zeroes it.</summary>
    public byte[]? TryOpenMaterial(KeyRow key, int version, ReadOnlySpan<byte> bytes) => TryOpen(bytes, Describe(key, version));

    /// <summary>Seals a secret that is described by <paramref name="what" />, whose <c>type</c> no other use has.</summary>
    public byte[] Seal(ReadOnlySpan<byte> secret, EncryptionContext what)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(LocalKms));
            return SealedBytes.Seal(_key, secret, what);
        }
    }

    /// <summary>Opens a secret, or returns nothing when it is not genuine. The caller zeroes it.</summary>
    public byte[]? TryOpen(ReadOnlySpan<byte> bytes, EncryptionContext what)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(LocalKms));
            return SealedBytes.TryOpen(_key, bytes, what);
        }
    }

    /// <summary>HMAC-SHA256 under a subkey of its own for each <paramref name="purpose" />.</summary>
    public byte[] Mac(string purpose, ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(LocalKms));
            var subkey = _subkeys.GetOrAdd(
                purpose,
                static (purpose, key) => HKDF.DeriveKey(
                    HashAlgorithmName.SHA256, key, SealedBytes.KeySize, info: Encoding.UTF8.GetBytes("efenvelope local kms: " + purpose)),
                _key);
            return HMACSHA256.HashData(subkey, data);
        }
    }

    /// <summary>Lends the key itself, to a seal or to a backup.</summary>
    public T Use<T>(Func<byte[], T> use)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(LocalKms));
            return use(_key);
        }
    }

    // Under the lock, so that nothing is ever sealed by a key that is being zeroed.
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            CryptographicOperations.ZeroMemory(_key);
            foreach (var subkey in _subkeys.Values)
                CryptographicOperations.ZeroMemory(subkey);
        }
    }

    public override string ToString() => $"RootKey({KmsId})";

    // Bound to the format, so that nobody who has no seal says it is format 1, whose rows are taken as they stand.
    private static EncryptionContext Describe(string kmsId, string sealKind, string parameters, int format) => new(
        [
            new("type", format == MetaRow.FirstFormat ? "efenvelope-local-root-key" : "efenvelope-local-root-key-2"),
            new("kms", kmsId),
            new("seal", sealKind),
            new("parameters", parameters),
        ]);

    // A wrapping key is described as it was in format 1, which knew no other algorithm.
    private EncryptionContext Describe(KeyRow key, int version)
    {
        List<KeyValuePair<string, string>> pairs =
        [
            new("type", "efenvelope-local-kek"),
            new("kms", KmsId),
            new("key", key.KeyId),
            new("name", key.Name),
            new("purpose", key.Purpose),
            new("version", version.ToString(CultureInfo.InvariantCulture)),
        ];
        if (key.Purpose != KeyPurposes.Wrap)
            pairs.Add(new("algorithm", key.Algorithm));
        return new EncryptionContext(pairs);
    }
}
