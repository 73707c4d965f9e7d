using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using EfEnvelope.Kms.Oci.Signing;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Oci.Http;

/// <summary>OCI's JSON over HTTP, signed. The key is made here and encrypted there, because only encryption tells which version was used.</summary>
internal sealed class OciHttpTransport(Uri cryptoEndpoint, IOciRequestSigner signer, OciVaultOptions options, TimeProvider time, ILogger logger)
    : IOciKmsTransport, IDisposable
{
    // The content type is signed, so it must be exactly what is sent: without a character set.
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    private readonly Uri _crypto = new(options.BaseAddress ?? cryptoEndpoint, "/20180608/");
    private readonly KmsHttpClient _http = new(new OciSigningHandler(signer) { InnerHandler = KmsHttpClient.HandlerOf(options) }, options.Handler is null, time);
    private readonly KmsRetry _retry = new(options.Timeout, options.MaxRetries, time);

    public void Dispose() => _http.Dispose();

    public ValueTask<OciEncryptedData> EncryptAsync(
        string keyId, ReadOnlyMemory<byte> plaintext, IReadOnlyDictionary<string, string> associatedData, CancellationToken cancellationToken)
        => RunAsync(
            keyId,
            OciKmsOperation.Encrypt,
            new Uri(_crypto, "encrypt"),
            JsonSerializer.SerializeToUtf8Bytes(new EncryptDataDetails(keyId, plaintext, OrNothing(associatedData)), OciJson.Default.EncryptDataDetails),
            OciJson.Default.EncryptedData,
            static answer => answer.Ciphertext is { Length: > 0 } ciphertext ? new OciEncryptedData(ciphertext, answer.KeyVersionId) : null,
            cancellationToken);

    public ValueTask<byte[]> DecryptAsync(
        string keyId, string ciphertext, IReadOnlyDictionary<string, string> associatedData, CancellationToken cancellationToken)
        => RunAsync(
            keyId,
            OciKmsOperation.Decrypt,
            new Uri(_crypto, "decrypt"),
            JsonSerializer.SerializeToUtf8Bytes(new DecryptDataDetails(keyId, ciphertext, OrNothing(associatedData)), OciJson.Default.DecryptDataDetails),
            OciJson.Default.DecryptedData,
            static answer => answer.Plaintext,
            cancellationToken);

    public async ValueTask<OciKey?> GetKeyAsync(string keyId, CancellationToken cancellationToken)
        => options.ManagementEndpoint is not { } endpoint
            ? null
            : await RunAsync(
                keyId,
                OciKmsOperation.GetKey,
                new Uri(endpoint, $"/20180608/keys/{keyId}"),
                null,
                OciJson.Default.KeyResponse,
                static key => new OciKey(key.LifecycleState, key.CurrentKeyVersion)
                {
                    ProtectionMode = key.ProtectionMode,
                    TimeCreated = key.TimeCreated,
                    TimeOfDeletion = key.TimeOfDeletion,
                },
                cancellationToken).ConfigureAwait(false);

    private static IReadOnlyDictionary<string, string>? OrNothing(IReadOnlyDictionary<string, string> associatedData)
        => associatedData.Count > 0 ? associatedData : null;

    private async ValueTask<TResult> RunAsync<TAnswer, TResult>(
        string key, OciKmsOperation operation, Uri address, byte[]? body, JsonTypeInfo<TAnswer> type, Func<TAnswer, TResult?> read, CancellationToken cancellationToken)
        where TResult : class
    {
        var renew = false;
        try
        {
            return await _retry.RunAsync(
                new KekUri(OciKeyId.Scheme, key),
                async attempt =>
                {
                    if (renew)
                    {
                        renew = false;
                        await OciSigningHandler.SafelyAsync(() => signer.RenewAsync(attempt)).ConfigureAwait(false);
                    }

                    using var request = new HttpRequestMessage(body is null ? HttpMethod.Get : HttpMethod.Post, address);
                    request.Headers.Accept.Add(new("application/json"));
                    if (body is not null)
                        request.Content = new ByteArrayContent(body) { Headers = { ContentType = Json } };
                    var response = await _http.SendAsync(request, attempt).ConfigureAwait(false);
                    OciLog.RequestAnswered(logger, operation, key, response.Status, response.Header("opc-request-id"));
                    return Read(key, operation, response, type, read);
                },
                _ =>
                {
                    OciLog.SignatureRefused(logger);
                    renew = true;
                    return ValueTask.CompletedTask;
                },
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(body);
        }
    }

    private static TResult Read<TAnswer, TResult>(
        string key, OciKmsOperation operation, KmsHttpResponse response, JsonTypeInfo<TAnswer> type, Func<TAnswer, TResult?> read)
        where TResult : class
    {
        try
        {
            if (!response.IsSuccess)
                throw OciErrors.Read(key, operation, response);
            if (JsonSerializer.Deserialize(response.Body, type) is { } answer && read(answer) is { } result)
                return result;
        }
        catch (JsonException)
        {
            // Not OCI's, as is what lacks its fields.
        }
        finally
        {
            CryptographicOperations.ZeroMemory(response.Body);
        }

        throw new KmsException(KmsErrorKind.Unavailable, OciMessages.NotUnderstood($"{OciKeyId.Scheme}:{key}"));
    }
}
