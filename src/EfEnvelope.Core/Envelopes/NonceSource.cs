using System.Security.Cryptography;

namespace EfEnvelope.Envelopes;

// Random bytes drawn from the system in blocks, one block per thread, each byte erased as it is used: a draw of 12 bytes alone
// costs more than the encryption it is for.
internal static class NonceSource
{
    private const int BlockLength = 4080;

    [ThreadStatic]
    private static Block? t_block;

    public static void Fill(Span<byte> nonce)
    {
        var block = t_block ??= new Block();
        if (block.Left < nonce.Length)
            block.Refill();
        var drawn = block.Bytes.AsSpan(BlockLength - block.Left, nonce.Length);
        drawn.CopyTo(nonce);
        drawn.Clear();
        block.Left -= nonce.Length;
    }

    private sealed class Block
    {
        public readonly byte[] Bytes = new byte[BlockLength];

        public int Left;

        // What is left counts only when it is filled: bytes that the system failed to fill are zeros.
        public void Refill()
        {
            Left = 0;
            RandomNumberGenerator.Fill(Bytes);
            Left = BlockLength;
        }
    }
}
