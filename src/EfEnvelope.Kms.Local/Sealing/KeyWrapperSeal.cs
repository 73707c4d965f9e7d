using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>A KEK of another KMS, or of a PKCS#11 token: it wraps a random key that seals the root key.</summary>
internal sealed class KeyWrapperSeal : LocalKmsSeal
{
    private static readonly EncryptionContext Context = new([new("type", "efenvelope-local-seal")]);

    private readonly IKeyWrapper _wrapper;

    public KeyWrapperSeal(IKeyWrapper wrapper)
    {
        ArgumentNullException.ThrowIfNull(wrapper);
        _wrapper = wrapper;
    }

    internal override string Kind => "key-wrapper";

    public override bool Equals(object? obj) => obj is KeyWrapperSeal other && other._wrapper.Equals(_wrapper);

    public override int GetHashCode() => _wrapper.GetHashCode();

    public override string ToString() => $"LocalKmsSeal(KEK '{_wrapper.Kek}')";

    internal override async ValueTask<string> NewParametersAsync(bool synchronous, CancellationToken cancellationToken)
    {
        var key = RandomNumberGenerator.GetBytes(SealedBytes.KeySize);
        try
        {
            var wrapped = await AskAsync(
                () => synchronous ? new(_wrapper.Wrap(key, Context, cancellationToken)) : _wrapper.WrapAsync(key, Context, cancellationToken),
                cancellationToken).ConfigureAwait(false);
            return new JsonObject { ["wrapped"] = JsonNode.Parse(new WrappedKey(wrapped).ToString()) }.ToJsonString();
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    internal override async ValueTask<bool> TryDeriveKeyAsync(
        string parameters, string store, Memory<byte> key, bool synchronous, CancellationToken cancellationToken)
    {
        byte[] opened;
        try
        {
            var wrapped = Read(parameters, store);
            if (wrapped.Kek.Scheme != _wrapper.Kek.Scheme)
                return false;
            opened = await AskAsync(
                () => synchronous ? new(_wrapper.Unwrap(wrapped, Context, cancellationToken)) : _wrapper.UnwrapAsync(wrapped, Context, cancellationToken),
                cancellationToken).ConfigureAwait(false);
        }
        catch (KmsException e) when (e.Kind is KmsErrorKind.InvalidCiphertext or KmsErrorKind.WrongKey or KmsErrorKind.NotFound or KmsErrorKind.NotFoundOrDenied)
        {
            // Perhaps the row of another seal of this kind.
            return false;
        }

        var fits = opened.Length == key.Length;
        if (fits)
            opened.CopyTo(key);
        CryptographicOperations.ZeroMemory(opened);
        return fits;
    }

    internal override KmsException DoesNotOpen(string store)
        => new(KmsErrorKind.Unauthenticated, LocalKmsMessages.WrongKeyWrapper(store, _wrapper.Kek));

    // A wrapper may end a request by a time-out of its own, as 'HttpClient' does: that is not a cancelled call.
    private async ValueTask<T> AskAsync<T>(Func<ValueTask<T>> ask, CancellationToken cancellationToken)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or TimeoutException && !cancellationToken.IsCancellationRequested)
        {
            throw new KmsException(KmsErrorKind.Timeout, LocalKmsMessages.SealGaveUp(_wrapper.Kek), e);
        }
    }

    private static WrappedKeyCopy Read(string parameters, string store)
    {
        try
        {
            return WrappedKey.Parse(JsonNode.Parse(parameters)!["wrapped"]!.ToJsonString()).Copies[0];
        }
        catch (Exception e) when (e is FormatException or JsonException or NullReferenceException or InvalidOperationException)
        {
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(store));
        }
    }
}
