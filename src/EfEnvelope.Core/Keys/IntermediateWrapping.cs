using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Diagnostics;
using EfEnvelope.Kms;

namespace EfEnvelope.Keys;

/// <summary>Wraps a data key under an intermediate key, in memory: the KMS knows the intermediate key alone.</summary>
internal static class IntermediateWrapping
{
    public const string Scheme = "intermediate";

    private const byte Format = 1;
    private const int NonceSize = 12;
    private const int TagSize = 16;
    private const int Overhead = 1 + NonceSize + TagSize;

    /// <summary>Finds the number of the intermediate key that a stored key is wrapped under, if it is under one.</summary>
    public static bool TryGetNumber(WrappedKey wrapped, [NotNullWhen(true)] out WrappedKeyCopy? copy, out int number)
    {
        number = 0;
        copy = wrapped.Copies.FirstOrDefault(c => c.Kek.Scheme == Scheme);
        return copy is not null && int.TryParse(copy.Kek.Key, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    //  +-------------+----------+---------------+---------+
    //  | format 0x01 | nonce 12 | ciphertext 32 | tag 16  |   AES-256-GCM under a subkey of the intermediate key
    //  +-------------+----------+---------------+---------+
    // The subkey is derived for the scope and version of the data key (see 'DataKey.Derive', purpose 4), which binds it to them. It must never change:
    // stored data keys are wrapped like this.
    public static WrappedKey Wrap(DataKey intermediate, ReadOnlySpan<byte> key, EncryptionContext context)
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

        var number = intermediate.Version.Number.ToString(CultureInfo.InvariantCulture);
        return new WrappedKey(new WrappedKeyCopy(new KekUri(Scheme, number), null, bytes));
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
