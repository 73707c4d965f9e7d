using System.Security.Cryptography;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>A 32-byte key at rest in the KMS file, sealed by another 32-byte key with AES-256-GCM.</summary>
internal static class SealedBytes
{
    public const int KeySize = 32;

    private const byte Format = 1;
    private const int NonceSize = 12;
    private const int TagSize = 16;
    private const int Size = 1 + NonceSize + KeySize + TagSize;

    //  +------------+--------------+------------------+-----------+
    //  | format 0x01| nonce 12     | ciphertext 32    | tag 16    |   61 bytes
    //  +------------+--------------+------------------+-----------+
    // Associated data: the canonical bytes of an encryption context that says what the key is (EncryptionContext.AssociatedData).
    // Neither this layout nor those contexts may change: every stored KEK is bound to them. A new layout takes a new format byte.
    public static byte[] Seal(ReadOnlySpan<byte> sealingKey, ReadOnlySpan<byte> key, EncryptionContext what)
    {
        if (key.Length != KeySize)
            throw new ArgumentOutOfRangeException(nameof(key));
        var bytes = new byte[Size];
        bytes[0] = Format;
        var nonce = bytes.AsSpan(1, NonceSize);
        RandomNumberGenerator.Fill(nonce);

        // One instance per call: AesGcm is not thread-safe.
        using var aes = new AesGcm(sealingKey, TagSize);
        aes.Encrypt(nonce, key, bytes.AsSpan(1 + NonceSize, KeySize), bytes.AsSpan(Size - TagSize), what.AssociatedData.Span);
        return bytes;
    }

    /// <summary>Opens into <paramref name="key" />; returns whether the bytes are genuine.</summary>
    public static bool TryOpen(ReadOnlySpan<byte> sealingKey, ReadOnlySpan<byte> bytes, EncryptionContext what, Span<byte> key)
    {
        if (bytes.Length != Size || bytes[0] != Format)
            return false;
        try
        {
            using var aes = new AesGcm(sealingKey, TagSize);
            aes.Decrypt(bytes.Slice(1, NonceSize), bytes.Slice(1 + NonceSize, KeySize), bytes[^TagSize..], key, what.AssociatedData.Span);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }
}
