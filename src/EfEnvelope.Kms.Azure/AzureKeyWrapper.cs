using System.Security.Cryptography;
using System.Text.Json;
using Azure;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Azure;

/// <summary>One key of Key Vault or Managed HSM as the seam sees it.</summary>
internal sealed class AzureKeyWrapper(
    AzureKeyId key, AzureKeyVaultOptions options, KeyVaultClient? vault, IKeyVaultCryptoTransport? transport, TimeProvider time, ILogger logger)
    : IKeyWrapper, IDisposable
{
    //  +-----------+-------------------------------------------------------+
    //  | 01        | RSA-OAEP-256: what the service returned               |   the plaintext is the key bound to its context: see BoundKey
    //  +-----------+-------------------------------------------------------+
    //  | 02        | A256GCM: initialization vector (12), ciphertext, tag (16) |   the context is its associated data
    //  +-----------+-------------------------------------------------------+
    // The service's own bytes say neither algorithm nor key. It must never change: stored keys are wrapped like this.
    private const string RsaOaep256 = "RSA-OAEP-256";
    private const string A256Gcm = "A256GCM";
    private const int IvSize = 12;
    private const int TagSize = 16;
    private const int LongestCiphertext = 2048;

    private readonly AzureKeyVaultAlgorithm _algorithm
        = options.Algorithm ?? (key.IsManagedHsm && vault is not null ? AzureKeyVaultAlgorithm.A256Gcm : AzureKeyVaultAlgorithm.RsaOaep256);

    private readonly KmsRetry _retry = new(options.Timeout, options.MaxRetries, time);

    public KekUri Kek { get; } = key.Kek;

    public async ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        WrappableKey.Require(Kek, key);
        var (kid, ciphertext) = _algorithm == AzureKeyVaultAlgorithm.A256Gcm
            ? await EncryptAsync(key, context, cancellationToken).ConfigureAwait(false)
            : await WrapBoundAsync(key, context, cancellationToken).ConfigureAwait(false);
        var version = AzureKeyId.VersionOf(kid)
            ?? throw new KmsException(KmsErrorKind.InvalidRequest, vault is null ? AzureMessages.NoVersionFromTransport(Kek) : AzureMessages.UnknownAnswer(Kek, null));
        logger.KekCalled("wrap", Kek, version);
        return new WrappedKeyCopy(Kek, version, (byte[])[(byte)_algorithm, .. ciphertext]);
    }

    // Under the key and the version that are named in the copy: the service would take the newest version for a missing one. Since a token goes there,
    // only to a vault that was configured.
    public async ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        if (wrapped.Kek.Scheme != AzureKeyId.Scheme || !AzureKeyId.TryParse(wrapped.Kek.Key, out var named))
            throw new KmsException(KmsErrorKind.WrongKey, AzureMessages.ForeignKek(wrapped.Kek));
        if (!named.IsAllowedBy(key, options.OtherVaultHosts))
            throw new KmsException(KmsErrorKind.WrongKey, AzureMessages.ForeignVault(wrapped.Kek, Kek));
        if (!AzureKeyId.IsVersion(wrapped.KekVersion))
            throw new KmsException(KmsErrorKind.InvalidCiphertext, AzureMessages.NoVersion(wrapped.Kek));
        if (wrapped.Ciphertext.Length is < 2 or > LongestCiphertext)
            throw Refused(wrapped);
        var opened = (AzureKeyVaultAlgorithm)wrapped.Ciphertext.Span[0] switch
        {
            AzureKeyVaultAlgorithm.RsaOaep256 => await UnwrapBoundAsync(named, wrapped, context, cancellationToken).ConfigureAwait(false),
            AzureKeyVaultAlgorithm.A256Gcm => await DecryptAsync(named, wrapped, context, cancellationToken).ConfigureAwait(false),
            _ => throw Refused(wrapped),
        };
        logger.KekCalled("unwrap", wrapped.Kek, wrapped.KekVersion);
        return opened;
    }

    public async ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default)
    {
        if (vault is null)
            return new KekDescription(Kek, KekState.Unknown);
        using var json = await RunAsync("get", Kek, token => vault.GetAsync(key, time, token), cancellationToken).ConfigureAwait(false);
        try
        {
            var (bundle, attributes) = (json.RootElement.GetProperty("key"), json.RootElement.GetProperty("attributes"));
            var now = time.GetUtcNow();
            var usable = attributes.GetProperty("enabled").GetBoolean() && !(TimeOf(attributes, "nbf") > now) && !(TimeOf(attributes, "exp") <= now);
            return new KekDescription(Kek, usable ? KekState.Enabled : KekState.Disabled)
            {
                PrimaryVersion = AzureKeyId.VersionOf(bundle.GetProperty("kid").GetString()),
                Protection = bundle.GetProperty("kty").GetString(),
                CreatedAt = TimeOf(attributes, "created"),
            };
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException)
        {
            throw new KmsException(KmsErrorKind.Unavailable, AzureMessages.UnknownAnswer(Kek, null));
        }
    }

    public void Dispose() => vault?.Dispose();

    public override string ToString() => $"AzureKeyWrapper({Kek})";

    private static DateTimeOffset? TimeOf(JsonElement attributes, string name)
        => attributes.TryGetProperty(name, out var value) && value.TryGetInt64(out var seconds) ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;

    private static KmsException Refused(WrappedKeyCopy wrapped) => new(KmsErrorKind.InvalidCiphertext, AzureMessages.Refused(wrapped.Kek));

    private async ValueTask<(string? Kid, byte[] Ciphertext)> WrapBoundAsync(ReadOnlyMemory<byte> plaintext, EncryptionContext context, CancellationToken cancellationToken)
    {
        var bound = BoundKey.Join(plaintext.Span, context);
        try
        {
            if (vault is not null)
            {
                var answer = await SendAsync(key, version: null, "wrapkey", KeyOperation.Write(RsaOaep256, bound), cancellationToken).ConfigureAwait(false);
                return (answer.Kid, answer.Value);
            }

            var result = await RunAsync(
                "wrapkey", Kek, async token => await transport!.WrapKeyAsync(UriOf(key, null), RsaOaep256, bound, token).ConfigureAwait(false), cancellationToken)
                .ConfigureAwait(false);
            return (result.KeyId, result.EncryptedKey.ToArray());
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bound);
        }
    }

    private async ValueTask<byte[]> UnwrapBoundAsync(AzureKeyId named, WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken)
    {
        var ciphertext = wrapped.Ciphertext[1..].ToArray();
        var bound = vault is not null
            ? (await SendAsync(named, wrapped.KekVersion, "unwrapkey", KeyOperation.Write(RsaOaep256, ciphertext), cancellationToken).ConfigureAwait(false)).Value
            : await RunAsync(
                "unwrapkey",
                wrapped.Kek,
                async token => await transport!.UnwrapKeyAsync(UriOf(named, wrapped.KekVersion), RsaOaep256, ciphertext, token).ConfigureAwait(false),
                cancellationToken).ConfigureAwait(false);
        return BoundKey.TrySplit(bound, context, out var opened) ? opened : throw Refused(wrapped);
    }

    private async ValueTask<(string? Kid, byte[] Ciphertext)> EncryptAsync(ReadOnlyMemory<byte> plaintext, EncryptionContext context, CancellationToken cancellationToken)
    {
        var body = KeyOperation.Write(A256Gcm, plaintext.Span, aad: context.AssociatedData.Span);
        var answer = await SendAsync(key, version: null, "encrypt", body, cancellationToken).ConfigureAwait(false);
        return answer is { Iv.Length: IvSize, Tag.Length: TagSize }
            ? (answer.Kid, [.. answer.Iv, .. answer.Value, .. answer.Tag])
            : throw new KmsException(KmsErrorKind.Unavailable, AzureMessages.UnknownAnswer(Kek, null));
    }

    private async ValueTask<byte[]> DecryptAsync(AzureKeyId named, WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken)
    {
        if (vault is null)
            throw new KmsException(KmsErrorKind.InvalidRequest, AzureMessages.AlgorithmNeedsOwnPipeline(wrapped.Kek));
        var bytes = wrapped.Ciphertext[1..];
        if (bytes.Length <= IvSize + TagSize)
            throw Refused(wrapped);
        var body = KeyOperation.Write(
            A256Gcm, bytes.Span[IvSize..^TagSize], bytes.Span[..IvSize], bytes.Span[^TagSize..], context.AssociatedData.Span);
        return (await SendAsync(named, wrapped.KekVersion, "decrypt", body, cancellationToken).ConfigureAwait(false)).Value;
    }

    private async ValueTask<KeyOperationAnswer> SendAsync(AzureKeyId named, string? version, string operation, byte[] body, CancellationToken cancellationToken)
    {
        try
        {
            return await RunAsync(operation, named.Kek, token => vault!.RunAsync(named, version, operation, body, time, token), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(body);
        }
    }

    // A client of the caller's own retries by itself: it is asked once.
    private async ValueTask<T> RunAsync<T>(string operation, KekUri kek, Func<CancellationToken, ValueTask<T>> attempt, CancellationToken cancellationToken)
    {
        try
        {
            if (vault is null)
                return await attempt(cancellationToken).ConfigureAwait(false);
            var tokens = vault.Tokens;
            return await _retry.RunAsync(
                kek,
                attempt,
                _ =>
                {
                    logger.CredentialsRenewed(kek);
                    vault.DropTokens(tokens);
                    return ValueTask.CompletedTask;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            var failure = FailureOf(operation, kek, e);
            logger.KekCallFailed(operation, kek, failure.Kind, failure.Message);
            if (ReferenceEquals(failure, e))
                throw;
            throw failure;
        }
    }

    private KmsException FailureOf(string operation, KekUri kek, Exception e)
        => e switch
        {
            KmsException known => known,
            RequestFailedException refused => AzureErrors.Of(operation, kek, refused, time),
            AggregateException { InnerExceptions: [.., RequestFailedException refused] } => AzureErrors.Of(operation, kek, refused, time),
            OperationCanceledException or TimeoutException => new KmsException(KmsErrorKind.Timeout, AzureMessages.TimedOut(kek, null), e),
            HttpRequestException or IOException => new KmsException(KmsErrorKind.Unavailable, AzureMessages.Unavailable(kek, null, null), e),
            _ => new KmsException(KmsErrorKind.InvalidRequest, AzureMessages.InvalidRequest(kek, null, null), e),
        };

    private static Uri UriOf(AzureKeyId named, string? version) => new($"https://{named}{(version is null ? "" : $"/{version}")}");
}
