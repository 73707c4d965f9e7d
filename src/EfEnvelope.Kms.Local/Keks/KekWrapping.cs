using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>The work behind the gate of a KEK: wraps and unwraps keys, encrypts and decrypts small values.</summary>
internal sealed class KekWrapping(KeyGuard guard, KeyLife life, ILogger logger)
{
    public const string Scheme = "local";

    /// <summary>Wraps under the primary version, or returns nothing when there is no such KEK.</summary>
    public async Task<WrappedKeyCopy?> TryWrapAsync(
        KmsSession db,
        RootKey root,
        KmsSubject subject,
        string name,
        ReadOnlyMemory<byte> key,
        EncryptionContext context,
        CancellationToken cancellationToken)
    {
        if (subject.Key is null)
            return null;
        var kek = guard.GetUsable(subject, name, KeyPurposes.Wrap);
        if (!await life.RotateIfDueAsync(db, root, subject, name, cancellationToken).ConfigureAwait(false))
            return subject.AskToWrite<WrappedKeyCopy?>();
        var version = await guard.PrimaryAsync(db, root, subject, kek, cancellationToken).ConfigureAwait(false);
        var number = (uint)version.Version;
        var bytes = guard.WithMaterial(root, kek, version, material => WrappedBytes.Wrap(material, kek.KeyId, number, key.Span, context));
        LocalKmsLog.KeyWrapped(logger, number, kek.Name, guard.Store);
        return new WrappedKeyCopy(new KekUri(Scheme, name), number.ToString(CultureInfo.InvariantCulture), bytes);
    }

    public async Task<byte[]> UnwrapAsync(
        KmsSession db,
        RootKey root,
        KmsSubject subject,
        string name,
        WrappedKeyCopy wrapped,
        EncryptionContext context,
        CancellationToken cancellationToken)
    {
        var (keyId, number) = Read(name, wrapped);
        if (subject.Key is { } named && named.KeyId != keyId && !guard.IsDestroyed(named))
            throw new KmsException(KmsErrorKind.WrongKey, LocalKmsMessages.WrappedUnderOtherKey(guard.Store, name));
        var kek = guard.GetUsable(subject, name, KeyPurposes.Wrap);
        var version = await guard.FindVersionAsync(db, root, subject, kek, number, cancellationToken).ConfigureAwait(false)
            ?? throw NoVersion(name, number, wrapped);
        var key = guard.WithMaterial(
            root,
            kek,
            version,
            material => WrappedBytes.TryRead(wrapped.Ciphertext.Span, out var bytes) && bytes.TryOpen(material, context, out var opened)
                ? opened
                : throw Refused(name));
        LocalKmsLog.KeyUnwrapped(logger, number, kek.Name, guard.Store);
        return key;
    }

    public async Task<byte[]?> TryEncryptAsync(
        KmsSession db,
        RootKey root,
        KmsSubject subject,
        string name,
        ReadOnlyMemory<byte> plaintext,
        EncryptionContext context,
        CancellationToken cancellationToken)
    {
        var kek = guard.GetUsable(subject, name, KeyPurposes.Wrap);
        if (!await life.RotateIfDueAsync(db, root, subject, name, cancellationToken).ConfigureAwait(false))
            return subject.AskToWrite<byte[]?>();
        var version = await guard.PrimaryAsync(db, root, subject, kek, cancellationToken).ConfigureAwait(false);
        return guard.WithMaterial(
            root, kek, version, material => WrappedBytes.Encrypt(material, kek.KeyId, (uint)version.Version, plaintext.Span, context));
    }

    public async Task<byte[]> DecryptAsync(
        KmsSession db,
        RootKey root,
        KmsSubject subject,
        string name,
        ReadOnlyMemory<byte> ciphertext,
        EncryptionContext context,
        CancellationToken cancellationToken)
    {
        if (!WrappedBytes.TryReadEncrypted(ciphertext.Span, out var read))
            throw Undecryptable(name);
        var (keyId, number) = (read.KeyId, read.Version);
        if (subject.Key is { } named && named.KeyId != keyId && !guard.IsDestroyed(named))
            throw new KmsException(KmsErrorKind.WrongKey, LocalKmsMessages.EncryptedUnderOtherKey(guard.Store, name));
        var kek = guard.GetUsable(subject, name, KeyPurposes.Wrap);
        var version = await guard.FindVersionAsync(db, root, subject, kek, number, cancellationToken).ConfigureAwait(false) ?? throw Undecryptable(name);
        return guard.WithMaterial(
            root,
            kek,
            version,
            material => WrappedBytes.TryReadEncrypted(ciphertext.Span, out var bytes) && bytes.TryOpen(material, context, out var opened)
                ? opened
                : throw Undecryptable(name));
    }

    /// <summary>
    /// Which key a call to unwrap means: the one of that name; behind an alias, which may have been moved since, the one that wrapped.
    /// </summary>
    public static string ReferenceOf(string name, ReadOnlySpan<byte> bytes)
        => !name.StartsWith(KeyLookup.AliasPrefix, StringComparison.Ordinal)
            ? name
            : WrappedBytes.TryRead(bytes, out var wrapped) || WrappedBytes.TryReadEncrypted(bytes, out wrapped)
                ? KeyLookup.IdPrefix + wrapped.KeyId
                : name;

    private (string KeyId, uint Version) Read(string name, WrappedKeyCopy wrapped)
        => WrappedBytes.TryRead(wrapped.Ciphertext.Span, out var bytes) ? (bytes.KeyId, bytes.Version) : throw Refused(name);

    // The version stands twice in what was stored. Where both agree, it is the store that is too old.
    private KmsException NoVersion(string name, uint number, WrappedKeyCopy wrapped)
        => wrapped.KekVersion == number.ToString(CultureInfo.InvariantCulture)
            ? new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKeyVersion(guard.Store, name, number))
            : Refused(name);

    private KmsException Refused(string name)
        => new(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.WrappedKeyRefused(guard.Store, name));

    private KmsException Undecryptable(string name)
        => new(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.CiphertextRefused(guard.Store, name));
}
