using System.Buffers.Binary;
using System.Text;
using Xunit;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>What can be said of stored bytes without a key.</summary>
public static class StoredBytes
{
    /// <summary>Header (5), nonce (12), tag (16).</summary>
    public const int Overhead = 33;

    public static void AssertEnvelope(byte[] bytes, int? plaintextLength = null, uint keyNumber = 1)
    {
        Assert.Equal(0xF9, bytes[0]);
        Assert.Equal(keyNumber, BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(1)));
        if (plaintextLength is { } length)
            Assert.Equal(length + Overhead, bytes.Length);
        else
            Assert.True(bytes.Length >= Overhead);
    }

    public static void AssertHides(byte[] bytes, string plaintext)
    {
        Assert.True(plaintext.Length > 2, "A shorter text may occur by chance.");
        foreach (var encoding in new[] { Encoding.UTF8, Encoding.Unicode })
            Assert.True(bytes.AsSpan().IndexOf(encoding.GetBytes(plaintext)) < 0, "The plaintext can be seen in the stored bytes.");
    }
}
