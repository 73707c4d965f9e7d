namespace EfEnvelope.Kms;

/// <summary>
/// The seam to a key management service: wraps and unwraps keys under one key-encryption key (KEK) that never leaves its
/// service.
/// </summary>
/// <remarks>
/// Implementations are safe for concurrent use and throw only <see cref="KmsException" /> and
/// <see cref="OperationCanceledException" />. They are never called while a value is encrypted or decrypted, only when a key
/// ring is loaded.
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
}
