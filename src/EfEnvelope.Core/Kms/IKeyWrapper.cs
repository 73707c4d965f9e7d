using System.Security.Cryptography;

namespace EfEnvelope.Kms;

/// <summary>
/// The seam to a key management service: wraps and unwraps keys under one key-encryption key (KEK) that never leaves its
/// service.
/// </summary>
/// <remarks>
/// Implementations are safe for concurrent use and throw only <see cref="KmsException" /> and
/// <see cref="OperationCanceledException" />. They are never called while a value is encrypted or decrypted, only when a key
/// ring is loaded. Who writes one implements <see cref="WrapAsync" /> and <see cref="UnwrapAsync" />; the others have a default.
/// </remarks>
public interface IKeyWrapper
{
    /// <summary>Gets the KEK under which new keys are wrapped.</summary>
    KekUri Kek { get; }

    /// <summary>Wraps a key under <see cref="Kek" />.</summary>
    /// <param name="key">The plaintext key, 16 to 64 bytes.</param>
    /// <param name="context">Pairs that are bound to the wrapped key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The wrapped key.</returns>
    /// <exception cref="KmsException">The service refused, or could not serve, the request.</exception>
    ValueTask<WrappedKeyCopy> WrapAsync(
        ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default);

    /// <summary>Unwraps a key.</summary>
    /// <param name="wrapped">What <see cref="WrapAsync" /> returned.</param>
    /// <param name="context">The same pairs that were given to <see cref="WrapAsync" />.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The plaintext key. The caller owns the array and zeroes it.</returns>
    /// <exception cref="KmsException">
    /// The service refused, or could not serve, the request; <see cref="KmsErrorKind.InvalidCiphertext" /> when the wrapped key was
    /// altered or the context differs.
    /// </exception>
    ValueTask<byte[]> UnwrapAsync(
        WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default);

    /// <summary>Wraps a key under <see cref="Kek" /> while the caller's thread waits: for a synchronous call that needs a key which is not loaded.</summary>
    /// <param name="key">The plaintext key, 16 to 64 bytes.</param>
    /// <param name="context">Pairs that are bound to the wrapped key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The wrapped key.</returns>
    /// <remarks>
    /// Override it where nothing has to be awaited, so that it needs no thread of the pool. By default it waits for <see cref="WrapAsync" />, and gives up when the
    /// pool has no free thread for a second, because all of them may be callers that wait like this one. The token is cancelled after the
    /// time-out for KMS calls
    /// (<see cref="EnvelopeOptions.KmsTimeout" />): an override has to end then, because nothing else can end it.
    /// </remarks>
    /// <exception cref="KmsException">The service refused, or could not serve, the request.</exception>
    WrappedKeyCopy Wrap(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => PoolThread.Wait(Kek, token => WrapAsync(key, context, token), cancellationToken);

    /// <summary>Unwraps a key while the caller's thread waits: for a synchronous call that needs a key which is not loaded.</summary>
    /// <param name="wrapped">What <see cref="WrapAsync" /> returned.</param>
    /// <param name="context">The same pairs that were given to <see cref="WrapAsync" />.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The plaintext key. The caller owns the array and zeroes it.</returns>
    /// <remarks>As with <see cref="Wrap" />, the default waits for <see cref="UnwrapAsync" />, and gives up when the pool has no free thread for a second.</remarks>
    /// <exception cref="KmsException">The service refused, or could not serve, the request.</exception>
    byte[] Unwrap(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => PoolThread.Wait(Kek, token => UnwrapAsync(wrapped, context, token), cancellationToken);

    /// <summary>Wraps a key anew under the present version of <see cref="Kek" />.</summary>
    /// <param name="wrapped">What <see cref="WrapAsync" /> returned, under this KEK or another one of the same service.</param>
    /// <param name="context">The same pairs that were given to <see cref="WrapAsync" />.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The same key, wrapped. By default it is unwrapped and wrapped; a service that can do so never hands it out.</returns>
    /// <exception cref="KmsException">The service refused, or could not serve, the request.</exception>
    async ValueTask<WrappedKeyCopy> RewrapAsync(
        WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        var key = await UnwrapAsync(wrapped, context, cancellationToken).ConfigureAwait(false);
        try
        {
            return await WrapAsync(key, context, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>Asks the service about <see cref="Kek" />: for <c>status</c>, <c>doctor</c> and health checks, never on the way of a value.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What the service says. By default nothing but the KEK's name is known.</returns>
    /// <exception cref="KmsException">The service refused, or could not serve, the request.</exception>
    ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default) => new(new KekDescription(Kek, KekState.Unknown));
}
