namespace EfEnvelope.Kms.Local;

/// <summary>What a key of the embedded KMS is, and so what it can do.</summary>
public enum LocalKmsKeyAlgorithm
{
    /// <summary>AES-256-GCM: wraps, unwraps and rewraps keys, generates data keys, encrypts and decrypts up to 4,096 bytes.</summary>
    Aes256,

    /// <summary>ECDSA on P-256 with SHA-256: signs and verifies.</summary>
    EcdsaP256,

    /// <summary>ECDSA on P-384 with SHA-384: signs and verifies.</summary>
    EcdsaP384,

    /// <summary>RSA-PSS of 2,048 bits with SHA-256 and a salt of 32 bytes: signs and verifies.</summary>
    RsaPss2048,

    /// <summary>RSA-PSS of 3,072 bits with SHA-256 and a salt of 32 bytes: signs and verifies.</summary>
    RsaPss3072,

    /// <summary>RSA-PSS of 4,096 bits with SHA-256 and a salt of 32 bytes: signs and verifies.</summary>
    RsaPss4096,

    /// <summary>HMAC-SHA256: makes and verifies message authentication codes.</summary>
    HmacSha256,
}
