using System.Buffers.Binary;
using System.Security.Cryptography;

namespace EfEnvelope.Kms.Tests.GoogleCloud;

/// <summary>A key of the tests' service: versions with real AES-256-GCM, ciphertexts that carry their version.</summary>
internal sealed class GoogleKey
{
    // As Google's ciphertexts begin, too: 'CiQA…' in Base64.
    private static readonly byte[] Magic = [0x0a, 0x24, 0x00];

    private readonly List<byte[]> _keys = [RandomNumberGenerator.GetBytes(32)];

    public string State { get; set; } = "ENABLED";

    public int Primary => _keys.Count;

    public void Rotate() => _keys.Add(RandomNumberGenerator.GetBytes(32));

    public byte[] Encrypt(byte[] plaintext, byte[] associatedData)
    {
        var bytes = new byte[Magic.Length + 4 + 12 + plaintext.Length + 16];
        Magic.CopyTo(bytes, 0);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(3), Primary);
        RandomNumberGenerator.Fill(bytes.AsSpan(7, 12));
        using var aes = new AesGcm(_keys[^1], 16);
        aes.Encrypt(bytes.AsSpan(7, 12), plaintext, bytes.AsSpan(19, plaintext.Length), bytes.AsSpan(19 + plaintext.Length), associatedData);
        return bytes;
    }

    /// <returns>The version and the plaintext; nothing when the ciphertext is not one of this key.</returns>
    public (int Version, byte[] Plaintext)? Decrypt(byte[] ciphertext, byte[] associatedData)
    {
        if (ciphertext.Length < 35 || !ciphertext.AsSpan().StartsWith(Magic))
            return null;
        var version = BinaryPrimitives.ReadInt32BigEndian(ciphertext.AsSpan(3));
        if (version < 1 || version > _keys.Count)
            return null;
        var plaintext = new byte[ciphertext.Length - 35];
        using var aes = new AesGcm(_keys[version - 1], 16);
        try
        {
            aes.Decrypt(ciphertext.AsSpan(7, 12), ciphertext.AsSpan(19, plaintext.Length), ciphertext.AsSpan(19 + plaintext.Length), plaintext, associatedData);
            return (version, plaintext);
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }
}
