using System.Security.Cryptography;
using Amazon.KeyManagementService;
using Amazon.KeyManagementService.Model;
using Amazon.Runtime;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Aws;

/// <summary>One key of AWS KMS as the seam sees it. The encryption context is the service's own.</summary>
internal sealed class AwsKeyWrapper(AwsKeyId key, AwsConnection connection, ILogger logger) : IKeyWrapper, IDisposable
{
    // The service takes no longer one; a symmetric key's of 64 bytes is below 300.
    private const int LongestCiphertext = 6144;

    private readonly AwsConnection _connection = connection;

    public KekUri Kek { get; } = key.Kek;

    private IAmazonKeyManagementService Client => _connection.Client;

    // Encrypt does not tell which key material it used, Decrypt does. The second call needs no permission that unwrapping does not need anyway, cannot
    // name a material that was rotated away in between, and proves that the copy opens.
    public async ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        WrappableKey.Require(Kek, key);
        var plaintext = key.ToArray();
        try
        {
            var encrypted = await CallAsync(
                "Encrypt",
                [Kek.Key],
                token => Client.EncryptAsync(
                    new EncryptRequest { KeyId = Kek.Key, Plaintext = new MemoryStream(plaintext), EncryptionContext = PairsOf(context) }, token),
                cancellationToken).ConfigureAwait(false);
            var ciphertext = Filled(encrypted.CiphertextBlob);
            var decrypted = await DecryptAsync(encrypted.KeyId ?? Kek.Key, ciphertext, context, cancellationToken).ConfigureAwait(false);
            var opened = TakeKey(decrypted);
            var verified = CryptographicOperations.FixedTimeEquals(opened, plaintext);
            CryptographicOperations.ZeroMemory(opened);
            if (!verified)
                throw new KmsException(KmsErrorKind.Unavailable, AwsKmsMessages.NotVerified(Kek.ToString()));
            var version = AwsKeyId.VersionOf(decrypted.KeyId ?? encrypted.KeyId ?? Kek.Key, decrypted.KeyMaterialId);
            logger.KekCalled("Encrypt", Kek, version);
            return new WrappedKeyCopy(Kek, version, ciphertext);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plaintext);
        }
    }

    // Under the key that is named in the copy, which may be another one of the same service. It is always sent: without it the service would open
    // whatever any key that the caller may use has wrapped.
    public async ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        var keyId = Require(wrapped);
        var decrypted = await DecryptAsync(keyId, wrapped.Ciphertext.ToArray(), context, cancellationToken).ConfigureAwait(false);
        logger.KekCalled("Decrypt", wrapped.Kek, wrapped.KekVersion);
        return TakeKey(decrypted);
    }

    // Inside the service: the key does not come out.
    public async ValueTask<WrappedKeyCopy> RewrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        var source = Require(wrapped);
        var pairs = PairsOf(context);
        var ciphertext = wrapped.Ciphertext.ToArray();
        var answer = await CallAsync(
            "ReEncrypt",
            source == Kek.Key ? [source] : [source, Kek.Key],
            token => Client.ReEncryptAsync(
                new ReEncryptRequest
                {
                    CiphertextBlob = new MemoryStream(ciphertext),
                    SourceKeyId = source,
                    SourceEncryptionContext = pairs,
                    DestinationKeyId = Kek.Key,
                    DestinationEncryptionContext = pairs,
                },
                token),
            cancellationToken).ConfigureAwait(false);
        var version = AwsKeyId.VersionOf(answer.KeyId ?? Kek.Key, answer.DestinationKeyMaterialId);
        logger.KekCalled("ReEncrypt", Kek, version);
        return new WrappedKeyCopy(Kek, version, Filled(answer.CiphertextBlob));
    }

    public async ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default)
    {
        var answer = await CallAsync("DescribeKey", [Kek.Key], token => DescribeAsync(Kek.Key, token), cancellationToken).ConfigureAwait(false);
        var metadata = answer.KeyMetadata ?? throw NotUnderstood();
        var version = AwsKeyId.VersionOf(metadata.Arn ?? metadata.KeyId ?? Kek.Key, metadata.CurrentKeyMaterialId);
        logger.KekCalled("DescribeKey", Kek, version);
        return new KekDescription(Kek, StateOf(metadata.KeyState))
        {
            PrimaryVersion = version,
            Protection = metadata.Origin?.Value,
            CreatedAt = metadata.CreationDate is { } created ? new DateTimeOffset(created.ToUniversalTime()) : null,
            DeletionAt = metadata.DeletionDate is { } deleted ? new DateTimeOffset(deleted.ToUniversalTime()) : null,
        };
    }

    public void Dispose() => _connection.Dispose();

    public override string ToString() => $"AwsKeyWrapper({Kek})";

    private static KekState StateOf(KeyState? state)
        => state?.Value switch
        {
            "Enabled" or "Updating" => KekState.Enabled,
            "PendingDeletion" or "PendingReplicaDeletion" => KekState.PendingDeletion,
            null => KekState.Unknown,
            _ => KekState.Disabled,
        };

    // A context without pairs is left out: the service binds both alike, and refuses an empty map from nobody.
    private static Dictionary<string, string>? PairsOf(EncryptionContext context)
        => context.Pairs.Count == 0 ? null : new Dictionary<string, string>(context.Pairs, StringComparer.Ordinal);

    // What answers with success and without its fields is something else than the service.
    private KmsException NotUnderstood() => new(KmsErrorKind.Unavailable, AwsKmsMessages.NotUnderstood(Kek.ToString()));

    private byte[] Filled(MemoryStream? stream) => stream is { Length: > 0 } ? stream.ToArray() : throw NotUnderstood();

    private byte[] TakeKey(DecryptResponse answer)
    {
        if (answer.Plaintext is not { Length: > 0 } stream)
            throw NotUnderstood();
        var bytes = stream.ToArray();
        stream.Position = 0;
        stream.Write(new byte[bytes.Length]);
        return bytes;
    }

    private string Require(WrappedKeyCopy wrapped)
    {
        if (wrapped.Kek.Scheme != AwsKeyId.Scheme || !AwsKeyId.TryParse(wrapped.Kek.Key, out var named))
            throw new KmsException(KmsErrorKind.WrongKey, AwsKmsMessages.ForeignKek(wrapped.Kek));
        if (named.Region is { } region && _connection.Region is { } own && region != own && !named.IsReplicaOf(key))
            throw new KmsException(KmsErrorKind.WrongKey, AwsKmsMessages.ForeignRegion(wrapped.Kek, region, own));
        if (wrapped.Ciphertext.Length is 0 or > LongestCiphertext)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, AwsKmsMessages.Refused(wrapped.Kek.ToString()));
        return named.ForUnwrap(wrapped.KekVersion, key);
    }

    private Task<DecryptResponse> DecryptAsync(string keyId, byte[] ciphertext, EncryptionContext context, CancellationToken cancellationToken)
        => CallAsync(
            "Decrypt",
            [keyId],
            token => Client.DecryptAsync(
                new DecryptRequest { KeyId = keyId, CiphertextBlob = new MemoryStream(ciphertext), EncryptionContext = PairsOf(context) }, token),
            cancellationToken);

    private Task<DescribeKeyResponse> DescribeAsync(string keyId, CancellationToken cancellationToken)
        => Client.DescribeKeyAsync(new DescribeKeyRequest { KeyId = keyId }, cancellationToken);

    // The SDK sends again what was throttled or failed; only credentials that were refused are had anew here, once.
    private async Task<T> CallAsync<T>(string operation, string[] keys, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        for (var renewed = false; ; renewed = true)
        {
            var generation = _connection.Generation;
            try
            {
                return await call(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception) when (cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException(cancellationToken);
            }
            catch (Exception e)
            {
                var failure = await FailureOfAsync(operation, keys, e, cancellationToken).ConfigureAwait(false);
                if (renewed || failure.Kind != KmsErrorKind.Unauthenticated || !await _connection.RenewAsync(generation, cancellationToken).ConfigureAwait(false))
                    throw failure;
                logger.CredentialsRenewed(Kek);
            }
        }
    }

    private async ValueTask<KmsException> FailureOfAsync(string operation, string[] keys, Exception e, CancellationToken cancellationToken)
    {
        var kind = AwsErrors.KindOf(e);
        var whose = string.Join("' or '", keys.Select(k => $"{AwsKeyId.Scheme}:{k}"));
        var permission = operation == "ReEncrypt" ? "kms:ReEncryptFrom' and 'kms:ReEncryptTo" : $"kms:{operation}";
        var service = e as AmazonServiceException;
        string? message = null;
        if (service?.ErrorCode == "KMSInvalidStateException")
        {
            var state = await FindStateAsync(keys, service, cancellationToken).ConfigureAwait(false);
            kind = state is "PendingDeletion" or "PendingReplicaDeletion" ? KmsErrorKind.PendingDeletion
                : state is "Creating" or "Unavailable" ? KmsErrorKind.Unavailable
                : KmsErrorKind.Disabled;
            message = kind == KmsErrorKind.PendingDeletion || state == "Disabled" ? null : AwsKmsMessages.Unusable(whose, state, service.RequestId);
        }

        logger.KekCallFailed(operation, Kek, kind, service?.ErrorCode, service?.RequestId);
        message ??= AwsErrors.MessageOf(kind, e, whose, permission, _connection.Region);

        // The text of a refused signature quotes the request it was computed for, session token and all.
        return new KmsException(kind, message, kind == KmsErrorKind.Unauthenticated && service is not null ? null : e);
    }

    // The error says "invalid state" and, in its text, which; the description says it for programs. Who may not describe gets it from the text.
    private async ValueTask<string?> FindStateAsync(string[] keys, AmazonServiceException e, CancellationToken cancellationToken)
    {
        foreach (var keyId in keys)
        {
            try
            {
                var state = (await DescribeAsync(keyId, cancellationToken).ConfigureAwait(false)).KeyMetadata?.KeyState?.Value;
                if (state is not (null or "Enabled" or "Updating"))
                    return state;
            }
            catch (Exception) when (!cancellationToken.IsCancellationRequested)
            {
                break;
            }
        }

        return e.Message.Contains("pending deletion", StringComparison.OrdinalIgnoreCase) ? "PendingDeletion" : null;
    }
}
