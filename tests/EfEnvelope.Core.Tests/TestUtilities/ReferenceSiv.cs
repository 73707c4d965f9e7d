using System.Security.Cryptography;

namespace EfEnvelope.Tests;

/// <summary>RFC 5297 as it is written there, slow and plain, with one-shot calls: it shares nothing with what it checks.</summary>
internal static class ReferenceSiv
{
    /// <summary>Returns V || C (section 2.6).</summary>
    public static byte[] Encrypt(byte[] key, byte[][] associatedData, byte[] plaintext)
    {
        var v = S2V(key[..(key.Length / 2)], [.. associatedData, plaintext]);
        return [.. v, .. Ctr(key[(key.Length / 2)..], v, plaintext)];
    }

    // Section 2.4.
    private static byte[] S2V(byte[] key, byte[][] strings)
    {
        var d = Cmac(key, new byte[16]);
        foreach (var s in strings[..^1])
            d = Xor(Double(d), Cmac(key, s));
        var last = strings[^1];
        byte[] t = last.Length >= 16
            ? [.. last[..^16], .. Xor(last[^16..], d)]
            : Xor(Double(d), Pad(last));
        return Cmac(key, t);
    }

    // RFC 4493, block by block.
    private static byte[] Cmac(byte[] key, byte[] message)
    {
        using var aes = Aes.Create();
        aes.Key = key;
        var k1 = Double(aes.EncryptEcb(new byte[16], PaddingMode.None));
        var k2 = Double(k1);
        var blocks = Math.Max(1, (message.Length + 15) / 16);
        var last = message[((blocks - 1) * 16)..];
        last = last.Length == 16 ? Xor(last, k1) : Xor(Pad(last), k2);
        var chain = new byte[16];
        for (var i = 0; i < blocks; i++)
            chain = aes.EncryptEcb(Xor(chain, i == blocks - 1 ? last : message[(i * 16)..((i + 1) * 16)]), PaddingMode.None);
        return chain;
    }

    // Section 2.5.
    private static byte[] Ctr(byte[] key, byte[] v, byte[] text)
    {
        using var aes = Aes.Create();
        aes.Key = key;
        var counter = v.ToArray();
        counter[8] &= 0x7F;
        counter[12] &= 0x7F;
        var result = new byte[text.Length];
        for (var i = 0; i < text.Length; i += 16)
        {
            var stream = aes.EncryptEcb(counter, PaddingMode.None);
            for (var j = i; j < Math.Min(i + 16, text.Length); j++)
                result[j] = (byte)(text[j] ^ stream[j - i]);
            for (var at = 15; at >= 0 && ++counter[at] == 0; at--)
            {
            }
        }

        return result;
    }

    private static byte[] Double(byte[] block)
    {
        var result = new byte[16];
        for (var i = 0; i < 16; i++)
            result[i] = (byte)((block[i] << 1) | (i < 15 ? block[i + 1] >> 7 : 0));
        if ((block[0] & 0x80) != 0)
            result[15] ^= 0x87;
        return result;
    }

    private static byte[] Pad(byte[] part) => [.. part, 0x80, .. new byte[15 - part.Length]];

    private static byte[] Xor(byte[] left, byte[] right) => [.. left.Zip(right, (l, r) => (byte)(l ^ r))];
}
