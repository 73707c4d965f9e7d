using System.Buffers.Binary;

namespace EfEnvelope.Envelopes;

/// <summary>The five bytes every envelope starts with; read without any key.</summary>
/// <param name="Algorithm">How the body is encrypted.</param>
/// <param name="KeyNumber">The number of the key version in its ring.</param>
public readonly record struct EnvelopeHeader(EnvelopeAlgorithm Algorithm, uint KeyNumber)
{
    /// <summary>The length of a header in bytes.</summary>
    public const int Length = 5;

    //  +----------------------+---------------------------+
    //  | 0xF8 | algorithm (1) | key number, big-endian (4)|
    //  +----------------------+---------------------------+
    // 0xF8 to 0xFF never occur in UTF-8, so no text can be taken for an envelope. It must never change.
    private const byte Mark = 0xF8;

    /// <summary>Reads the header of stored bytes.</summary>
    /// <param name="envelope">The stored bytes.</param>
    /// <param name="header">The header; its algorithm may be one that this version does not know.</param>
    /// <returns>Whether the bytes start like an envelope.</returns>
    public static bool TryRead(ReadOnlySpan<byte> envelope, out EnvelopeHeader header)
    {
        if (envelope.Length < Length || envelope[0] < Mark)
        {
            header = default;
            return false;
        }

        header = new EnvelopeHeader(
            (EnvelopeAlgorithm)(envelope[0] & ~Mark), BinaryPrimitives.ReadUInt32BigEndian(envelope[1..]));
        return true;
    }

    internal void Write(Span<byte> envelope)
    {
        envelope[0] = (byte)(Mark | (byte)Algorithm);
        BinaryPrimitives.WriteUInt32BigEndian(envelope[1..], KeyNumber);
    }
}
