using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Sealing;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>Makes and opens the ECDSA P-256 key that signs checkpoints, and verifies what it signed.</summary>
internal static class AuditSigner
{
    public static AuditKeyRow NewKey(RootKey root)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var publicKey = key.ExportSubjectPublicKeyInfo();
        var parameters = key.ExportParameters(includePrivateParameters: true);
        try
        {
            return new AuditKeyRow
            {
                Id = AuditKeyRow.OnlyId,
                PublicKey = publicKey,
                SealedPrivateKey = root.Seal(parameters.D, Describe(root, publicKey)),
            };
        }
        finally
        {
            CryptographicOperations.ZeroMemory(parameters.D);
        }
    }

    /// <summary>Whether the key was made by who holds the seal.</summary>
    public static bool IsGenuine(RootKey root, AuditKeyRow row)
    {
        var scalar = root.TryOpen(row.SealedPrivateKey, Describe(root, row.PublicKey));
        CryptographicOperations.ZeroMemory(scalar);
        return scalar is not null;
    }

    /// <summary>Signs in DER; returns nothing when the key is not genuine.</summary>
    public static byte[]? TrySign(RootKey root, AuditKeyRow row, ReadOnlySpan<byte> data)
    {
        if (root.TryOpen(row.SealedPrivateKey, Describe(root, row.PublicKey)) is not { } scalar)
            return null;
        try
        {
            using var publicKey = ECDsa.Create();
            publicKey.ImportSubjectPublicKeyInfo(row.PublicKey, out _);
            using var key = ECDsa.Create(
                new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = publicKey.ExportParameters(false).Q, D = scalar });
            return key.SignData(data, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(scalar);
        }
    }

    public static bool IsSigned(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        try
        {
            using var key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(publicKey, out _);
            return key.VerifyData(data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static EncryptionContext Describe(RootKey root, byte[] publicKey) => new(
        [new("type", "efenvelope-local-audit-key"), new("kms", root.KmsId), new("public", Convert.ToHexStringLower(publicKey))]);
}
