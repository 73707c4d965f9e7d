using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using EfEnvelope.Keys;

namespace EfEnvelope.Envelopes;

/// <summary>
/// AES-SIV (RFC 5297), put together of the platform's AES: S2V over CMAC, then CTR. Deterministic; no part of it is a block cipher of
/// our own. Not thread-safe, and to be disposed after any exception, because the chain is in an unknown state then.
/// </summary>
internal sealed class AesSiv : IDisposable
{
    /// <summary>The length of the synthetic initialization vector, which is the tag too.</summary>
    public const int TagLength = 16;

    private const int Block = 16;

    // What one call encrypts at most; longer values take several. A remainder is one block at most over it, so that the last call
    // always has the last 16 bytes together, however they lie.
    private const int ChunkLength = 1024;
    private const int ScratchLength = ChunkLength + Block;

    // A call into the platform costs more than AES does, so both transforms live as long as the instance, and a CMAC is one call.
    // The CBC transform is never reset: the block it encrypted last is XORed into the first block of the next message, where the
    // chain cancels it, which is a zero initialization vector.
    private readonly ICryptoTransform _cbc;
    private readonly ICryptoTransform _ecb;

    //  +---------+---------+--------------------+----------------------+
    //  | K1 (16) | K2 (16) | S2V of the AD (16) | last CBC block (16)  |
    //  +---------+---------+--------------------+----------------------+
    private readonly OwnedBytes _state = new(4 * Block);
    private readonly byte[] _input = new byte[ScratchLength];
    private readonly byte[] _output = new byte[ScratchLength];

    /// <summary>Initializes an instance for one key and one vector of associated data, whose share of the work is done here.</summary>
    /// <param name="key">32, 48 or 64 bytes: the first half is the key of the CMAC, the second of the key stream.</param>
    /// <param name="associatedData">Any number of strings. None is another vector than one empty string.</param>
    public AesSiv(ReadOnlySpan<byte> key, params ReadOnlySpan<byte[]> associatedData)
    {
        if (key.Length is not (32 or 48 or 64))
            throw new ArgumentException("A key of AES-SIV has 32, 48 or 64 bytes.", nameof(key));
        _cbc = CreateEncryptor(CipherMode.CBC, key[..(key.Length / 2)]);
        _ecb = CreateEncryptor(CipherMode.ECB, key[(key.Length / 2)..]);

        Span<byte> mac = stackalloc byte[Block];
        _cbc.TransformBlock(_input, 0, Block, _output, 0);
        _output.AsSpan(0, Block).CopyTo(LastBlock);
        Double(LastBlock, Key1);
        Double(Key1, Key2);

        Mac(mac, [], Prefix);
        foreach (var component in associatedData)
        {
            Mac(component, [], mac);
            Double(Prefix, Prefix);
            Xor(Prefix, mac, Prefix);
        }

        CryptographicOperations.ZeroMemory(mac);
    }

    private Span<byte> Key1 => _state.Span[..Block];

    private Span<byte> Key2 => _state.Span.Slice(Block, Block);

    private Span<byte> Prefix => _state.Span.Slice(2 * Block, Block);

    private Span<byte> LastBlock => _state.Span.Slice(3 * Block, Block);

    /// <summary>Encrypts; the ciphertext may be written over the plaintext.</summary>
    public void Encrypt(ReadOnlySpan<byte> plaintext, Span<byte> tag, Span<byte> ciphertext)
    {
        MacAll(plaintext, tag);
        ApplyKeyStream(tag, plaintext, ciphertext);
    }

    /// <summary>Decrypts; the plaintext may be written over the ciphertext, and is zeroed if it does not authenticate.</summary>
    /// <exception cref="CryptographicException">It does not authenticate.</exception>
    public void Decrypt(ReadOnlySpan<byte> tag, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext)
    {
        Span<byte> expected = stackalloc byte[TagLength];
        var authentic = false;
        try
        {
            ApplyKeyStream(tag, ciphertext, plaintext);
            MacAll(plaintext, expected);
            authentic = CryptographicOperations.FixedTimeEquals(expected, tag);
            if (!authentic)
                throw new AuthenticationTagMismatchException();
        }
        finally
        {
            // The tag of an altered value is no secret that its writer may learn: with it, the value would authenticate.
            CryptographicOperations.ZeroMemory(expected);
            if (!authentic)
                CryptographicOperations.ZeroMemory(plaintext);
        }
    }

    public void Dispose()
    {
        _cbc.Dispose();
        _ecb.Dispose();
        _state.Dispose();
        CryptographicOperations.ZeroMemory(_input);
        CryptographicOperations.ZeroMemory(_output);
    }

