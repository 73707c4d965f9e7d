using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>A wrapped key, or a small value that was encrypted, as the embedded KMS writes it.</summary>
internal readonly ref struct WrappedBytes
{
    public const int MinimumKeySize = WrappableKey.MinimumSize;
    public const int MaximumKeySize = WrappableKey.MaximumSize;
    public const int MaximumPlaintextSize = 4096;

    private const byte KeyFormat = 1;
    private const byte ValueFormat = 2;
    private const int KeyIdSize = 16;
    private const int HeaderSize = 1 + KeyIdSize + 4;
    private const int NonceSize = 12;
    private const int TagSize = 16;
    private const int Overhead = HeaderSize + NonceSize + TagSize;

    private readonly ReadOnlySpan<byte> _bytes;

    private WrappedBytes(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <summary>Gets the id of the KEK, 32 hexadecimal digits.</summary>
    public string KeyId => Convert.ToHexStringLower(_bytes.Slice(1, KeyIdSize));

    /// <summary>Gets the version of the KEK.</summary>
    public uint Version => BinaryPrimitives.ReadUInt32BigEndian(_bytes[(1 + KeyIdSize)..]);

    //  +-------------+-----------+--------------------+----------+---------------------+---------+
    //  | format 0x01 | KEK id 16 | KEK version u32 BE | nonce 12 | ciphertext 16 to 64 | tag 16  |   49 bytes over the key
    //  +-------------+-----------+--------------------+----------+---------------------+---------+
    //  |<---------------- header 21 ----------------->|
    //  A value has format 0x02 and 0 to 4,096 bytes of ciphertext; all else is the same.
    //
    // AES-256-GCM under the KEK version; associated data: header, then the canonical bytes of the encryption context. The header has
    // one length, so no header and context together equal another pair. It must never change: stored data keys are wrapped like
    // this. A new layout takes a new format byte.
    public static byte[] Wrap(ReadOnlySpan<byte> kek, string keyId, uint version, ReadOnlySpan<byte> key, EncryptionContext context)
        => Seal(KeyFormat, kek, keyId, version, key, context);

    public static byte[] Encrypt(ReadOnlySpan<byte> kek, string keyId, uint version, ReadOnlySpan<byte> plaintext, EncryptionContext context)
        => Seal(ValueFormat, kek, keyId, version, plaintext, context);

    public static bool TryRead(ReadOnlySpan<byte> bytes, out WrappedBytes wrapped) => TryRead(KeyFormat, MinimumKeySize, MaximumKeySize, bytes, out wrapped);

    public static bool TryReadEncrypted(ReadOnlySpan<byte> bytes, out WrappedBytes encrypted)
        => TryRead(ValueFormat, 0, MaximumPlaintextSize, bytes, out encrypted);

    public bool TryOpen(ReadOnlySpan<byte> kek, EncryptionContext context, [NotNullWhen(true)] out byte[]? key)
    {
        key = new byte[_bytes.Length - Overhead];
        try
        {
            using var aes = new AesGcm(kek, TagSize);
            aes.Decrypt(
                _bytes.Slice(HeaderSize, NonceSize),
                _bytes.Slice(HeaderSize + NonceSize, key.Length),
                _bytes[^TagSize..],
                key,
                AssociatedData(_bytes, context));
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            CryptographicOperations.ZeroMemory(key);
            key = null;
            return false;
        }
    }

    private static bool TryRead(byte format, int minimum, int maximum, ReadOnlySpan<byte> bytes, out WrappedBytes wrapped)
    {
        var wellFormed = bytes.Length >= Overhead + minimum && bytes.Length <= Overhead + maximum && bytes[0] == format;
        wrapped = wellFormed ? new WrappedBytes(bytes) : default;
        return wellFormed;
    }

    private static byte[] Seal(
        byte format, ReadOnlySpan<byte> kek, string keyId, uint version, ReadOnlySpan<byte> key, EncryptionContext context)
    {
        var bytes = new byte[Overhead + key.Length];
        bytes[0] = format;
        Convert.FromHexString(keyId).CopyTo(bytes, 1);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(1 + KeyIdSize), version);
        var nonce = bytes.AsSpan(HeaderSize, NonceSize);
        RandomNumberGenerator.Fill(nonce);

        // One instance per call: AesGcm is not thread-safe.
        using var aes = new AesGcm(kek, TagSize);
        aes.Encrypt(
            nonce, key, bytes.AsSpan(HeaderSize + NonceSize, key.Length), bytes.AsSpan(bytes.Length - TagSize), AssociatedData(bytes, context));
        return bytes;
    }

    private static byte[] AssociatedData(ReadOnlySpan<byte> bytes, EncryptionContext context)
        => [.. bytes[..HeaderSize], .. context.AssociatedData.Span];
}
