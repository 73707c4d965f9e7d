using System.Security.Cryptography;

namespace EfEnvelope.Envelopes;

// Random bytes drawn from the system in blocks, one block per thread, each byte erased as it is used: a draw of 12 bytes alone
// costs more than the encryption it is for.
internal static class NonceSource
{
    private const int BlockLength = 4080;

    [ThreadStatic]
    private static byte[]? t_block;

    [ThreadStatic]
    private static int t_position;

    public static void Fill(Span<byte> nonce)
    {
        var block = t_block;
        var position = t_position;
        if (block is null || position + nonce.Length > BlockLength)
        {
            // Kept only when it is filled: a block that the system failed to fill holds zeros.
            block ??= new byte[BlockLength];
            RandomNumberGenerator.Fill(block);
            t_block = block;
            position = 0;
        }

        var drawn = block.AsSpan(position, nonce.Length);
        drawn.CopyTo(nonce);
        drawn.Clear();
        t_position = position + nonce.Length;
    }
}
