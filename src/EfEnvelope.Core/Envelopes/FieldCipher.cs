using EfEnvelope.Keys;

namespace EfEnvelope.Envelopes;

/// <summary>Encrypts and decrypts the values of one column under one key version. Owned by its data key; safe for concurrent use.</summary>
internal abstract class FieldCipher : IDisposable
{
    /// <summary>Gets how many bytes the envelope has over the plaintext.</summary>
    public abstract int Overhead { get; }

    /// <summary>Gets where in the envelope the plaintext is written and the ciphertext stands.</summary>
    public abstract int BodyOffset { get; }

    /// <summary>Encrypts in place: the header is written, and the plaintext stands at <see cref="BodyOffset" />.</summary>
    public abstract void Encrypt(Span<byte> envelope);

    /// <summary>Decrypts into a buffer of exactly the plaintext's length.</summary>
    /// <exception cref="System.Security.Cryptography.CryptographicException">It does not authenticate.</exception>
    public abstract void Decrypt(ReadOnlySpan<byte> envelope, Span<byte> plaintext);

    public abstract void Dispose();

    public static FieldCipher Create(EnvelopeAlgorithm algorithm, DataKey key, FieldContext field)
        => algorithm switch
        {
            EnvelopeAlgorithm.Aes256Gcm => new AesGcmFieldCipher(key, field),
            EnvelopeAlgorithm.Aes256Siv => new AesSivFieldCipher(key, field),
            _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, null),
        };

    public static bool Knows(EnvelopeAlgorithm algorithm) => algorithm is EnvelopeAlgorithm.Aes256Gcm or EnvelopeAlgorithm.Aes256Siv;

    public static int OverheadOf(EnvelopeAlgorithm algorithm)
        => algorithm switch
        {
            EnvelopeAlgorithm.Aes256Gcm => AesGcmFieldCipher.EnvelopeOverhead,
            EnvelopeAlgorithm.Aes256Siv => AesSivFieldCipher.EnvelopeOverhead,
            _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, null),
        };
}
