using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>The work behind the gate of signing keys and of MAC keys.</summary>
internal sealed class KeySigning(KeyGuard guard, KeyLife life)
{
    public async Task<LocalKmsSignature> SignAsync(
        KmsSession db,
        RootKey root,
        KmsSubject subject,
        string name,
        string purpose,
        ReadOnlyMemory<byte> data,
        CancellationToken cancellationToken)
    {
        var key = guard.GetUsable(subject, name, purpose);
        if (!await life.RotateIfDueAsync(db, root, subject, name, cancellationToken).ConfigureAwait(false))
            return subject.AskToWrite<LocalKmsSignature>();
        var version = await guard.PrimaryAsync(db, root, subject, key, cancellationToken).ConfigureAwait(false);
        var signature = guard.WithMaterial(
            root,
            key,
            version,
            material => purpose == KeyPurposes.Mac
                ? HMACSHA256.HashData(material, data.Span)
                : KeyMaterial.Sign(KeyAlgorithms.Parse(key.Algorithm), material, data.Span));
        return new LocalKmsSignature(key.Name, version.Version, signature);
    }

    public async Task<bool> VerifyAsync(
        KmsSession db,
        RootKey root,
        KmsSubject subject,
        string purpose,
        ReadOnlyMemory<byte> data,
        LocalKmsSignature signature,
        CancellationToken cancellationToken)
    {
        var key = guard.GetUsable(subject, signature.Key, purpose);
        var version = await VersionAsync(db, root, subject, key, signature.Version, cancellationToken).ConfigureAwait(false);
        if (purpose == KeyPurposes.Mac)
        {
            return guard.WithMaterial(
                root,
                key,
                version,
                material => CryptographicOperations.FixedTimeEquals(HMACSHA256.HashData(material, data.Span), signature.Bytes.Span));
        }

        var publicKey = version.PublicKey ?? throw KeyLookup.Altered(guard.Store);
        return KeyMaterial.Verify(KeyAlgorithms.Parse(key.Algorithm), publicKey, data.Span, signature.Bytes.Span);
    }

    public async Task<LocalKmsPublicKey> GetPublicKeyAsync(
        KmsSession db, RootKey root, KmsSubject subject, string name, int? number, CancellationToken cancellationToken)
    {
        var key = guard.GetUsable(subject, name, KeyPurposes.Sign);
        var version = await VersionAsync(db, root, subject, key, number ?? key.PrimaryVersion, cancellationToken).ConfigureAwait(false);
        return new LocalKmsPublicKey(
            key.Name, version.Version, KeyAlgorithms.Parse(key.Algorithm), version.PublicKey ?? throw KeyLookup.Altered(guard.Store));
    }

    private async Task<KeyVersionRow> VersionAsync(
        KmsSession db, RootKey root, KmsSubject subject, KeyRow key, int number, CancellationToken cancellationToken)
        => await guard.FindVersionAsync(db, root, subject, key, number, cancellationToken).ConfigureAwait(false)
            ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoVersion(guard.Store, key.Name, number));
}
