namespace EfEnvelope.Kms.Oci;

/// <summary>
/// How requests go to OCI Vault, for who has a client of their own, such as <c>KmsCryptoClient</c>. It is safe for concurrent use, does its own retries, and
/// throws what <see cref="OciVault.CreateException" /> makes of the service's error.
/// </summary>
public interface IOciKmsTransport
{
    /// <summary>Encrypts under the present version of a key.</summary>
    /// <param name="keyId">The key's OCID.</param>
    /// <param name="plaintext">16 to 64 bytes. They are zeroed after the call.</param>
    /// <param name="associatedData">What is bound to the ciphertext; empty for nothing.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The ciphertext, and the version that made it.</returns>
    ValueTask<OciEncryptedData> EncryptAsync(
        string keyId, ReadOnlyMemory<byte> plaintext, IReadOnlyDictionary<string, string> associatedData, CancellationToken cancellationToken);

    /// <summary>Decrypts under whichever version of a key made the ciphertext.</summary>
    /// <param name="keyId">The key's OCID.</param>
    /// <param name="ciphertext">What <see cref="EncryptAsync" /> returned.</param>
    /// <param name="associatedData">What was bound to the ciphertext.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The plaintext, which the caller owns.</returns>
    ValueTask<byte[]> DecryptAsync(
        string keyId, string ciphertext, IReadOnlyDictionary<string, string> associatedData, CancellationToken cancellationToken);

    /// <summary>Reads what the service says of a key.</summary>
    /// <param name="keyId">The key's OCID.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key, or <see langword="null" /> when this transport does not ask, which is the default.</returns>
    ValueTask<OciKey?> GetKeyAsync(string keyId, CancellationToken cancellationToken) => new((OciKey?)null);
}

/// <summary>What encryption returned.</summary>
/// <param name="Ciphertext">The ciphertext, as the service writes it.</param>
/// <param name="KeyVersionId">The OCID of the version that encrypted, or <see langword="null" /> when the service does not tell.</param>
public sealed record OciEncryptedData(string Ciphertext, string? KeyVersionId);

/// <summary>A key as OCI Vault describes it.</summary>
/// <param name="LifecycleState">Such as <c>ENABLED</c>, <c>DISABLED</c>, <c>PENDING_DELETION</c> or <c>DELETED</c>.</param>
/// <param name="CurrentKeyVersion">The OCID of the version that encrypts now.</param>
public sealed record OciKey(string? LifecycleState, string? CurrentKeyVersion)
{
    /// <summary>Gets where the key is kept: <c>HSM</c>, <c>SOFTWARE</c> or <c>EXTERNAL</c>.</summary>
    public string? ProtectionMode { get; init; }

    /// <summary>Gets when the key was made.</summary>
    public DateTimeOffset? TimeCreated { get; init; }

    /// <summary>Gets when the key is to be deleted.</summary>
    public DateTimeOffset? TimeOfDeletion { get; init; }
}

/// <summary>What was asked of OCI Vault when it refused.</summary>
public enum OciKmsOperation
{
    /// <summary>Encrypting under a key.</summary>
    Encrypt,

    /// <summary>Decrypting under a key.</summary>
    Decrypt,

    /// <summary>Reading what the service says of a key.</summary>
    GetKey,
}
