using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace EfEnvelope.Kms;

/// <summary>
/// Binds an encryption context to a key for services that have no associated data of their own: the context's digest is wrapped together with the key.
/// </summary>
internal static class BoundKey
{
    private const int DigestSize = SHA256.HashSizeInBytes;

    //  +-----+--------------------------------------------------+
    //  | key | SHA-256 of the context's canonical bytes (32 B)  |   wrapped as one plaintext, by a scheme that lets nobody alter a part of it
    //  +-----+--------------------------------------------------+
    // It must never change: stored keys are wrapped like this.
    public static byte[] Join(ReadOnlySpan<byte> key, EncryptionContext context)
    {
        var bytes = new byte[key.Length + DigestSize];
        key.CopyTo(bytes);
        SHA256.HashData(context.AssociatedData.Span, bytes.AsSpan(key.Length));
        return bytes;
    }

    /// <summary>Takes the key out again, if it was bound to this context. <paramref name="bytes" /> is zeroed.</summary>
    public static bool TrySplit(byte[] bytes, EncryptionContext context, [NotNullWhen(true)] out byte[]? key)
    {
        key = null;
        try
        {
            if (bytes.Length <= DigestSize)
                return false;
            Span<byte> digest = stackalloc byte[DigestSize];
            SHA256.HashData(context.AssociatedData.Span, digest);
            if (!CryptographicOperations.FixedTimeEquals(digest, bytes.AsSpan(bytes.Length - DigestSize)))
                return false;
            key = bytes[..^DigestSize];
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }
}
