using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace EfEnvelope.Kms.Tests.Oci;

/// <summary>A key of the tests' vault: versions with real AES-256-GCM, ciphertexts that carry their version.</summary>
internal sealed class OciTestKey(string id)
{
    private readonly List<byte[]> _keys = [RandomNumberGenerator.GetBytes(32)];

    public string State { get; set; } = "ENABLED";

    public string CurrentVersion => VersionId(_keys.Count);

    public void Rotate() => _keys.Add(RandomNumberGenerator.GetBytes(32));

    public string VersionId(int number) => $"{id.Replace("ocid1.key.", "ocid1.keyversion.")}v{number}";

    public string Encrypt(byte[] plaintext, Dictionary<string, string> associatedData)
    {
        var bytes = new byte[4 + 12 + plaintext.Length + 16];
        BinaryPrimitives.WriteInt32BigEndian(bytes, _keys.Count);
        RandomNumberGenerator.Fill(bytes.AsSpan(4, 12));
        using var aes = new AesGcm(_keys[^1], 16);
        aes.Encrypt(bytes.AsSpan(4, 12), plaintext, bytes.AsSpan(16, plaintext.Length), bytes.AsSpan(16 + plaintext.Length), Bytes(associatedData));
        return Convert.ToBase64String(bytes);
    }

    /// <returns>The version and the plaintext; nothing when the ciphertext is not one of this key.</returns>
    public (string VersionId, byte[] Plaintext)? Decrypt(string ciphertext, Dictionary<string, string> associatedData)
    {
        var bytes = new byte[ciphertext.Length];
        if (!Convert.TryFromBase64String(ciphertext, bytes, out var length) || length < 32 || Convert.ToBase64String(bytes, 0, length) != ciphertext)
            return null;
        var version = BinaryPrimitives.ReadInt32BigEndian(bytes);
        if (version < 1 || version > _keys.Count)
            return null;
        var plaintext = new byte[length - 32];
        using var aes = new AesGcm(_keys[version - 1], 16);
        try
        {
            aes.Decrypt(bytes.AsSpan(4, 12), bytes.AsSpan(16, plaintext.Length), bytes.AsSpan(16 + plaintext.Length, 16), plaintext, Bytes(associatedData));
            return (VersionId(version), plaintext);
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    private static byte[] Bytes(Dictionary<string, string> associatedData)
        => Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new SortedDictionary<string, string>(associatedData, StringComparer.Ordinal)));
}
