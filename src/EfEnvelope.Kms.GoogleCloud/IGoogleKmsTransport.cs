namespace EfEnvelope.Kms.GoogleCloud;

/// <summary>
/// How requests go to Google Cloud KMS, for who has a client of their own, such as <c>KeyManagementServiceClient</c>. It is safe for concurrent use, does its own
/// retries and checksums, and throws what <see cref="GoogleCloudKms.CreateException" /> makes of Google's status.
/// </summary>
public interface IGoogleKmsTransport
{
    /// <summary>Encrypts under the primary version of a key.</summary>
    /// <param name="cryptoKey">Such as <c>projects/p/locations/l/keyRings/r/cryptoKeys/k</c>.</param>
    /// <param name="plaintext">16 to 64 bytes. They are zeroed after the call.</param>
    /// <param name="additionalAuthenticatedData">What is bound to the ciphertext.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The ciphertext, and the version that made it.</returns>
    ValueTask<GoogleEncryptResult> EncryptAsync(
        string cryptoKey, ReadOnlyMemory<byte> plaintext, ReadOnlyMemory<byte> additionalAuthenticatedData, CancellationToken cancellationToken);

    /// <summary>Decrypts under whichever version of a key made the ciphertext.</summary>
    /// <param name="cryptoKey">Such as <c>projects/p/locations/l/keyRings/r/cryptoKeys/k</c>.</param>
    /// <param name="ciphertext">What <see cref="EncryptAsync" /> returned.</param>
    /// <param name="additionalAuthenticatedData">What was bound to the ciphertext.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The plaintext, which the caller owns.</returns>
    ValueTask<byte[]> DecryptAsync(
        string cryptoKey, ReadOnlyMemory<byte> ciphertext, ReadOnlyMemory<byte> additionalAuthenticatedData, CancellationToken cancellationToken);

    /// <summary>Reads what the service says of a key.</summary>
    /// <param name="cryptoKey">Such as <c>projects/p/locations/l/keyRings/r/cryptoKeys/k</c>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key, or <see langword="null" /> when this transport does not ask, which is the default.</returns>
    ValueTask<GoogleCryptoKey?> GetCryptoKeyAsync(string cryptoKey, CancellationToken cancellationToken) => new((GoogleCryptoKey?)null);
}

/// <summary>What encryption returned.</summary>
/// <param name="CryptoKeyVersion">The name of the version that encrypted, ending with <c>/cryptoKeyVersions/</c> and its number.</param>
/// <param name="Ciphertext">The ciphertext.</param>
public sealed record GoogleEncryptResult(string CryptoKeyVersion, ReadOnlyMemory<byte> Ciphertext);

/// <summary>A key as Google describes it, with its primary version.</summary>
/// <param name="Purpose">Such as <c>ENCRYPT_DECRYPT</c>.</param>
/// <param name="PrimaryVersion">The name of the primary version, or <see langword="null" /> when the key has none.</param>
/// <param name="PrimaryState">Such as <c>ENABLED</c>, <c>DISABLED</c>, <c>DESTROY_SCHEDULED</c> or <c>DESTROYED</c>.</param>
public sealed record GoogleCryptoKey(string? Purpose, string? PrimaryVersion, string? PrimaryState)
{
    /// <summary>Gets where the primary version is kept, such as <c>SOFTWARE</c> or <c>HSM</c>.</summary>
    public string? ProtectionLevel { get; init; }

    /// <summary>Gets when the key was made.</summary>
    public DateTimeOffset? CreateTime { get; init; }

    /// <summary>Gets when the primary version is to be destroyed.</summary>
    public DateTimeOffset? DestroyTime { get; init; }
}

/// <summary>What was asked of Google Cloud KMS when it refused.</summary>
public enum GoogleKmsOperation
{
    /// <summary>Encrypting under a key.</summary>
    Encrypt,

    /// <summary>Decrypting under a key.</summary>
    Decrypt,

    /// <summary>Reading what the service says of a key.</summary>
    Get,
}
