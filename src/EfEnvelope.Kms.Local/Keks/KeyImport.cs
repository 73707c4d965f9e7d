using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>The work behind the gate that takes keys that were made elsewhere, wrapped in transit by a key that is used once.</summary>
internal sealed class KeyImport(KeyGuard guard, KeyLife life)
{
    public static readonly TimeSpan Validity = TimeSpan.FromHours(24);

    public LocalKmsImportParameters Prepare(KmsSession db, RootKey root, RSA wrapping)
    {
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var expires = guard.Now + Validity;
        var secret = wrapping.ExportPkcs8PrivateKey();
        try
        {
            db.Add(new ImportRow { Token = token, Expires = expires, SealedPrivateKey = root.Seal(secret, Describe(root, token, expires)) });
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }

        return new LocalKmsImportParameters(token, wrapping.ExportSubjectPublicKeyInfo(), expires);
    }

    /// <summary>Makes a key of what was wrapped, or adds it as a version to a key that was imported before. The token is used up.</summary>
    public async Task<(KeyRow Key, bool Created)> ImportAsync(
        KmsSession db,
        RootKey root,
        KmsSubject subject,
        string name,
        LocalKmsKeyOptions options,
        string token,
        ReadOnlyMemory<byte> wrapped,
        CancellationToken cancellationToken)
    {
        // Removed in this transaction: of two imports at once, one finds nothing to remove and starts anew.
        var row = await db.FindAsync(KmsTables.Imports, [Where.Is("token", token)], cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        if (row is null || row.Expires <= guard.Now)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.ImportTokenRefused(guard.Store));
        db.Remove(row);

        using var material = Unwrap(root, row, options.Algorithm, wrapped.Span)
            ?? throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.ImportRefused(guard.Store, name));
        if (subject.Key is null)
            return life.Create(db, root, subject, name, options, exact: true, material, KeyOrigins.Imported);

        var key = guard.Get(subject, name);
        if (KeyAlgorithms.Parse(key.Algorithm) != options.Algorithm)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyOfOtherAlgorithm(guard.Store, name, key.Algorithm));
        return (await life.RotateAsync(db, root, subject, name, material, cancellationToken).ConfigureAwait(false), false);
    }

    public async Task<int> RemoveExpiredAsync(KmsSession db, CancellationToken cancellationToken)
    {
        var rows = await db.ListAsync(KmsTables.Imports, [], cancellationToken: cancellationToken).ConfigureAwait(false);
        var expired = rows.FindAll(i => i.Expires <= guard.Now);
        db.RemoveRange(expired);
        return expired.Count;
    }

    private static EncryptionContext Describe(RootKey root, string token, DateTimeOffset expires) => new(
        [
            new("type", "efenvelope-local-import"),
            new("kms", root.KmsId),
            new("token", token),
            new("expires", expires.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture)),
        ]);

    // 32 bytes by RSA-OAEP alone; a private key by an AES key of its own (RFC 5649), which RSA-OAEP wraps and which comes first.
    private KeyMaterial? Unwrap(RootKey root, ImportRow row, LocalKmsKeyAlgorithm algorithm, ReadOnlySpan<byte> wrapped)
    {
        var privateKey = root.TryOpen(row.SealedPrivateKey, Describe(root, row.Token, row.Expires)) ?? throw KeyLookup.Altered(guard.Store);
        byte[]? outer = null;
        byte[]? inner = null;
        try
        {
            using var rsa = RSA.Create();
            rsa.ImportPkcs8PrivateKey(privateKey, out _);
            var size = rsa.KeySize / 8;
            if (wrapped.Length < size)
                return null;
            outer = rsa.Decrypt(wrapped[..size], RSAEncryptionPadding.OaepSHA256);
            if (KeyAlgorithms.PurposeOf(algorithm) != KeyPurposes.Sign)
                return wrapped.Length == size ? KeyMaterial.TryImport(algorithm, outer) : null;
            using var aes = Aes.Create();
            aes.Key = outer;
            inner = aes.DecryptKeyWrapPadded(wrapped[size..]);
            return KeyMaterial.TryImport(algorithm, inner);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return null;
        }
        finally
        {
            foreach (var secret in new[] { privateKey, outer, inner })
                CryptographicOperations.ZeroMemory(secret);
        }
    }
}
