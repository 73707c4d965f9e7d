using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Keks;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local;

// What keys do.
public sealed partial class LocalKms
{
    /// <summary>Wraps a key under the primary version of a KEK, which must exist.</summary>
    /// <param name="name">The KEK, or its alias.</param>
    /// <param name="key">The plaintext key, 16 to 64 bytes.</param>
    /// <param name="context">Pairs that are bound to the wrapped key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The wrapped key, 49 bytes longer than the key, with the KEK's version in decimal.</returns>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.InvalidRequest" />: the length of the key, or the key is not for wrapping. <see cref="KmsErrorKind.Disabled" />: the KEK is disabled.
    /// </exception>
    public Task<WrappedKeyCopy> WrapAsync(
        string name, ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => WrapAsync(LocalKmsOperation.Wrap, name, key, context, create: false, cancellationToken);

    /// <summary>Unwraps a key under the KEK and version that wrapped it. Never creates a store or a key.</summary>
    /// <param name="wrapped">What was returned when it was wrapped.</param>
    /// <param name="context">The same pairs that were given then.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The plaintext key. The caller owns the array and zeroes it.</returns>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.InvalidCiphertext" />: the wrapped key was altered or the context differs.
    /// <see cref="KmsErrorKind.WrongKey" />: it was wrapped by another key than the one of that name in this store.
    /// <see cref="KmsErrorKind.Disabled" />: the KEK is disabled.
    /// </exception>
    public Task<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => UnwrapAsync(LocalKmsOperation.Unwrap, wrapped, context, cancellationToken);

    /// <summary>Wraps a key anew, under the primary version of a KEK, without handing it out.</summary>
    /// <param name="name">The KEK that wraps it from now on, or its alias.</param>
    /// <param name="wrapped">What was returned when it was wrapped, under the same KEK or another one of this KMS.</param>
    /// <param name="context">The same pairs that were given then.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The same key, wrapped.</returns>
    /// <remarks>
    /// Both KEKs must be enabled. The caller must be allowed to rewrap under both, and also to unwrap under the former one and to wrap under the new one:
    /// who wraps a key under a KEK of his own can unwrap it there.
    /// </remarks>
    /// <exception cref="KmsException">As from <see cref="UnwrapAsync(WrappedKeyCopy, EncryptionContext, CancellationToken)" />.</exception>
    public async Task<WrappedKeyCopy> RewrapAsync(
        string name, WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        KekName.Validate(name);
        var key = await UnwrapAsync(LocalKmsOperation.Rewrap, wrapped, context, cancellationToken, LocalKmsOperation.Unwrap).ConfigureAwait(false);
        try
        {
            return await WrapAsync(LocalKmsOperation.Rewrap, name, key, context, create: false, cancellationToken, LocalKmsOperation.Wrap)
                .ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>Makes a data key and wraps it.</summary>
    /// <param name="name">The KEK, or its alias.</param>
    /// <param name="context">Pairs that are bound to the wrapped key.</param>
    /// <param name="length">The length of the data key in bytes, 16 to 64.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The data key, plain and wrapped.</returns>
    public async Task<LocalKmsDataKey> GenerateDataKeyAsync(
        string name, EncryptionContext context, int length = 32, CancellationToken cancellationToken = default)
    {
        if (length is < WrappedBytes.MinimumKeySize or > WrappedBytes.MaximumKeySize)
            throw new ArgumentOutOfRangeException(nameof(length), length, LocalKmsMessages.DataKeyLength(length));
        var key = RandomNumberGenerator.GetBytes(length);
        try
        {
            return new LocalKmsDataKey(
                key, await WrapAsync(LocalKmsOperation.GenerateDataKey, name, key, context, create: false, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            CryptographicOperations.ZeroMemory(key);
            throw;
        }
    }

    /// <summary>Encrypts a small value with AES-256-GCM under the primary version of a KEK.</summary>
    /// <param name="name">The KEK, or its alias.</param>
    /// <param name="plaintext">The value, up to 4,096 bytes.</param>
    /// <param name="context">Pairs that are bound to the ciphertext.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The ciphertext, 49 bytes longer than the value. It names the key and its version.</returns>
    public async Task<byte[]> EncryptAsync(
        string name, ReadOnlyMemory<byte> plaintext, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        KekName.Validate(name);
        ArgumentNullException.ThrowIfNull(context);
        if (plaintext.Length > WrappedBytes.MaximumPlaintextSize)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.PlaintextLength(plaintext.Length));
        return (await _gate.ReadAsync(
            Call(LocalKmsOperation.Encrypt, name, context),
            (db, root, subject, token) => _keys.Wrapping.TryEncryptAsync(db, root, subject, name, plaintext, context, token),
            cancellationToken).ConfigureAwait(false))!;
    }

    /// <summary>Decrypts what <see cref="EncryptAsync" /> returned.</summary>
    /// <param name="name">The KEK that encrypted it, or the alias behind which it did.</param>
    /// <param name="ciphertext">The ciphertext.</param>
    /// <param name="context">The same pairs that were given then.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The value. The caller owns the array.</returns>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.InvalidCiphertext" />: the ciphertext was altered or the context differs. <see cref="KmsErrorKind.WrongKey" />: another key made it.
    /// </exception>
    public Task<byte[]> DecryptAsync(
        string name, ReadOnlyMemory<byte> ciphertext, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        KekName.Validate(name);
        ArgumentNullException.ThrowIfNull(context);
        return _gate.ReadAsync(
            Call(LocalKmsOperation.Decrypt, KekWrapping.ReferenceOf(name, ciphertext.Span), context),
            (db, root, subject, token) => _keys.Wrapping.DecryptAsync(db, root, subject, name, ciphertext, context, token),
            cancellationToken);
    }

    /// <summary>Signs data by the primary version of a signing key.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="data">The data itself, of any length; it is hashed here.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The signature, with the key and the version that made it.</returns>
    public Task<LocalKmsSignature> SignAsync(string name, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
        => SignAsync(LocalKmsOperation.Sign, name, KeyPurposes.Sign, data, cancellationToken);

    /// <summary>Verifies a signature. The key and the version must be enabled; who has the public key can verify without them.</summary>
    /// <param name="data">The data itself.</param>
    /// <param name="signature">What <see cref="SignAsync(string, ReadOnlyMemory{byte}, CancellationToken)" /> returned.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>Whether that key and version made the signature over that data.</returns>
    public Task<bool> VerifyAsync(ReadOnlyMemory<byte> data, LocalKmsSignature signature, CancellationToken cancellationToken = default)
        => VerifyAsync(LocalKmsOperation.Verify, KeyPurposes.Sign, data, signature, cancellationToken);

    /// <summary>Makes a message authentication code, HMAC-SHA256, by the primary version of a MAC key.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="data">The data, of any length.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The code, with the key and the version that made it.</returns>
    public Task<LocalKmsSignature> GenerateMacAsync(string name, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
        => SignAsync(LocalKmsOperation.GenerateMac, name, KeyPurposes.Mac, data, cancellationToken);

    /// <summary>Verifies a message authentication code, in constant time.</summary>
    /// <param name="data">The data.</param>
    /// <param name="mac">What <see cref="GenerateMacAsync" /> returned.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>Whether that key and version made the code over that data.</returns>
    public Task<bool> VerifyMacAsync(ReadOnlyMemory<byte> data, LocalKmsSignature mac, CancellationToken cancellationToken = default)
        => VerifyAsync(LocalKmsOperation.VerifyMac, KeyPurposes.Mac, data, mac, cancellationToken);

    /// <summary>Returns the public key of a signing key.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="version">The version; <see langword="null" /> for the primary.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The public key.</returns>
    public Task<LocalKmsPublicKey> GetPublicKeyAsync(string name, int? version = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _gate.ReadAsync(
            Call(LocalKmsOperation.GetPublicKey, name),
            (db, root, subject, token) => _keys.Signing.GetPublicKeyAsync(db, root, subject, name, version, token),
            cancellationToken);
    }

    internal async Task<WrappedKeyCopy> WrapAsync(
        LocalKmsOperation operation,
        string name,
        ReadOnlyMemory<byte> key,
        EncryptionContext context,
        bool create,
        CancellationToken cancellationToken,
        LocalKmsOperation? needsAlso = null)
    {
        KekName.Validate(name);
        ArgumentNullException.ThrowIfNull(context);
        if (key.Length is < WrappedBytes.MinimumKeySize or > WrappedBytes.MaximumKeySize)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyLength(key.Length));
        if (create)
            await OpenAsync(create: true, cancellationToken).ConfigureAwait(false);
        var call = Call(operation, name, context);
        var wrapped = await TryWrapAsync(throwing: !create).ConfigureAwait(false);
        if (wrapped is null)
        {
            await CreateKeyAsync(name, cancellationToken).ConfigureAwait(false);
            wrapped = await TryWrapAsync(throwing: true).ConfigureAwait(false);
        }

        return wrapped!;

        Task<WrappedKeyCopy?> TryWrapAsync(bool throwing) => _gate.ReadAsync(
            call,
            async (db, root, subject, token) =>
            {
                await CheckAlsoAsync(db, root, call, subject, needsAlso, token).ConfigureAwait(false);
                var copy = await _keys.Wrapping.TryWrapAsync(db, root, subject, name, key, context, token).ConfigureAwait(false);
                if (copy is not null || subject.NeedsWrite)
                    return copy;
                if (throwing)
                    throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoKey(StoreName, name));
                subject.Detail = "no such key yet";
                return null;
            },
            cancellationToken);
    }

    private Task<byte[]> UnwrapAsync(
        LocalKmsOperation operation,
        WrappedKeyCopy wrapped,
        EncryptionContext context,
        CancellationToken cancellationToken,
        LocalKmsOperation? needsAlso = null)
    {
        ArgumentNullException.ThrowIfNull(wrapped);
        ArgumentNullException.ThrowIfNull(context);
        if (!KekName.TryGet(wrapped.Kek, out var name))
            throw new KmsException(KmsErrorKind.WrongKey, LocalKmsMessages.ForeignKek(wrapped.Kek.ToString()));
        var call = Call(operation, KekWrapping.ReferenceOf(name, wrapped.Ciphertext.Span), context);
        return _gate.ReadAsync(
            call,
            async (db, root, subject, token) =>
            {
                await CheckAlsoAsync(db, root, call, subject, needsAlso, token).ConfigureAwait(false);
                return await _keys.Wrapping.UnwrapAsync(db, root, subject, name, wrapped, context, token).ConfigureAwait(false);
            },
            cancellationToken);
    }

    private Task<LocalKmsSignature> SignAsync(
        LocalKmsOperation operation, string name, string purpose, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _gate.ReadAsync(
            Call(operation, name),
            (db, root, subject, token) => _keys.Signing.SignAsync(db, root, subject, name, purpose, data, token),
            cancellationToken);
    }

    private Task<bool> VerifyAsync(
        LocalKmsOperation operation, string purpose, ReadOnlyMemory<byte> data, LocalKmsSignature signature, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(signature);
        return _gate.ReadAsync(
            Call(operation, signature.Key),
            (db, root, subject, token) => _keys.Signing.VerifyAsync(db, root, subject, purpose, data, signature, token),
            cancellationToken);
    }
}
