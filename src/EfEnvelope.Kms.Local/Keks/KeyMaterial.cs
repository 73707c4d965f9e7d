using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Sealing;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>Plaintext key material on its way into the store: 32 bytes, or a private key as PKCS#8 with its public key. Zeroed when disposed.</summary>
internal sealed class KeyMaterial(byte[] secret, byte[]? publicKey) : IDisposable
{
    public ReadOnlySpan<byte> Secret => secret;

    /// <summary>Gets the SubjectPublicKeyInfo of a signing key.</summary>
    public byte[]? PublicKey => publicKey;

    public static KeyMaterial Generate(LocalKmsKeyAlgorithm algorithm)
    {
        switch (algorithm)
        {
            case LocalKmsKeyAlgorithm.EcdsaP256 or LocalKmsKeyAlgorithm.EcdsaP384:
                using (var ecdsa = ECDsa.Create(CurveOf(algorithm)))
                    return Of(ecdsa);
            case LocalKmsKeyAlgorithm.RsaPss2048 or LocalKmsKeyAlgorithm.RsaPss3072 or LocalKmsKeyAlgorithm.RsaPss4096:
                using (var rsa = RSA.Create(BitsOf(algorithm)))
                    return Of(rsa);
            case LocalKmsKeyAlgorithm.Aes256 or LocalKmsKeyAlgorithm.HmacSha256:
                var secret = GC.AllocateUninitializedArray<byte>(SealedBytes.KeySize, pinned: true);
                RandomNumberGenerator.Fill(secret);
                return new KeyMaterial(secret, null);
            default:
                throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, null);
        }
    }

    /// <summary>Takes material that was made elsewhere; returns nothing when it is no key of this algorithm.</summary>
    public static KeyMaterial? TryImport(LocalKmsKeyAlgorithm algorithm, ReadOnlySpan<byte> secret)
    {
        try
        {
            switch (algorithm)
            {
                case LocalKmsKeyAlgorithm.EcdsaP256 or LocalKmsKeyAlgorithm.EcdsaP384:
                    using (var ecdsa = ECDsa.Create())
                    {
                        ecdsa.ImportPkcs8PrivateKey(secret, out var read);
                        var curve = ecdsa.ExportParameters(includePrivateParameters: false).Curve;
                        return read == secret.Length && curve.IsNamed && curve.Oid.Value == CurveOf(algorithm).Oid.Value ? Of(ecdsa) : null;
                    }

                case LocalKmsKeyAlgorithm.RsaPss2048 or LocalKmsKeyAlgorithm.RsaPss3072 or LocalKmsKeyAlgorithm.RsaPss4096:
                    using (var rsa = RSA.Create())
                    {
                        rsa.ImportPkcs8PrivateKey(secret, out var read);
                        return read == secret.Length && rsa.KeySize == BitsOf(algorithm) && SignsWhatItVerifies(rsa) ? Of(rsa) : null;
                    }

                default:
                    return secret.Length == SealedBytes.KeySize ? new KeyMaterial(secret.ToArray(), null) : null;
            }
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    public static byte[] Sign(LocalKmsKeyAlgorithm algorithm, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> data)
    {
        if (IsEcdsa(algorithm))
        {
            using var ecdsa = ECDsa.Create();
            ecdsa.ImportPkcs8PrivateKey(secret, out _);
            return ecdsa.SignData(data, HashOf(algorithm), DSASignatureFormat.Rfc3279DerSequence);
        }

        using var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(secret, out _);
        return rsa.SignData(data, HashOf(algorithm), RSASignaturePadding.Pss);
    }

    public static bool Verify(LocalKmsKeyAlgorithm algorithm, ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        if (IsEcdsa(algorithm))
        {
            using var ecdsa = ECDsa.Create();
            ecdsa.ImportSubjectPublicKeyInfo(publicKey, out _);
            return ecdsa.VerifyData(data, signature, HashOf(algorithm), DSASignatureFormat.Rfc3279DerSequence);
        }

        using var rsa = RSA.Create();
        rsa.ImportSubjectPublicKeyInfo(publicKey, out _);
        return rsa.VerifyData(data, signature, HashOf(algorithm), RSASignaturePadding.Pss);
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(secret);

    private static KeyMaterial Of(AsymmetricAlgorithm key) => new(key.ExportPkcs8PrivateKey(), key.ExportSubjectPublicKeyInfo());

    private static bool SignsWhatItVerifies(RSA rsa)
    {
        ReadOnlySpan<byte> data = [1];
        var signature = rsa.SignData(data, HashAlgorithmName.SHA256, RSASignaturePadding.Pss);
        return rsa.VerifyData(data, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pss);
    }

    private static bool IsEcdsa(LocalKmsKeyAlgorithm algorithm) => algorithm is LocalKmsKeyAlgorithm.EcdsaP256 or LocalKmsKeyAlgorithm.EcdsaP384;

    private static ECCurve CurveOf(LocalKmsKeyAlgorithm algorithm)
        => algorithm == LocalKmsKeyAlgorithm.EcdsaP256 ? ECCurve.NamedCurves.nistP256 : ECCurve.NamedCurves.nistP384;

    private static int BitsOf(LocalKmsKeyAlgorithm algorithm) => algorithm switch
    {
        LocalKmsKeyAlgorithm.RsaPss2048 => 2048,
        LocalKmsKeyAlgorithm.RsaPss3072 => 3072,
        _ => 4096,
    };

    private static HashAlgorithmName HashOf(LocalKmsKeyAlgorithm algorithm)
        => algorithm == LocalKmsKeyAlgorithm.EcdsaP384 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256;
}
