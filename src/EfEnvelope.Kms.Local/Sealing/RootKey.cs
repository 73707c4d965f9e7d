using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>The opened root key of one KMS, which seals its KEKs. Zeroed when disposed.</summary>
internal sealed class RootKey : IDisposable
{
    private readonly Lock _gate = new();
    private readonly byte[] _key = GC.AllocateUninitializedArray<byte>(SealedBytes.KeySize, pinned: true);
    private readonly string _kmsId;
    private readonly byte[] _sealed;
    private bool _disposed;

    private RootKey(string kmsId, byte[] @sealed)
    {
        _kmsId = kmsId;
        _sealed = @sealed;
    }

    /// <summary>Draws a root key for a new KMS and seals it.</summary>
    public static (MetaRow Meta, SealRow Seal) Create(LocalKmsSeal seal, string file, DateTimeOffset now, out RootKey root)
    {
        var kmsId = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var parameters = seal.NewParameters();
        Span<byte> sealingKey = stackalloc byte[SealedBytes.KeySize];
        Span<byte> key = stackalloc byte[SealedBytes.KeySize];
        try
        {
            seal.DeriveKey(parameters, file, sealingKey);
            RandomNumberGenerator.Fill(key);
            var bytes = SealedBytes.Seal(sealingKey, key, Describe(kmsId, seal.Kind, parameters));
            root = new RootKey(kmsId, bytes);
            key.CopyTo(root._key);
            return (
                new MetaRow { Id = MetaRow.OnlyId, FormatVersion = MetaRow.KnownFormat, KmsId = kmsId, Created = now },
                new SealRow
                {
                    SealId = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)),
                    Kind = seal.Kind,
                    Parameters = parameters,
                    SealedRootKey = bytes,
                    Created = now,
                });
        }
        finally
        {
            CryptographicOperations.ZeroMemory(sealingKey);
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>Opens the root key of an existing KMS.</summary>
    public static RootKey Open(LocalKmsSeal seal, string file, KmsHeader header)
    {
        var row = header.Seals.FirstOrDefault(s => s.Kind == seal.Kind)
            ?? throw (header.Seals.Count == 0
                ? new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(file))
                : new KmsException(KmsErrorKind.Unauthenticated, LocalKmsMessages.OtherSeal(file, header.Seals.Select(s => s.Kind), seal.Kind)));
        var root = new RootKey(header.KmsId, row.SealedRootKey);
        Span<byte> sealingKey = stackalloc byte[SealedBytes.KeySize];
        try
        {
            seal.DeriveKey(row.Parameters, file, sealingKey);
            if (!SealedBytes.TryOpen(sealingKey, row.SealedRootKey, Describe(header.KmsId, row.Kind, row.Parameters), root._key))
                throw seal.DoesNotOpen(file);
            return root;
        }
        catch
        {
            root.Dispose();
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(sealingKey);
        }
    }

    /// <summary>Whether this is the root key of that header, so that it need not be derived again.</summary>
    public bool IsOf(KmsHeader header)
        => header.KmsId == _kmsId && header.Seals.Any(s => s.SealedRootKey.AsSpan().SequenceEqual(_sealed));

    /// <summary>Seals the material of a KEK version.</summary>
    public byte[] SealMaterial(KeyRow key, int version, ReadOnlySpan<byte> material)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(LocalKms));
            return SealedBytes.Seal(_key, material, Describe(key, version));
        }
    }

    /// <summary>Opens the material of a KEK version; returns whether it is genuine.</summary>
    public bool TryOpenMaterial(KeyRow key, int version, ReadOnlySpan<byte> bytes, Span<byte> material)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(LocalKms));
            return SealedBytes.TryOpen(_key, bytes, Describe(key, version), material);
        }
    }

    // Under the lock, so that nothing is ever sealed by a key that is being zeroed.
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            CryptographicOperations.ZeroMemory(_key);
        }
    }

    public override string ToString() => $"RootKey({_kmsId})";

    private static EncryptionContext Describe(string kmsId, string sealKind, string parameters) => new(
        [new("type", "efenvelope-local-root-key"), new("kms", kmsId), new("seal", sealKind), new("parameters", parameters)]);

    private EncryptionContext Describe(KeyRow key, int version) => new(
        [
            new("type", "efenvelope-local-kek"),
            new("kms", _kmsId),
            new("key", key.KeyId),
            new("name", key.Name),
            new("purpose", key.Purpose),
            new("version", version.ToString(CultureInfo.InvariantCulture)),
        ]);
}
