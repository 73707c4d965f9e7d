using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>
/// Wraps and unwraps under the KEKs of an opened KMS. States are read each time, so a key that is disabled in one process is
/// disabled in all.
/// </summary>
internal sealed class KekWrapping(KmsStore store, ILogger logger)
{
    public const string Scheme = "local";

    /// <summary>Wraps under the primary version, or returns nothing when there is no such KEK.</summary>
    public async Task<WrappedKeyCopy?> TryWrapAsync(
        RootKey root, string name, ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken)
    {
        var (kek, version) = await FindAsync(name, version: null, cancellationToken).ConfigureAwait(false);
        if (kek is null)
            return null;
        if (version is null)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(store.Path));
        CheckUsable(kek, version);
        var number = (uint)version.Version;
        var bytes = WithMaterial(root, kek, version, material => WrappedBytes.Wrap(material, kek.KeyId, number, key.Span, context));
        LocalKmsLog.KeyWrapped(logger, number, name, store.Path);
        return new WrappedKeyCopy(new KekUri(Scheme, name), number.ToString(CultureInfo.InvariantCulture), bytes);
    }

    public async Task<byte[]> UnwrapAsync(
        RootKey root, string name, WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken)
    {
        var (keyId, number) = Read(name, wrapped);
        var (kek, version) = await FindAsync(name, number, cancellationToken).ConfigureAwait(false);
        if (kek is null)
            throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKey(store.Path, name));
        if (kek.KeyId != keyId)
            throw new KmsException(KmsErrorKind.WrongKey, LocalKmsMessages.WrappedUnderOtherKey(store.Path, name));
        if (version is null)
            throw NoVersion(name, number, wrapped);
        CheckUsable(kek, version);

        var key = WithMaterial(
            root,
            kek,
            version,
            material => WrappedBytes.TryRead(wrapped.Ciphertext.Span, out var bytes) && bytes.TryUnwrap(material, context, out var opened)
                ? opened
                : throw Refused(name));
        LocalKmsLog.KeyUnwrapped(logger, number, name, store.Path);
        return key;
    }

    private (string KeyId, uint Version) Read(string name, WrappedKeyCopy wrapped)
        => WrappedBytes.TryRead(wrapped.Ciphertext.Span, out var bytes) ? (bytes.KeyId, bytes.Version) : throw Refused(name);

    // The version that is asked for, or the primary.
    private async Task<(KeyRow? Kek, KeyVersionRow? Version)> FindAsync(string name, uint? version, CancellationToken cancellationToken)
    {
        var db = store.CreateContext();
        await using (db.ConfigureAwait(false))
        {
            var kek = await db.Keys.AsNoTracking().SingleOrDefaultAsync(k => k.Name == name, cancellationToken).ConfigureAwait(false);
            if (kek is null)
                return default;
            var number = (long?)version ?? kek.PrimaryVersion;
            var row = await db.KeyVersions.AsNoTracking()
                .SingleOrDefaultAsync(v => v.KeyId == kek.KeyId && v.Version == number, cancellationToken).ConfigureAwait(false);
            return (kek, row);
        }
    }

    private void CheckUsable(KeyRow kek, KeyVersionRow version)
    {
        if (kek.Purpose != KeyRow.WrapPurpose)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyNotForWrapping(store.Path, kek.Name, kek.Purpose));
        if (KeyStates.Parse(kek.State) != LocalKmsKeyState.Enabled)
            throw new KmsException(KmsErrorKind.Disabled, LocalKmsMessages.KeyDisabled(store.Path, kek.Name));
        if (KeyStates.Parse(version.State) != LocalKmsKeyState.Enabled)
        {
            throw new KmsException(
                KmsErrorKind.Disabled, LocalKmsMessages.KeyVersionDisabled(store.Path, kek.Name, (uint)version.Version));
        }
    }

    private byte[] WithMaterial(RootKey root, KeyRow kek, KeyVersionRow version, Func<ReadOnlySpan<byte>, byte[]> use)
    {
        Span<byte> material = stackalloc byte[SealedBytes.KeySize];
        try
        {
            return root.TryOpenMaterial(kek, version.Version, version.SealedMaterial, material)
                ? use(material)
                : throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(store.Path));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(material);
        }
    }

    // The version stands twice in what was stored. Where both agree, it is the KMS file that is too old.
    private KmsException NoVersion(string name, uint number, WrappedKeyCopy wrapped)
        => wrapped.KekVersion == number.ToString(CultureInfo.InvariantCulture)
            ? new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKeyVersion(store.Path, name, number))
            : Refused(name);

    private KmsException Refused(string name)
        => new(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.WrappedKeyRefused(store.Path, name));
}
