namespace EfEnvelope.Kms.Azure;

/// <summary>
/// Wraps and unwraps by a key of Key Vault, for who has Azure's own <c>CryptographyClient</c> already and wants its pipeline. Failures are thrown as
/// <see cref="global::Azure.RequestFailedException" />, as that client does. Implementations are safe for concurrent use.
/// </summary>
public interface IKeyVaultCryptoTransport
{
    /// <summary>Wraps by the newest version of a key.</summary>
    /// <param name="keyId">The key, <c>https://{vault}/keys/{name}</c>, without a version.</param>
    /// <param name="algorithm"><c>RSA-OAEP-256</c>.</param>
    /// <param name="key">What is wrapped, at most 96 bytes; it is zeroed when the call is over.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The wrapped bytes, and the key with the version that wrapped them.</returns>
    Task<KeyVaultWrapResult> WrapKeyAsync(Uri keyId, string algorithm, byte[] key, CancellationToken cancellationToken);

    /// <summary>Unwraps by one version of a key.</summary>
    /// <param name="keyId">The key with its version, <c>https://{vault}/keys/{name}/{version}</c>.</param>
    /// <param name="algorithm"><c>RSA-OAEP-256</c>.</param>
    /// <param name="encryptedKey">What <see cref="WrapKeyAsync" /> returned.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What was wrapped. The caller owns the array and zeroes it.</returns>
    Task<byte[]> UnwrapKeyAsync(Uri keyId, string algorithm, byte[] encryptedKey, CancellationToken cancellationToken);
}

/// <summary>What a key of Key Vault wrapped.</summary>
/// <param name="KeyId">The key with the version that wrapped, as the service names it: <c>https://{vault}/keys/{name}/{version}</c>.</param>
/// <param name="EncryptedKey">The wrapped bytes.</param>
public sealed record KeyVaultWrapResult(string KeyId, ReadOnlyMemory<byte> EncryptedKey);
