using System.Buffers.Binary;
using System.Numerics;

namespace EfEnvelope.Kms.GoogleCloud.Http;

/// <summary>The Castagnoli checksum, as Google's JSON has it: unsigned, in a 64-bit integer.</summary>
internal static class Crc32C
{
    public static long Of(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        for (; bytes.Length >= 8; bytes = bytes[8..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (var b in bytes)
            crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }
}
