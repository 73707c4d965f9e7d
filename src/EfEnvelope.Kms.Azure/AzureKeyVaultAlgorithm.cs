namespace EfEnvelope.Kms.Azure;

/// <summary>How a key of Key Vault or Managed HSM wraps. A copy carries its own: another default opens what was wrapped before.</summary>
public enum AzureKeyVaultAlgorithm
{
    /// <summary><c>RSA-OAEP-256</c> with an RSA key of at least 2048 bits. It has no associated data: the encryption context is wrapped together with the key.</summary>
    RsaOaep256 = 1,

    /// <summary><c>A256GCM</c> with an AES key of 256 bits, on Managed HSM only. The encryption context is its associated data.</summary>
    A256Gcm = 2,
}
