using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace EfEnvelope.Kms.Vault;

/// <summary>What a transit engine returns: <c>vault:v3:</c> and Base64 of nonce, ciphertext and tag. It is stored as these very characters, in ASCII.</summary>
internal static class VaultCiphertext
{
    private const string Prefix = "vault:v";
    private const int Longest = 300;

    // The engine reads some texts as others: version 0 as 1, Base64 with line ends or stray bits. Only the one form it writes passes, so that what is stored
    // is what was wrapped.
    public static bool TryParse(ReadOnlySpan<byte> stored, [NotNullWhen(true)] out string? text, [NotNullWhen(true)] out string? version)
    {
        (text, version) = (null, null);
        if (stored.Length > Longest || !Ascii.IsValid(stored))
            return false;
        var read = Encoding.ASCII.GetString(stored);
        var colon = read.IndexOf(':', Math.Min(Prefix.Length, read.Length));
        if (!read.StartsWith(Prefix, StringComparison.Ordinal) || colon < 0)
            return false;
        var number = read[Prefix.Length..colon];
        var encoded = read[(colon + 1)..];
        var bytes = new byte[encoded.Length];
        if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) || parsed < 1
            || parsed.ToString(CultureInfo.InvariantCulture) != number
            || !Convert.TryFromBase64String(encoded, bytes, out var length) || Convert.ToBase64String(bytes, 0, length) != encoded
            // A nonce of 12 or 24 bytes, a key of 16 to 64, a tag of 16.
            || length is < 12 + 16 + 16 or > 24 + 64 + 16)
            return false;
        (text, version) = (read, number);
        return true;
    }
}
