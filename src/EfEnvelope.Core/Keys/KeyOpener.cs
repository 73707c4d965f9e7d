using System.Security.Cryptography;
using EfEnvelope.Diagnostics;
using EfEnvelope.Kms;

namespace EfEnvelope.Keys;

/// <summary>An unwrapped data key.</summary>
/// <param name="Key">The key.</param>
/// <param name="VerifiedAt">When the KMS last unwrapped it, or the intermediate key that it is under.</param>
/// <param name="Failure">Why the KMS did not do so now, or <see langword="null" />.</param>
internal readonly record struct OpenDataKey(DataKey Key, Moment VerifiedAt, KmsException? Failure);

/// <summary>
/// Wraps the data keys of one key store, and unwraps stored ones, proving by their commitments that what came out is what was stored.
/// New keys go under the store's intermediate key, or under the KEKs themselves where that is configured; both kinds are opened.
/// </summary>
internal sealed class KeyOpener(KeyWrapping wrapping, IntermediateKeys intermediates, EnvelopeOptions options, TimeProvider time)
{
    public IntermediateKeys Intermediates => intermediates;

    public KeyWrapping Wrapping => wrapping;

    /// <summary>Wraps a key.</summary>
    /// <exception cref="KmsException">A KMS did not.</exception>
    public async ValueTask<WrappedKey> WrapAsync(IKeyStore store, KeyVersion version, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        var context = ProvedKey.ContextOf(version);
        if (!options.UsesIntermediateKey)
            return await wrapping.WrapAsync(key, context, store.IsSynchronous, cancellationToken).ConfigureAwait(false);
        var id = await intermediates.FindForWrappingAsync(store, cancellationToken).ConfigureAwait(false);
        var intermediate = await intermediates.GetAsync(store, id, cancellationToken).ConfigureAwait(false);
        return IntermediateWrapping.Wrap(id, intermediate.Key, key.Span, context);
    }

    /// <summary>Unwraps a version that is not destroyed, whatever its status.</summary>
    /// <exception cref="KmsException">The KMS did not.</exception>
    /// <exception cref="EnvelopeDecryptionException">What it unwrapped is not the key.</exception>
    public async ValueTask<OpenDataKey> OpenAsync(IKeyStore store, StoredKey stored, CancellationToken cancellationToken)
    {
        var (bytes, verifiedAt, failure) = await UnwrapAsync(store, stored, cancellationToken).ConfigureAwait(false);
        try
        {
            return new OpenDataKey(ProvedKey.Prove(stored, bytes, options.Engine), verifiedAt, failure);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>Opens a version for somebody who asked for it by name, and says in a sentence why it does not open.</summary>
    /// <exception cref="KeyUnavailableException">The KMS did not unwrap it.</exception>
    /// <exception cref="EnvelopeDecryptionException">What is stored is not the key.</exception>
    public async ValueTask<DataKey> RequireAsync(IKeyStore store, StoredKey stored, CancellationToken cancellationToken)
        => (await ProvedKey.RequireAsync(stored.Version, () => OpenAsync(store, stored, cancellationToken)).ConfigureAwait(false)).Key;

    /// <summary>Makes sure that a version which is to be put back can be opened where it is put.</summary>
    /// <returns>What to store: wrapped anew, if the intermediate key that it is under is not there and cannot be put back, too.</returns>
    public async ValueTask<StoredKey> RestoreAsync(IKeyStore store, StoredKey stored, DataKey key, CancellationToken cancellationToken)
    {
        if (!IntermediateWrapping.TryGetId(stored.Wrapped!, out _, out var id)
            || await intermediates.TryRestoreAsync(store, id, cancellationToken).ConfigureAwait(false))
            return stored;
        var bytes = key.CopyBytes();
        try
        {
            return stored with { Wrapped = await WrapAsync(store, stored.Version, bytes, cancellationToken).ConfigureAwait(false) };
        }
        catch (KmsException e)
        {
            throw new KeyUnavailableException(Messages.NewVersionNotWrapped(stored.Version), e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>Wraps the key of a version anew, and proves each copy that can be asked for before it is handed out.</summary>
    /// <exception cref="KeyUnavailableException">A KMS did not unwrap or wrap it, or what it wrapped does not open.</exception>
    /// <exception cref="EnvelopeDecryptionException">What is stored is not the key.</exception>
    public async ValueTask<WrappedKey> RewrapAsync(IKeyStore store, StoredKey stored, CancellationToken cancellationToken)
    {
        var (version, context) = (stored.Version, ProvedKey.ContextOf(stored.Version));
        var isIntermediate = version.Scope == KeyScope.Intermediate;
        var bytes = await ProvedKey.RequireAsync(
            version, async () => (await UnwrapAsync(store, stored, cancellationToken).ConfigureAwait(false)).Bytes).ConfigureAwait(false);
        WrappedKey wrapped;
        try
        {
            // Making a data key of bytes takes them away.
            var copy = GC.AllocateArray<byte>(bytes.Length, pinned: true);
            bytes.CopyTo(copy, 0);
            ProvedKey.Prove(stored, copy).Dispose();
            wrapped = isIntermediate || !options.UsesIntermediateKey
                ? await wrapping.RewrapAsync(stored.Wrapped!, bytes, context, cancellationToken).ConfigureAwait(false)
                : await WrapAsync(store, version, bytes, cancellationToken).ConfigureAwait(false);
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
            foreach (var copy in wrapped.Copies.Where(c => c.Kek.Scheme == IntermediateWrapping.Scheme || wrapping.CanUnwrap(c.Kek)))
                (await OpenAsync(store, stored with { Wrapped = new WrappedKey(copy) }, cancellationToken).ConfigureAwait(false)).Key.Dispose();
        }
        catch (Exception e) when (e is KmsException or EnvelopeDecryptionException)
        {
            throw new KeyUnavailableException(Messages.RewrappedKeyDoesNotOpen(version), e);
        }

        return wrapped;
    }

    private async ValueTask<(byte[] Bytes, Moment VerifiedAt, KmsException? Failure)> UnwrapAsync(
        IKeyStore store, StoredKey stored, CancellationToken cancellationToken)
    {
        var context = ProvedKey.ContextOf(stored.Version);
        if (!IntermediateWrapping.TryGetId(stored.Wrapped!, out var copy, out var id))
            return (await wrapping.UnwrapAsync(stored.Wrapped!, context, store.IsSynchronous, cancellationToken).ConfigureAwait(false), Moment.Now(time), null);
        var intermediate = await GetIntermediateAsync(store, id, cancellationToken).ConfigureAwait(false);
        return (IntermediateWrapping.Unwrap(intermediate.Key, copy, context), intermediate.VerifiedAt, intermediate.Failure);
    }

    // The alarm names the row that was altered, which is not the data key's.
    private async ValueTask<OpenIntermediateKey> GetIntermediateAsync(IKeyStore store, IntermediateId id, CancellationToken cancellationToken)
    {
        try
        {
            return await intermediates.GetAsync(store, id, cancellationToken).ConfigureAwait(false);
        }
        catch (KmsException e) when (e.Kind == KmsErrorKind.InvalidCiphertext)
        {
            throw new EnvelopeDecryptionException(Messages.WrappedKeyDoesNotOpen(new KeyVersion(KeyScope.Intermediate, id.Number)));
        }
    }
}
