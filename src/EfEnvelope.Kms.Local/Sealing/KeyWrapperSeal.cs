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

    internal override async ValueTask<string> NewParametersAsync(CancellationToken cancellationToken)
    {
        var key = RandomNumberGenerator.GetBytes(SealedBytes.KeySize);
        try
        {
            var wrapped = await _wrapper.WrapAsync(key, Context, cancellationToken).ConfigureAwait(false);
            return new JsonObject { ["wrapped"] = JsonNode.Parse(new WrappedKey(wrapped).ToString()) }.ToJsonString();
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    internal override async ValueTask<bool> TryDeriveKeyAsync(string parameters, string store, Memory<byte> key, CancellationToken cancellationToken)
    {
        byte[] opened;
        try
        {
            var wrapped = Read(parameters, store);
            if (wrapped.Kek.Scheme != _wrapper.Kek.Scheme)
                return false;
            opened = await _wrapper.UnwrapAsync(wrapped, Context, cancellationToken).ConfigureAwait(false);
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
