using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>Bytes that a MAC or a hash is taken over: two lists of parts have the same bytes only if they are equal.</summary>
internal sealed class CanonicalBytes
{
    private const uint Null = uint.MaxValue;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly ArrayBufferWriter<byte> _bytes = new(256);

    public ReadOnlySpan<byte> Span => _bytes.WrittenSpan;

    //  +------------+-----------+
    //  | length u32 | part      |  per part; big-endian; a part that is null has the length 0xFFFFFFFF and no bytes
    //  +------------+-----------+
    // Texts are UTF-8, numbers their decimal text. It must never change: stored MACs and exported audit trails are bound to it.
    public CanonicalBytes Add(string? part)
    {
        if (part is null)
        {
            Length(Null);
            return this;
        }

        var count = Utf8.GetByteCount(part);
        Length((uint)count);
        Utf8.GetBytes(part, _bytes.GetSpan(count));
        _bytes.Advance(count);
        return this;
    }

    public CanonicalBytes Add(long part) => Add(part.ToString(CultureInfo.InvariantCulture));

    public CanonicalBytes Add(long? part) => Add(part?.ToString(CultureInfo.InvariantCulture));

    public CanonicalBytes Add(ReadOnlySpan<byte> part)
    {
        Length((uint)part.Length);
        _bytes.Write(part);
        return this;
    }

    private void Length(uint length)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_bytes.GetSpan(4), length);
        _bytes.Advance(4);
    }
}
