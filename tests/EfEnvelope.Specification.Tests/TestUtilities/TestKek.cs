using System.Security.Cryptography;
using EfEnvelope.Kms;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>The key of a KMS in the tests: wraps by AES-256-GCM, bound to the encryption context.</summary>
internal sealed class TestKek(byte[] key)
{
    private const int NonceLength = 12;
    private const int TagLength = 16;

    public byte[] Wrap(ReadOnlySpan<byte> plaintext, EncryptionContext context)
    {
        using var gcm = new AesGcm(key, TagLength);
        var wrapped = new byte[NonceLength + TagLength + plaintext.Length];
        var nonce = wrapped.AsSpan(0, NonceLength);
        RandomNumberGenerator.Fill(nonce);
        gcm.Encrypt(nonce, plaintext, wrapped.AsSpan(NonceLength + TagLength), wrapped.AsSpan(NonceLength, TagLength), context.AssociatedData.Span);
        return wrapped;
    }

    public byte[] Unwrap(ReadOnlySpan<byte> wrapped, EncryptionContext context)
    {
        var plaintext = new byte[wrapped.Length - NonceLength - TagLength];
        try
        {
            using var gcm = new AesGcm(key, TagLength);
            gcm.Decrypt(
                wrapped[..NonceLength], wrapped[(NonceLength + TagLength)..], wrapped.Slice(NonceLength, TagLength), plaintext, context.AssociatedData.Span);
        }
        catch (CryptographicException e)
        {
            throw new KmsException(KmsErrorKind.InvalidCiphertext, "The wrapped key does not open.", e);
        }

        return plaintext;
    }
}
