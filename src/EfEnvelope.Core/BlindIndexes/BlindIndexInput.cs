using System.Buffers.Binary;
using System.Text;
using EfEnvelope.Diagnostics;
using EfEnvelope.Envelopes;

namespace EfEnvelope.BlindIndexes;

/// <summary>What is hashed: bytes that are equal exactly if values are equal after normalization. Part of the format, documented in FORMAT.md.</summary>
internal static class BlindIndexInput
{
    private const uint SingleNaN = 0x7FC00000;
    private const ulong DoubleNaN = 0x7FF8000000000000;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Finds why this process would give other bytes than others give, or <see langword="null" />.</summary>
    /// <param name="name">What the message calls the indexed property.</param>
    /// <param name="normalization">How it is normalized.</param>
    public static string? FindPlatformFault(string name, Normalization normalization)
        => TextNormalization.IsSupported(normalization) ? null : Messages.PlatformDoesNotNormalize(name, normalization);

    /// <summary>Returns the bytes of a value that is stored, or compared as a whole; the caller zeroes them.</summary>
    public static byte[] GetBytes<T>(T value, BlindIndexPart part)
    {
        Check<T>(part);
        return value is string text ? GetBytes(Normalize(text, part), part) : PlaintextCodec<T>.Default.GetBytes(Unify(value));
    }

    /// <summary>
    /// Returns the bytes of what a stored value is to be equal to, or to start or end with; the caller zeroes them. The start or end has
    /// exactly the number of characters that the index holds: of a longer or shorter one, the index cannot tell.
    /// </summary>
    public static byte[] GetSearchBytes<T>(T value, BlindIndexPart part)
    {
        if (part.Projection == BlindIndexProjection.Whole)
            return GetBytes(value, part);
        Check<T>(part);
        var text = Normalize((string)(object)value!, part);
        if (TextNormalization.CountCharacters(text) != part.Characters)
            throw new EnvelopeConfigurationException(Messages.BlindIndexSearchLength(part.Field, part.Projection, part.Characters));
        return GetBytes(text, part);
    }

    //  +-----------------------------+
    //  | per part: length u32, bytes |
    //  +-----------------------------+
    // Length prefixes make this injective: ("ab", "c") is not ("a", "bc"). It must never change.

    /// <summary>Joins the bytes of the parts, in their order, for <see cref="BlindIndexContext.Compute" />; the caller zeroes them.</summary>
    public static byte[] Join(params ReadOnlySpan<byte[]> parts)
    {
        var length = 0;
        foreach (var part in parts)
            length = checked(length + 4 + part.Length);
        var input = new byte[length];
        var rest = input.AsSpan();
        foreach (var part in parts)
        {
            BinaryPrimitives.WriteUInt32BigEndian(rest, (uint)part.Length);
            part.CopyTo(rest[4..]);
            rest = rest[(4 + part.Length)..];
        }

        return input;
    }

    // A value of another type has other bytes, and would silently be equal to nothing.
    private static void Check<T>(BlindIndexPart part)
    {
        if (PlaintextCodec<T>.Default.Type != part.Type)
            throw new ArgumentException($"The blind index of '{part.Field}' is of '{part.Type}', not of '{PlaintextCodec<T>.Default.Type}'.", nameof(part));
        if (FindPlatformFault(part.Field, part.Normalization) is { } fault)
            throw new EnvelopeConfigurationException(fault);
    }

    // Half a surrogate pair is looked for first: what is left out by a normalization must not depend on whether it is valid.
    private static string Normalize(string text, BlindIndexPart part)
    {
        try
        {
            _ = Utf8.GetByteCount(text);
        }
        catch (EncoderFallbackException)
        {
            throw new EnvelopeConfigurationException(Messages.InvalidUnicode(part.Field));
        }

        return TextNormalization.Apply(text, part.Normalization);
    }

    private static byte[] GetBytes(string text, BlindIndexPart part)
    {
        var characters = TextNormalization.Project(text, part.Projection, part.Characters);
        var bytes = new byte[Utf8.GetByteCount(characters)];
        Utf8.GetBytes(characters, bytes);
        return bytes;
    }

    /// <summary>One value for all that .NET calls equal although their encodings differ.</summary>
    private static T Unify<T>(T value)
        => value switch
        {
            decimal number => (T)(object)WithoutTrailingZeros(number),
            float number => (T)(object)(float.IsNaN(number) ? BitConverter.UInt32BitsToSingle(SingleNaN) : number == 0 ? 0f : number),
            double number => (T)(object)(double.IsNaN(number) ? BitConverter.UInt64BitsToDouble(DoubleNaN) : number == 0 ? 0d : number),
            DateTime time => (T)(object)new DateTime(time.Ticks, DateTimeKind.Unspecified),
            DateTimeOffset time => (T)(object)new DateTimeOffset(time.UtcTicks, TimeSpan.Zero),
            _ => value,
        };

    private static decimal WithoutTrailingZeros(decimal value)
    {
        Span<int> parts = stackalloc int[4];
        decimal.GetBits(value, parts);
        var coefficient = new UInt128((uint)parts[2], ((ulong)(uint)parts[1] << 32) | (uint)parts[0]);
        var scale = value.Scale;
        while (scale > 0 && coefficient % 10 == 0)
        {
            coefficient /= 10;
            scale--;
        }

        return new decimal(
            (int)(uint)coefficient, (int)(uint)(coefficient >> 32), (int)(uint)(coefficient >> 64), decimal.IsNegative(value) && coefficient != 0, scale);
    }
}
