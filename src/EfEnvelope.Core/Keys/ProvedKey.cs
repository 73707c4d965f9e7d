using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Diagnostics;
using EfEnvelope.Kms;

namespace EfEnvelope.Keys;

/// <summary>What proves that unwrapped bytes are the key that was stored, and binds a wrapped key to its version.</summary>
internal static class ProvedKey
{
    /// <summary>Makes a key of unwrapped bytes, which are zeroed.</summary>
    /// <exception cref="EnvelopeDecryptionException">They are not the key.</exception>
    public static DataKey Prove(StoredKey stored, byte[] bytes, GcmEngine? engine = null)
    {
        if (bytes.Length != DataKey.Length)
        {
            CryptographicOperations.ZeroMemory(bytes);
            throw new EnvelopeDecryptionException(Messages.WrappedKeyDoesNotOpen(stored.Version));
        }

        var key = new DataKey(stored.Version, bytes, engine);
        if (CryptographicOperations.FixedTimeEquals(key.DeriveCommitment(), stored.Commitment.Span))
            return key;
        key.Dispose();
        throw new EnvelopeDecryptionException(Messages.CommitmentDiffers(stored.Version));
    }

    // It must never change: stored keys are bound to it. A KMS may log it in clear text, so what it says of an intermediate key names no scope.
    public static EncryptionContext ContextOf(KeyVersion version)
    {
        var number = new KeyValuePair<string, string>("version", version.Number.ToString(CultureInfo.InvariantCulture));
        return version.Scope == KeyScope.Intermediate
            ? new([new("purpose", "efenvelope intermediate key"), number])
            : new([new("purpose", "efenvelope data key"), new("scope", version.Scope.Name), number]);
    }

    /// <summary>Runs what asks the KMS for a version, and says in a sentence why it did not answer as it should.</summary>
    /// <exception cref="KeyUnavailableException">The KMS did not unwrap it.</exception>
    /// <exception cref="EnvelopeDecryptionException">What is stored is not the key.</exception>
    public static async ValueTask<T> RequireAsync<T>(KeyVersion version, Func<ValueTask<T>> ask)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (KmsException e)
        {
            throw e.Kind == KmsErrorKind.InvalidCiphertext
                ? new EnvelopeDecryptionException(Messages.WrappedKeyDoesNotOpen(version))
                : new KeyUnavailableException(Messages.KeyVersionNotUnwrapped(version), e);
        }
    }
}
