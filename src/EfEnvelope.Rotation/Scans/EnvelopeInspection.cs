using System.Buffers.Text;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.Envelopes;

namespace EfEnvelope.Rotation.Scans;

/// <summary>Explains stored bytes by FORMAT.md, without any key. It takes whatever it is given.</summary>
internal static class EnvelopeInspection
{
    private const int NonceLength = 12;
    private const int TagLength = 16;
    private const int MinIndexLength = EnvelopeHeader.Length + 8;
    private const int MaxIndexLength = EnvelopeHeader.Length + 32;

    public static EnvelopeDescription Describe(string? value)
    {
        if (string.IsNullOrWhiteSpace(value))
            return Faulty(ScanMessages.Empty());
        var trimmed = value.Trim();
        if (trimmed.StartsWith("efenvelope:", StringComparison.OrdinalIgnoreCase))
            return DescribeText(value);
        if (trimmed.StartsWith("0x", StringComparison.OrdinalIgnoreCase) || trimmed.StartsWith("\\x", StringComparison.OrdinalIgnoreCase))
            return DescribeHex(trimmed[2..]);

        // Digits from 0 to f may be either; what is an envelope by one reading is one.
        EnvelopeDescription? first = null;
        foreach (var bytes in new[] { FromHex(trimmed), FromBase64(trimmed) })
        {
            if (bytes is null)
                continue;
            var description = Describe(bytes);
            if (description.IsEnvelope)
                return description;
            first = first is { Parts.Count: > 0 } ? first : description.Parts.Count > 0 ? description : first ?? description;
        }

        return first ?? Faulty(ScanMessages.NeitherHexNorBase64());
    }

    private static EnvelopeDescription DescribeText(string value)
    {
        if (value.Any(char.IsWhiteSpace))
            return Faulty(ScanMessages.TextHasWhiteSpace()) with { IsText = true };
        if (!value.StartsWith(TextEnvelope.Prefix, StringComparison.Ordinal))
            return Faulty(ScanMessages.OtherTextVersion()) with { IsText = true };
        if (TextEnvelope.TryDecode(value) is { } bytes)
            return Describe(bytes) with { IsText = true };
        var encoded = value[TextEnvelope.Prefix.Length..];
        return Faulty(
            encoded.EndsWith('=') ? ScanMessages.TextHasPadding()
            : encoded.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_')) ? ScanMessages.TextHasOtherAlphabet()
            : encoded.Length % 4 == 1 ? ScanMessages.TextIsCut()
            : ScanMessages.TextHasStrayBits()) with { IsText = true };
    }

    private static EnvelopeDescription DescribeHex(string digits)
        => FromHex(digits) is { } bytes ? Describe(bytes)
            : Faulty(digits.All(char.IsAsciiHexDigit) ? ScanMessages.OddHex() : ScanMessages.NotHex());

    private static EnvelopeDescription Describe(byte[] bytes)
    {
        if (bytes.Length < EnvelopeHeader.Length)
            return Faulty(ScanMessages.TooShortForHeader(bytes.Length)) with { Length = bytes.Length };
        if (!EnvelopeHeader.TryRead(bytes, out var header))
            return Faulty(ScanMessages.NoMark()) with { Length = bytes.Length };
        var (name, fault, parts) = header.Algorithm switch
        {
            EnvelopeAlgorithm.Aes256Gcm => Split(
                bytes, "AES-256-GCM", FieldCipher.OverheadOf(header.Algorithm), ("nonce", NonceLength), ("ciphertext", null), ("tag", TagLength)),
            EnvelopeAlgorithm.Aes256Siv => Split(bytes, "AES-256-SIV", FieldCipher.OverheadOf(header.Algorithm), ("V", TagLength), ("ciphertext", null)),
            EnvelopeAlgorithm.BlindIndex => SplitIndex(bytes),
            var other => (null, ScanMessages.UnknownAlgorithm((int)other), [HeaderOf(bytes)]),
        };
        if (fault is null && header.KeyNumber is 0 or > int.MaxValue)
            fault = ScanMessages.KeyNumberOutOfRange();
        return new EnvelopeDescription
        {
            IsEnvelope = fault is null,
            Fault = fault,
            Algorithm = name,
            KeyNumber = header.KeyNumber,
            Length = bytes.Length,
            PlaintextLength = fault is null && FieldCipher.Knows(header.Algorithm) ? bytes.Length - FieldCipher.OverheadOf(header.Algorithm) : null,
            Parts = parts,
        };
    }

    private static (string? Name, string? Fault, IReadOnlyList<EnvelopePart> Parts) Split(
        byte[] bytes, string name, int least, params ReadOnlySpan<(string Name, int? Length)> body)
    {
        if (bytes.Length < least)
            return (name, ScanMessages.TooShort(name, bytes.Length, least), [HeaderOf(bytes)]);
        List<EnvelopePart> parts = [HeaderOf(bytes)];
        var offset = EnvelopeHeader.Length;
        foreach (var (part, fixedLength) in body)
        {
            var length = fixedLength ?? bytes.Length - least;
            parts.Add(new EnvelopePart(part, offset, length, fixedLength is null ? null : Convert.ToHexStringLower(bytes, offset, length)));
            offset += length;
        }

        return (name, null, parts);
    }

    private static (string? Name, string? Fault, IReadOnlyList<EnvelopePart> Parts) SplitIndex(byte[] bytes)
    {
        const string Name = "blind index (HMAC-SHA256)";
        if (bytes.Length is < MinIndexLength or > MaxIndexLength)
            return (Name, ScanMessages.IndexLength(bytes.Length), [HeaderOf(bytes)]);
        var length = bytes.Length - EnvelopeHeader.Length;
        return (Name, null, [HeaderOf(bytes), new EnvelopePart("hash", EnvelopeHeader.Length, length, Convert.ToHexStringLower(bytes, EnvelopeHeader.Length, length))]);
    }

    private static EnvelopePart HeaderOf(byte[] bytes)
        => new("header", 0, EnvelopeHeader.Length, Convert.ToHexStringLower(bytes, 0, EnvelopeHeader.Length));

    private static byte[]? FromHex(string text)
        => text.Length % 2 == 0 && text.All(char.IsAsciiHexDigit) ? Convert.FromHexString(text) : null;

    // Both alphabets, with padding and without.
    private static byte[]? FromBase64(string text)
    {
        try
        {
            return Base64Url.DecodeFromChars(text.Replace('+', '-').Replace('/', '_'));
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static EnvelopeDescription Faulty(string fault) => new() { IsEnvelope = false, Fault = fault };
}
