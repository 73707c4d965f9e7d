using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Vault;

/// <summary>One transit key as the seam sees it. The key is made here and encrypted there, bound to its context as associated data.</summary>
/// <remarks>
/// It never asks the engine to rewrap: that knows no associated data, and answers that the key was altered. So a key is unwrapped and wrapped again.
/// </remarks>
internal sealed class VaultKeyWrapper : IKeyWrapper, IDisposable, IAsyncDisposable
{

    private readonly VaultKeyName _name;
    private readonly VaultHttp _http;
    private readonly VaultSession _session;
    private readonly KmsRetry _retry;
    private readonly ILogger _logger;

    public VaultKeyWrapper(string keyName, IVaultTokenSource tokens, VaultTransitOptions options, TimeProvider time, ILogger logger)
    {
        _name = new VaultKeyName(options.Mount, keyName);
        Kek = _name.ToKekUri();
        _logger = logger;
        _http = new VaultHttp(options, time, logger);
        _session = new VaultSession(tokens, _http, Kek, time, logger);
        _retry = new KmsRetry(options.Timeout, options.MaxRetries, time);
    }

    public KekUri Kek { get; }

    public async ValueTask<WrappedKeyCopy> WrapAsync(
        ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        WrappableKey.Require(Kek, key);
        // To encrypt under a key that does not exist makes it, if the token's policy allows 'create'. So the key is looked at first.
        (await ReadKeyAsync(cancellationToken).ConfigureAwait(false)).Require(Kek);
        var (ciphertext, version) = await AskAsync(
            Kek, HttpMethod.Post, _name.EncryptPath, "update",
            () => JsonSerializer.SerializeToUtf8Bytes(new EncryptBody(key, context.AssociatedData), VaultJson.Default.EncryptBody),
            data =>
            {
                var bytes = Encoding.ASCII.GetBytes(data.GetProperty("ciphertext").GetString()!);
                return VaultCiphertext.TryParse(bytes, out _, out var number) ? (bytes, number) : throw new FormatException();
            },
            cancellationToken).ConfigureAwait(false);
        VaultLog.KeyWrapped(_logger, version, Kek);
        return new WrappedKeyCopy(Kek, version, ciphertext);
    }

    public async ValueTask<byte[]> UnwrapAsync(
        WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(wrapped);
        ArgumentNullException.ThrowIfNull(context);
        if (!VaultKeyName.TryParse(wrapped.Kek, out var name))
            throw new KmsException(KmsErrorKind.WrongKey, VaultMessages.ForeignKek(wrapped.Kek));
        if (!VaultCiphertext.TryParse(wrapped.Ciphertext.Span, out var text, out var version) || (wrapped.KekVersion ?? version) != version)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, VaultMessages.WrappedKeyRefused(wrapped.Kek));
        var key = await AskAsync(
            wrapped.Kek, HttpMethod.Post, name.Value.DecryptPath, "update",
            () => JsonSerializer.SerializeToUtf8Bytes(new DecryptBody(text, context.AssociatedData), VaultJson.Default.DecryptBody),
            data => data.GetProperty("plaintext").GetBytesFromBase64(),
            cancellationToken).ConfigureAwait(false);
        VaultLog.KeyUnwrapped(_logger, version, wrapped.Kek);
        return key;
    }

    public async ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default)
        => (await ReadKeyAsync(cancellationToken).ConfigureAwait(false)).ToDescription(Kek);

    public void Dispose()
    {
        _session.Dispose();
        _http.Dispose();
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    public override string ToString() => $"VaultKeyWrapper({Kek})";

    private ValueTask<VaultKey> ReadKeyAsync(CancellationToken cancellationToken)
        => AskAsync(Kek, HttpMethod.Get, _name.KeyPath, "read", null, VaultKey.Read, cancellationToken);

    private ValueTask<T> AskAsync<T>(
        KekUri kek, HttpMethod method, string path, string capability, Func<byte[]>? body, Func<JsonElement, T> read, CancellationToken cancellationToken)
    {
        string? token = null;
        KmsException? refusal = null;
        var replaced = false;
        return _retry.RunAsync(kek, AttemptAsync, ReplaceTokenAsync, cancellationToken);

        async ValueTask<T> AttemptAsync(CancellationToken cancellation)
        {
            try
            {
                token = null;
                token = await _session.GetTokenAsync(cancellation).ConfigureAwait(false);
            }
            catch (KmsException e)
            {
                refusal = e;
                throw;
            }

            var answer = await _http.SendAsync(method, path, token, body?.Invoke(), cancellation).ConfigureAwait(false);
            if (VaultErrors.IsRefusal(answer.Status, answer.Body))
            {
                refusal = new KmsException(KmsErrorKind.AccessDenied, VaultMessages.Denied(kek, path, capability));
                throw replaced ? refusal : new KmsException(KmsErrorKind.Unauthenticated, refusal.Message);
            }

            return Read(answer, kek, read);
        }

        async ValueTask ReplaceTokenAsync(CancellationToken cancellation)
        {
            replaced = true;
            if (token is null || !await _session.ReplaceAsync(token, cancellation).ConfigureAwait(false))
                throw refusal!;
        }
    }

    private static T Read<T>(VaultAnswer answer, KekUri kek, Func<JsonElement, T> read)
    {
        try
        {
            if (!answer.IsSuccess)
                throw answer.ToKmsException(kek);
            using var json = JsonDocument.Parse(answer.Body);
            return read(json.RootElement.GetProperty("data"));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            // Without the cause: it may repeat what it could not read.
            throw new KmsException(KmsErrorKind.Unavailable, VaultMessages.NotVault(kek));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(answer.Body);
        }
    }
}
