using System.Security.Cryptography;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>A key at rest in the KMS, sealed by a 32-byte key with AES-256-GCM.</summary>
internal static class SealedBytes
{
    public const int KeySize = 32;

    private const byte Format = 1;
    private const byte LongFormat = 2;
    private const int NonceSize = 12;
    private const int TagSize = 16;
    private const int Overhead = 1 + NonceSize + TagSize;
    private const int MaximumSize = 4000;

    //  +------------+--------------+------------------+-----------+
    //  | format 0x01| nonce 12     | ciphertext 32    | tag 16    |   61 bytes
    //  +------------+--------------+------------------+-----------+
    //  | format 0x02| nonce 12     | ciphertext n     | tag 16    |   29 + n bytes, at most 4,000: private keys as PKCS#8
    //  +------------+--------------+------------------+-----------+
    // Associated data: the canonical bytes of an encryption context that says what the key is (EncryptionContext.AssociatedData).
    // Neither this layout nor those contexts may change: every stored key is bound to them. A new layout takes a new format byte.
    public static byte[] Seal(ReadOnlySpan<byte> sealingKey, ReadOnlySpan<byte> key, EncryptionContext what)
    {
        if (key.Length is 0 or > MaximumSize - Overhead)
            throw new ArgumentOutOfRangeException(nameof(key));
        var bytes = new byte[Overhead + key.Length];
        bytes[0] = FormatOf(key.Length);
        var nonce = bytes.AsSpan(1, NonceSize);
        RandomNumberGenerator.Fill(nonce);

        // One instance per call: AesGcm is not thread-safe.
        using var aes = new AesGcm(sealingKey, TagSize);
        aes.Encrypt(nonce, key, bytes.AsSpan(1 + NonceSize, key.Length), bytes.AsSpan(bytes.Length - TagSize), what.AssociatedData.Span);
        return bytes;
    }

    /// <summary>Opens into <paramref name="key" />, whose length is known; returns whether the bytes are genuine.</summary>
    public static bool TryOpen(ReadOnlySpan<byte> sealingKey, ReadOnlySpan<byte> bytes, EncryptionContext what, Span<byte> key)
    {
        if (bytes.Length != Overhead + key.Length || bytes[0] != FormatOf(key.Length))
            return false;
        try
        {
            using var aes = new AesGcm(sealingKey, TagSize);
            aes.Decrypt(bytes.Slice(1, NonceSize), bytes.Slice(1 + NonceSize, key.Length), bytes[^TagSize..], key, what.AssociatedData.Span);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    /// <summary>Opens a key of any length, or returns nothing when the bytes are not genuine.</summary>
    public static byte[]? TryOpen(ReadOnlySpan<byte> sealingKey, ReadOnlySpan<byte> bytes, EncryptionContext what)
    {
        if (bytes.Length is <= Overhead or > MaximumSize)
            return null;
        var key = GC.AllocateUninitializedArray<byte>(bytes.Length - Overhead, pinned: true);
        return TryOpen(sealingKey, bytes, what, key) ? key : null;
    }

    private static byte FormatOf(int length) => length == KeySize ? Format : LongFormat;
}
