using System.Security.Cryptography;

namespace EfEnvelope.Kms.Local;

/// <summary>A new data key, plain and wrapped. Zeroed when disposed.</summary>
/// <param name="plaintext">The plaintext key; it is not copied.</param>
/// <param name="wrapped">The same key, wrapped.</param>
public sealed class LocalKmsDataKey(byte[] plaintext, WrappedKeyCopy wrapped) : IDisposable
{
    /// <summary>Gets the plaintext key, until this is disposed.</summary>
    public ReadOnlyMemory<byte> Plaintext => plaintext;

    /// <summary>Gets the same key, wrapped: what is stored.</summary>
    public WrappedKeyCopy Wrapped => wrapped;

    /// <summary>Zeroes the plaintext key.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(plaintext);

    /// <inheritdoc />
    public override string ToString() => $"LocalKmsDataKey({wrapped})";
}

/// <summary>A signature, or a message authentication code, and what made it.</summary>
/// <param name="Key">The name of the key, never its alias.</param>
/// <param name="Version">The version of the key.</param>
/// <param name="Bytes">
/// ECDSA: a DER sequence as in RFC 3279. RSA-PSS: as many bytes as the key's modulus. HMAC-SHA256: 32 bytes.
/// </param>
public sealed record LocalKmsSignature(string Key, int Version, ReadOnlyMemory<byte> Bytes);

/// <summary>The public key of one version of a signing key, for who verifies elsewhere.</summary>
/// <param name="Key">The name of the key, never its alias.</param>
/// <param name="Version">The version of the key.</param>
/// <param name="Algorithm">What the key is.</param>
/// <param name="SubjectPublicKeyInfo">The public key, in DER.</param>
public sealed record LocalKmsPublicKey(string Key, int Version, LocalKmsKeyAlgorithm Algorithm, ReadOnlyMemory<byte> SubjectPublicKeyInfo);

/// <summary>What it takes to import one key.</summary>
/// <param name="Token">Names the wrapping key; given back with what it wrapped, once.</param>
/// <param name="WrappingKey">The public RSA key that wraps, as SubjectPublicKeyInfo in DER.</param>
/// <param name="Expires">When the token is refused, 24 hours after it was made.</param>
public sealed record LocalKmsImportParameters(string Token, ReadOnlyMemory<byte> WrappingKey, DateTimeOffset Expires);

/// <summary>A seal of an embedded KMS, described. It holds no secret.</summary>
/// <param name="SealId">The id, 32 hexadecimal digits.</param>
/// <param name="Kind"><c>passphrase</c>, <c>key-file</c> or <c>key-wrapper</c>.</param>
/// <param name="Created">When the seal was added.</param>
public sealed record LocalKmsSealInfo(string SealId, string Kind, DateTimeOffset Created);

/// <summary>What a maintenance of an embedded KMS did.</summary>
/// <param name="Rotated">The names of the keys that were rotated.</param>
/// <param name="Destroyed">The names of the keys whose material was destroyed.</param>
public sealed record LocalKmsMaintenance(IReadOnlyList<string> Rotated, IReadOnlyList<string> Destroyed);
