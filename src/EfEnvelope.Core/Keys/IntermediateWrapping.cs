using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Diagnostics;
using EfEnvelope.Kms;

namespace EfEnvelope.Keys;

/// <summary>Names an intermediate key: numbers alone are given anew in a database that is made anew.</summary>
/// <param name="Number">Its number in the key store, from 1.</param>
/// <param name="Mark">The first 8 bytes of its commitment, in hexadecimal.</param>
internal readonly record struct IntermediateId(int Number, string Mark)
{
    private const int MarkSize = 8;

    public static IntermediateId Of(StoredKey stored) => new(stored.Version.Number, Convert.ToHexStringLower(stored.Commitment.Span[..MarkSize]));

    public bool IsOf(StoredKey stored) => stored.Commitment.Length == DataKey.CommitmentLength && Of(stored) == this;
}

/// <summary>Wraps a data key under an intermediate key, in memory: the KMS knows the intermediate key alone.</summary>
internal static class IntermediateWrapping
{
    public const string Scheme = "intermediate";

    private const byte Format = 1;
    private const int NonceSize = 12;
    private const int TagSize = 16;
    private const int Overhead = 1 + NonceSize + TagSize;

    /// <summary>Finds the intermediate key that a stored key is wrapped under, if it is under one.</summary>
    public static bool TryGetId(WrappedKey wrapped, [NotNullWhen(true)] out WrappedKeyCopy? copy, out IntermediateId id)
    {
        id = default;
        copy = wrapped.Copies.FirstOrDefault(c => c.Kek.Scheme == Scheme);
        if (copy is null || !int.TryParse(copy.Kek.Key, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return false;
        id = new IntermediateId(number, copy.KekVersion ?? "");
        return true;
    }

    //  +-------------+----------+---------------+---------+
    //  | format 0x01 | nonce 12 | ciphertext 32 | tag 16  |   AES-256-GCM under a subkey of the intermediate key
    //  +-------------+----------+---------------+---------+
    // The subkey is derived for the scope and version of the data key (see 'DataKey.Derive', purpose 4), which binds it to them. It must never change:
    // stored data keys are wrapped like this.
    public static WrappedKey Wrap(IntermediateId id, DataKey intermediate, ReadOnlySpan<byte> key, EncryptionContext context)
    {
        var bytes = new byte[Overhead + key.Length];
        bytes[0] = Format;
        RandomNumberGenerator.Fill(bytes.AsSpan(1, NonceSize));
        Span<byte> subkey = stackalloc byte[DataKey.Length];
        try
        {
            intermediate.Derive(SubkeyPurpose.Wrapping, algorithm: 1, context, subkey);
            using var aes = new AesGcm(subkey, TagSize);
            aes.Encrypt(bytes.AsSpan(1, NonceSize), key, bytes.AsSpan(1 + NonceSize, key.Length), bytes.AsSpan(bytes.Length - TagSize));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(subkey);
        }

        return new WrappedKey(new WrappedKeyCopy(new KekUri(Scheme, id.Number.ToString(CultureInfo.InvariantCulture)), id.Mark, bytes));
    }

    /// <summary>Unwraps a data key. The caller zeroes the bytes.</summary>
    /// <exception cref="KmsException"><see cref="KmsErrorKind.InvalidCiphertext" />: it was altered, or is another version's.</exception>
    public static byte[] Unwrap(DataKey intermediate, WrappedKeyCopy copy, EncryptionContext context)
    {
        var bytes = copy.Ciphertext.Span;
        if (bytes.Length < Overhead || bytes[0] != Format)
            throw Refused(copy);
        var key = new byte[bytes.Length - Overhead];
        Span<byte> subkey = stackalloc byte[DataKey.Length];
        try
        {
            intermediate.Derive(SubkeyPurpose.Wrapping, algorithm: 1, context, subkey);
            using var aes = new AesGcm(subkey, TagSize);
            aes.Decrypt(bytes.Slice(1, NonceSize), bytes[(1 + NonceSize)..^TagSize], bytes[^TagSize..], key);
            return key;
        }
        catch (AuthenticationTagMismatchException)
        {
            throw Refused(copy);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(subkey);
        }
    }

    private static KmsException Refused(WrappedKeyCopy copy) => new(KmsErrorKind.InvalidCiphertext, Messages.IntermediateRefused(copy.Kek));
}
