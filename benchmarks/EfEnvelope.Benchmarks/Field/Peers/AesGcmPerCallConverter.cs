using System.Security.Cryptography;
using System.Text;

namespace EfEnvelope.Benchmarks.Field.Peers;

/// <summary>
/// A value converter as articles about EF Core show it: a new AesGcm for each value, a nonce of the system's generator, all in one array, as Base64.
/// </summary>
internal sealed class AesGcmPerCallConverter
{
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);

    public string Seal(string value)
    {
        using var aes = new AesGcm(_key, 16);
        var plaintext = Encoding.UTF8.GetBytes(value);
        var nonce = new byte[12];
        RandomNumberGenerator.Fill(nonce);
        var ciphertext = new byte[plaintext.Length];
        var tag = new byte[16];
        aes.Encrypt(nonce, plaintext, ciphertext, tag);
        byte[] all = [.. nonce, .. ciphertext, .. tag];
        return Convert.ToBase64String(all);
    }

    public string Open(string stored)
    {
        using var aes = new AesGcm(_key, 16);
        var all = Convert.FromBase64String(stored);
        var plaintext = new byte[all.Length - 28];
        aes.Decrypt(all.AsSpan(0, 12), all.AsSpan(12, plaintext.Length), all.AsSpan(all.Length - 16), plaintext);
        return Encoding.UTF8.GetString(plaintext);
    }
}
