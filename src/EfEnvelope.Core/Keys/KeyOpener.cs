using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Diagnostics;
using EfEnvelope.Kms;

namespace EfEnvelope.Keys;

/// <summary>Wraps the keys of versions, and unwraps stored ones, proving by their commitments that what came out is what was stored.</summary>
internal sealed class KeyOpener(KeyWrapping wrapping)
{
    /// <summary>Wraps a key under every configured KEK.</summary>
    /// <exception cref="KmsException">A KMS did not.</exception>
    public ValueTask<WrappedKey> WrapAsync(KeyVersion version, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
        => wrapping.WrapAsync(key, ContextOf(version), cancellationToken);

    /// <summary>Unwraps a version that is not destroyed, whatever its status.</summary>
    /// <exception cref="KmsException">The KMS did not.</exception>
    /// <exception cref="EnvelopeDecryptionException">What it unwrapped is not the key.</exception>
    public async ValueTask<DataKey> OpenAsync(StoredKey stored, CancellationToken cancellationToken)
    {
        var bytes = await wrapping.UnwrapAsync(stored.Wrapped!, ContextOf(stored.Version), cancellationToken).ConfigureAwait(false);
        try
        {
            return Prove(stored, bytes);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>Wraps the key of a version anew, under every configured KEK, and proves each copy before it is handed out.</summary>
    /// <exception cref="KeyUnavailableException">A KMS did not unwrap or wrap it, or what it wrapped does not open.</exception>
    /// <exception cref="EnvelopeDecryptionException">What is stored is not the key.</exception>
    public async ValueTask<WrappedKey> RewrapAsync(StoredKey stored, CancellationToken cancellationToken)
    {
        var version = stored.Version;
        var bytes = await AskAsync(version, () => wrapping.UnwrapAsync(stored.Wrapped!, ContextOf(version), cancellationToken)).ConfigureAwait(false);
        WrappedKey wrapped;
        try
        {
            // Making a data key of bytes takes them away.
            var copy = GC.AllocateArray<byte>(bytes.Length, pinned: true);
            bytes.CopyTo(copy, 0);
            Prove(stored, copy).Dispose();
            wrapped = await WrapAsync(version, bytes, cancellationToken).ConfigureAwait(false);
        }
        catch (KmsException e)
        {
            throw new KeyUnavailableException(Messages.NewVersionNotWrapped(version), e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }

        try
        {
            foreach (var copy in wrapped.Copies)
                (await OpenAsync(stored with { Wrapped = new WrappedKey(copy) }, cancellationToken).ConfigureAwait(false)).Dispose();
        }
        catch (Exception e) when (e is KmsException or EnvelopeDecryptionException)
        {
            throw new KeyUnavailableException(Messages.RewrappedKeyDoesNotOpen(version), e);
        }

        return wrapped;
    }

    /// <summary>Opens a version for somebody who asked for it by name, and says in a sentence why it does not open.</summary>
    /// <exception cref="KeyUnavailableException">The KMS did not unwrap it.</exception>
    /// <exception cref="EnvelopeDecryptionException">What is stored is not the key.</exception>
    public ValueTask<DataKey> RequireAsync(StoredKey stored, CancellationToken cancellationToken)
        => AskAsync(stored.Version, () => OpenAsync(stored, cancellationToken));

    private static async ValueTask<T> AskAsync<T>(KeyVersion version, Func<ValueTask<T>> ask)
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

    // The bytes are zeroed.
    private static DataKey Prove(StoredKey stored, byte[] bytes)
    {
        if (bytes.Length != DataKey.Length)
        {
            CryptographicOperations.ZeroMemory(bytes);
            throw new EnvelopeDecryptionException(Messages.WrappedKeyDoesNotOpen(stored.Version));
        }

        var key = new DataKey(stored.Version, bytes);
        if (CryptographicOperations.FixedTimeEquals(key.DeriveCommitment(), stored.Commitment.Span))
            return key;
        key.Dispose();
        throw new EnvelopeDecryptionException(Messages.CommitmentDiffers(stored.Version));
    }

    private static EncryptionContext ContextOf(KeyVersion version)
        => new(
        [
            new("purpose", "efenvelope data key"),
            new("scope", version.Scope.Name),
            new("version", version.Number.ToString(CultureInfo.InvariantCulture)),
        ]);
}
