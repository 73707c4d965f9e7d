using System.Buffers.Text;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.Envelopes;

namespace EfEnvelope.Rotation.Sql;

/// <summary>What a header looks like in a column, so that the database can compare it.</summary>
internal static class HeaderText
{
    /// <summary>Where the header begins in text, from 1, and how many characters belong to it.</summary>
    public const int Start = 15;
    public const int Length = 7;

    public static byte[] Bytes(EnvelopeHeader header)
    {
        var bytes = new byte[EnvelopeHeader.Length];
        header.Write(bytes);
        return bytes;
    }

    // Five bytes are 40 bits, seven characters 42: two bits of what follows are in the last one, so it is one of four.
    public static IEnumerable<string> Texts(EnvelopeHeader header)
    {
        var bytes = new byte[EnvelopeHeader.Length + 1];
        header.Write(bytes);
        for (var i = 0; i < 4; i++)
        {
            bytes[^1] = (byte)(i << 6);
            yield return Base64Url.EncodeToString(bytes)[..Length];
        }
    }

    /// <summary>Reads a header out of what <see cref="Dialect.Header" /> selects.</summary>
    public static bool TryRead(object? selected, out EnvelopeHeader header)
    {
        header = default;
        switch (selected)
        {
            case byte[] bytes:
                return EnvelopeHeader.TryRead(bytes, out header) && IsKnown(header);
            case string { Length: Length } text:
                try
                {
                    return EnvelopeHeader.TryRead(Base64Url.DecodeFromChars(text + "A"), out header) && IsKnown(header);
                }
                catch (FormatException)
                {
                    return false;
                }

            default:
                return false;
        }
    }

    public static bool IsKnown(EnvelopeHeader header) => FieldCipher.Knows(header.Algorithm) || header.Algorithm == EnvelopeAlgorithm.BlindIndex;

    static HeaderText() => System.Diagnostics.Debug.Assert(TextEnvelope.Prefix.Length == Start - 1, "The prefix of text envelopes.");
}
