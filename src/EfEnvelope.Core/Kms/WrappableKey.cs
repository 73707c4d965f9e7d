using EfEnvelope.Diagnostics;

namespace EfEnvelope.Kms;

/// <summary>What every key management service is asked to wrap: neither a passphrase nor a document.</summary>
internal static class WrappableKey
{
    public const int MinimumSize = 16;
    public const int MaximumSize = 64;

    /// <summary>Whether a key of so many bytes is wrapped.</summary>
    public static bool Allows(int size) => size is >= MinimumSize and <= MaximumSize;

    /// <summary>Refuses a key of another length, before it is sent anywhere.</summary>
    /// <exception cref="KmsException"><see cref="KmsErrorKind.InvalidRequest" />.</exception>
    public static void Require(KekUri kek, ReadOnlyMemory<byte> key)
    {
        if (!Allows(key.Length))
            throw new KmsException(KmsErrorKind.InvalidRequest, Messages.KeyNotWrappable(kek, key.Length, MinimumSize, MaximumSize));
    }
}