    private static ICryptoTransform CreateEncryptor(CipherMode mode, ReadOnlySpan<byte> key)
    {
        // Given as an argument, the key is not cloned into memory that nobody zeroes.
        var copy = GC.AllocateUninitializedArray<byte>(key.Length, pinned: true);
        try
        {
            key.CopyTo(copy);
            using var aes = Aes.Create();
            aes.Mode = mode;
            aes.Padding = PaddingMode.None;
            return aes.CreateEncryptor(copy, mode == CipherMode.CBC ? new byte[Block] : null);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(copy);
        }
    }

    // S2V of the plaintext, which is the last string: its last 16 bytes are XORed with what the strings before it gave, or it is padded
    // first if it is shorter than that.
    private void MacAll(ReadOnlySpan<byte> plaintext, Span<byte> tag)
    {
        if (plaintext.Length >= Block)
        {
            Mac(plaintext, Prefix, tag);
            return;
        }

        Span<byte> mask = stackalloc byte[Block];
        Span<byte> padded = stackalloc byte[Block];
        Double(Prefix, mask);
        plaintext.CopyTo(padded);
        padded[plaintext.Length] = 0x80;
        Mac(padded, mask, tag);
        CryptographicOperations.ZeroMemory(padded);
        CryptographicOperations.ZeroMemory(mask);
    }

    // CMAC (RFC 4493) of a message whose last 16 bytes are XORed with a mask, if there is one.
    private void Mac(ReadOnlySpan<byte> message, ReadOnlySpan<byte> endMask, Span<byte> mac)
    {
        var used = Math.Min(message.Length + Block, ScratchLength);
        try
        {
            Span<byte> input = _input;
            var chain = LastBlock;
            for (var first = true; ; first = false)
            {
                var isLast = message.Length <= ScratchLength;
                var length = isLast ? message.Length : ChunkLength;
                message[..length].CopyTo(input);
                message = message[length..];
                if (isLast)
                    length = Finish(input, length, endMask);
                if (first)
                    Xor(input[..Block], chain, input);
                _cbc.TransformBlock(_input, 0, length, _output, 0);
                if (!isLast)
                    continue;
                _output.AsSpan(length - Block, Block).CopyTo(chain);
                chain.CopyTo(mac);
                return;
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(_input.AsSpan(0, used));
            CryptographicOperations.ZeroMemory(_output.AsSpan(0, used));
        }
    }

    private int Finish(Span<byte> input, int length, ReadOnlySpan<byte> endMask)
    {
        if (!endMask.IsEmpty)
        {
            var end = input.Slice(length - Block, Block);
            Xor(end, endMask, end);
        }

        var whole = length > 0 && length % Block == 0;
        var padded = whole ? length : (length / Block * Block) + Block;
        if (!whole)
        {
            input[length..padded].Clear();
            input[length] = 0x80;
        }

        var last = input.Slice(padded - Block, Block);
        Xor(last, whole ? Key1 : Key2, last);
        return padded;
    }

    // CTR from the tag, with two bits cleared (RFC 5297, section 2.5), so that counting never carries out of the low half.
    private void ApplyKeyStream(ReadOnlySpan<byte> tag, ReadOnlySpan<byte> source, Span<byte> destination)
    {
        var used = Math.Min(source.Length + Block, ScratchLength);
        var counter = BinaryPrimitives.ReadUInt64BigEndian(tag[8..]) & 0x7FFF_FFFF_7FFF_FFFF;
        try
        {
            while (!source.IsEmpty)
            {
                var length = Math.Min(source.Length, ChunkLength);
                var end = (length + Block - 1) / Block * Block;
                for (var at = 0; at < end; at += Block)
                {
                    tag[..8].CopyTo(_input.AsSpan(at));
                    BinaryPrimitives.WriteUInt64BigEndian(_input.AsSpan(at + 8), counter++);
                }

                _ecb.TransformBlock(_input, 0, end, _output, 0);
                Xor(source[..length], _output, destination);
                source = source[length..];
                destination = destination[length..];
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(_output.AsSpan(0, used));
        }
    }

    // Multiplication by x in GF(2^128), without a branch on the secret.
    private static void Double(ReadOnlySpan<byte> value, Span<byte> result)
    {
        var bits = BinaryPrimitives.ReadUInt128BigEndian(value);
        var carry = (byte)(bits >> 127);
        BinaryPrimitives.WriteUInt128BigEndian(result, (bits << 1) ^ (UInt128)(uint)(carry * 0x87));
    }

    private static void Xor(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, Span<byte> result)
    {
        var at = 0;
        for (; at <= left.Length - Block; at += Block)
            (Vector128.Create(left[at..]) ^ Vector128.Create(right[at..])).CopyTo(result[at..]);
        for (; at < left.Length; at++)
            result[at] = (byte)(left[at] ^ right[at]);
    }
}
