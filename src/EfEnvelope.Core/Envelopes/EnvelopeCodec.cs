using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using EfEnvelope.Diagnostics;
using EfEnvelope.Keys;

namespace EfEnvelope.Envelopes;

/// <summary>The one path on which values become envelopes and envelopes become values.</summary>
internal static class EnvelopeCodec
{
    private const int StackLimit = 256;

    /// <summary>Encrypts a value: one allocation, the envelope itself; the plaintext is written and encrypted in place.</summary>
    public static byte[] Encrypt<T>(DataKey key, FieldContext field, EnvelopeAlgorithm algorithm, T value, PlaintextCodec<T> codec)
    {
        try
        {
            var cipher = field.GetCipher(key, algorithm);
            using var plaintext = codec.Measure(value);
            var envelope = GC.AllocateUninitializedArray<byte>(cipher.Overhead + plaintext.Length);
            new EnvelopeHeader(algorithm, key.Number).Write(envelope);
            codec.Write(value, plaintext, envelope.AsSpan(cipher.BodyOffset, plaintext.Length));
            cipher.Encrypt(envelope);
            EnvelopeTelemetry.ValuesEncrypted.Add(1);
            return envelope;
        }
        catch (EncoderFallbackException)
        {
            throw new EnvelopeConfigurationException(Messages.InvalidUnicode(field.Name));
        }
        catch (ObjectDisposedException)
        {
            throw new KeyUnavailableException(Messages.KeyWasDropped(key.Version));
        }
    }

    /// <summary>Decrypts a value with the key that its header names; there is no second try with another.</summary>
    /// <param name="header">What <see cref="ReadHeader" /> read.</param>
    /// <param name="key">The key that the header names.</param>
    /// <param name="field">The column that the value was read from.</param>
    /// <param name="envelope">The stored bytes.</param>
    /// <param name="codec">The type of the plaintext.</param>
    public static T Decrypt<T>(
        EnvelopeHeader header, DataKey key, FieldContext field, ReadOnlySpan<byte> envelope, PlaintextCodec<T> codec)
        => Decrypt(header, key, field, envelope, (codec, field), static (plaintext, to) => to.codec.Read(plaintext, to.field));

    /// <summary>Decrypts and compares, so that no plaintext is left behind.</summary>
    /// <param name="header">What <see cref="ReadHeader" /> read.</param>
    /// <param name="key">The key that the header names.</param>
    /// <param name="field">The column that the value is in.</param>
    /// <param name="envelope">The stored bytes.</param>
    /// <param name="plaintext">The bytes that it is to open to.</param>
    public static bool OpensTo(
        EnvelopeHeader header, DataKey key, FieldContext field, ReadOnlySpan<byte> envelope, ReadOnlySpan<byte> plaintext)
        => Decrypt(header, key, field, envelope, plaintext, static (opened, expected) => opened.SequenceEqual(expected));

    private delegate T Reader<TState, T>(ReadOnlySpan<byte> plaintext, TState state)
        where TState : allows ref struct;

    private static T Decrypt<TState, T>(
        EnvelopeHeader header, DataKey key, FieldContext field, ReadOnlySpan<byte> envelope, TState state, Reader<TState, T> read)
        where TState : allows ref struct
    {
        byte[]? rented = null;
        try
        {
            var cipher = field.GetCipher(key, header.Algorithm);
            var length = envelope.Length - cipher.Overhead;
            if (length < 0)
                throw new EnvelopeDecryptionException(Messages.DecryptionFailed(field.Name, key.Version));
            var plaintext = length <= StackLimit
                ? stackalloc byte[StackLimit]
                : rented = ArrayPool<byte>.Shared.Rent(length);
            plaintext = plaintext[..length];
            try
            {
                cipher.Decrypt(envelope, plaintext);
                EnvelopeTelemetry.ValuesDecrypted.Add(1);
                return read(plaintext, state);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(plaintext);
            }
        }
        catch (CryptographicException)
        {
            throw new EnvelopeDecryptionException(Messages.DecryptionFailed(field.Name, key.Version));
        }
        catch (ObjectDisposedException)
        {
            throw new KeyUnavailableException(Messages.KeyWasDropped(key.Version));
        }
        finally
        {
            if (rented is not null)
                ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Reads the header, or raises the alarm about a value that no version of this library wrote.</summary>
    public static EnvelopeHeader ReadHeader(FieldContext field, ReadOnlySpan<byte> envelope)
    {
        if (!EnvelopeHeader.TryRead(envelope, out var header))
            throw new EnvelopeDecryptionException(Messages.NotAnEnvelope(field.Name));
        if (!FieldCipher.Knows(header.Algorithm))
            throw new EnvelopeDecryptionException(Messages.UnknownAlgorithm(field.Name, (int)header.Algorithm));
        return header;
    }

    /// <summary>Decrypts with the keys of a ring that is loaded; <see langword="false" /> when it does not know the key version.</summary>
    public static bool TryDecrypt<T>(KeyRing ring, FieldContext field, ReadOnlySpan<byte> envelope, PlaintextCodec<T> codec, out T? value)
    {
        var header = ReadHeader(field, envelope);
        if (ring.Find(header.KeyNumber) is not { } key)
        {
            value = default;
            return false;
        }

        value = Decrypt(header, KeyRing.RequireKey(key), field, envelope, codec);
        return true;
    }
}
