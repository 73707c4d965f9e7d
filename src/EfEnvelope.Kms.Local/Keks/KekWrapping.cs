using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>
/// The work behind the gate that wraps and unwraps. States are read each time, so a key that is disabled in one process is disabled in all.
/// </summary>
internal sealed class KekWrapping(KmsStore store, ILogger logger)
{
    public const string Scheme = "local";

    /// <summary>Wraps under the primary version, or returns nothing when there is no such KEK.</summary>
    public async Task<WrappedKeyCopy?> TryWrapAsync(
        KmsDbContext db,
        RootKey root,
        KmsSubject subject,
        string name,
        ReadOnlyMemory<byte> key,
        EncryptionContext context,
        CancellationToken cancellationToken)
    {
        if (subject.Key is not { } kek)
            return null;
        var version = await KeyLookup.FindVersionAsync(db, root, store.Path, kek, kek.PrimaryVersion, cancellationToken).ConfigureAwait(false)
            ?? throw KeyLookup.Altered(store.Path);
        subject.Version = version.Version;
        CheckUsable(kek, version);
        var number = (uint)version.Version;
        var bytes = WithMaterial(root, kek, version, material => WrappedBytes.Wrap(material, kek.KeyId, number, key.Span, context));
        LocalKmsLog.KeyWrapped(logger, number, name, store.Path);
        return new WrappedKeyCopy(new KekUri(Scheme, name), number.ToString(CultureInfo.InvariantCulture), bytes);
    }

    public async Task<byte[]> UnwrapAsync(
        KmsDbContext db,
        RootKey root,
        KmsSubject subject,
        string name,
        WrappedKeyCopy wrapped,
        EncryptionContext context,
        CancellationToken cancellationToken)
    {
        var (keyId, number) = Read(name, wrapped);
        var kek = subject.Key ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKey(store.Path, name));
        if (kek.KeyId != keyId)
            throw new KmsException(KmsErrorKind.WrongKey, LocalKmsMessages.WrappedUnderOtherKey(store.Path, name));
        var version = await KeyLookup.FindVersionAsync(db, root, store.Path, kek, number, cancellationToken).ConfigureAwait(false)
            ?? throw NoVersion(name, number, wrapped);
        subject.Version = version.Version;
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

    private void CheckUsable(KeyRow kek, KeyVersionRow version)
    {
        if (kek.Purpose != KeyPurposes.Wrap)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyNotForWrapping(store.Path, kek.Name, kek.Purpose));
        if (KeyStates.Parse(kek.State) != LocalKmsKeyState.Enabled)
            throw new KmsException(KmsErrorKind.Disabled, LocalKmsMessages.KeyDisabled(store.Path, kek.Name));
        if (KeyStates.Parse(version.State) != LocalKmsKeyState.Enabled)
        {
            throw new KmsException(
                KmsErrorKind.Disabled, LocalKmsMessages.KeyVersionDisabled(store.Path, kek.Name, (uint)version.Version));
        }
    }

    private byte[] WithMaterial(RootKey root, KeyRow kek, KeyVersionRow version, Func<byte[], byte[]> use)
    {
        var material = root.TryOpenMaterial(kek, version.Version, version.SealedMaterial) ?? throw KeyLookup.Altered(store.Path);
        try
        {
            return use(material);
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
