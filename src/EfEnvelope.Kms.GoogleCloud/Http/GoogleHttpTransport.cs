using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.GoogleCloud.Http;

/// <summary>
/// Google's JSON over HTTP. Checksums go with every request and are checked in every answer: a damaged one is sent again like a failure of the service, so at
/// most <see cref="KmsHttpOptions.MaxRetries" /> times, and is <see cref="KmsErrorKind.Unavailable" /> in the end, because the key itself is not in doubt.
/// </summary>
internal sealed class GoogleHttpTransport(GoogleTokens tokens, GoogleCloudKmsOptions options, TimeProvider time, ILogger logger)
    : IGoogleKmsTransport, IDisposable
{
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    private readonly string? _address = options.BaseAddress?.AbsoluteUri.TrimEnd('/');
    private readonly KmsHttpClient _http = KmsHttpClient.Create(options, time);
    private readonly KmsRetry _retry = new(options.Timeout, options.MaxRetries, time);

    public void Dispose() => _http.Dispose();

    public ValueTask<GoogleEncryptResult> EncryptAsync(
        string cryptoKey, ReadOnlyMemory<byte> plaintext, ReadOnlyMemory<byte> additionalAuthenticatedData, CancellationToken cancellationToken)
        => RunAsync(
            cryptoKey,
            GoogleKmsOperation.Encrypt,
            Write(
                new EncryptRequest(plaintext, Crc32C.Of(plaintext.Span), additionalAuthenticatedData, Crc32C.Of(additionalAuthenticatedData.Span)),
                GoogleJson.Default.EncryptRequest),
            GoogleJson.Default.EncryptResponse,
            answer => answer is { VerifiedPlaintextCrc32c: true, VerifiedAdditionalAuthenticatedDataCrc32c: true, Ciphertext: { } ciphertext, Name: { } name }
                && answer.CiphertextCrc32c == Crc32C.Of(ciphertext)
                    ? new GoogleEncryptResult(name, ciphertext)
                    : null,
            cancellationToken);

    public ValueTask<byte[]> DecryptAsync(
        string cryptoKey, ReadOnlyMemory<byte> ciphertext, ReadOnlyMemory<byte> additionalAuthenticatedData, CancellationToken cancellationToken)
        => RunAsync(
            cryptoKey,
            GoogleKmsOperation.Decrypt,
            Write(
                new DecryptRequest(ciphertext, Crc32C.Of(ciphertext.Span), additionalAuthenticatedData, Crc32C.Of(additionalAuthenticatedData.Span)),
                GoogleJson.Default.DecryptRequest),
            GoogleJson.Default.DecryptResponse,
            static answer =>
            {
                if (answer.Plaintext is not { } plaintext)
                    return null;
                if (answer.PlaintextCrc32c == Crc32C.Of(plaintext))
                    return plaintext;
                CryptographicOperations.ZeroMemory(plaintext);
                return null;
            },
            cancellationToken);

    public async ValueTask<GoogleCryptoKey?> GetCryptoKeyAsync(string cryptoKey, CancellationToken cancellationToken)
        => await RunAsync(
            cryptoKey,
            GoogleKmsOperation.Get,
            null,
            GoogleJson.Default.CryptoKeyResponse,
            static key => new GoogleCryptoKey(key.Purpose, key.Primary?.Name, key.Primary?.State)
            {
                ProtectionLevel = key.Primary?.ProtectionLevel,
                CreateTime = key.CreateTime,
                DestroyTime = key.Primary?.DestroyTime,
            },
            cancellationToken).ConfigureAwait(false);

    private static byte[] Write<T>(T request, JsonTypeInfo<T> type) => JsonSerializer.SerializeToUtf8Bytes(request, type);

    private async ValueTask<TResult> RunAsync<TAnswer, TResult>(
        string key, GoogleKmsOperation operation, byte[]? body, JsonTypeInfo<TAnswer> type, Func<TAnswer, TResult?> check, CancellationToken cancellationToken)
        where TResult : class
    {
        string? token = null;
        try
        {
            return await _retry.RunAsync(
                new KekUri(CryptoKeyName.Scheme, key),
                async attempt =>
                {
                    token = null;

                    // A credential of another universe is good there alone: neither it nor a key may go to the public one.
                    var host = _address ?? $"https://cloudkms.{await tokens.FindUniverseAsync(attempt).ConfigureAwait(false)}";
                    using var request = new HttpRequestMessage(body is null ? HttpMethod.Get : HttpMethod.Post, AddressOf(host, key, operation));
                    if (body is not null)
                        request.Content = new ByteArrayContent(body) { Headers = { ContentType = Json } };
                    token = await AuthorizeAsync(request, attempt).ConfigureAwait(false);
                    var response = await _http.SendAsync(request, attempt).ConfigureAwait(false);
                    GoogleKmsLog.RequestAnswered(logger, operation, key, response.Status);
                    return Read(key, operation, response, type, check);
                },
                _ =>
                {
                    tokens.Refuse(token);
                    return ValueTask.CompletedTask;
                },
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(body);
        }
    }

    private TResult Read<TAnswer, TResult>(
        string key, GoogleKmsOperation operation, KmsHttpResponse response, JsonTypeInfo<TAnswer> type, Func<TAnswer, TResult?> check)
        where TResult : class
    {
        try
        {
            if (!response.IsSuccess)
                throw GoogleErrors.Read(key, operation, response);
            if (JsonSerializer.Deserialize(response.Body, type) is { } answer && check(answer) is { } result)
                return result;
        }
        catch (JsonException)
        {
            throw new KmsException(KmsErrorKind.Unavailable, GoogleKmsMessages.NotUnderstood($"{CryptoKeyName.Scheme}:{key}"));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(response.Body);
        }

        GoogleKmsLog.ChecksumDiffered(logger, key);
        throw new KmsException(KmsErrorKind.Unavailable, GoogleKmsMessages.Damaged($"{CryptoKeyName.Scheme}:{key}"));
    }

    private async ValueTask<string> AuthorizeAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var token = await tokens.GetAsync(cancellationToken).ConfigureAwait(false);
        token.AddHeaders(request);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token.AccessToken);
        if (options.QuotaProject is { } project)
        {
            request.Headers.Remove("x-goog-user-project");
            request.Headers.TryAddWithoutValidation("x-goog-user-project", project);
        }

        return token.AccessToken;
    }

    private static Uri AddressOf(string host, string key, GoogleKmsOperation operation) => new(
        operation switch
        {
            GoogleKmsOperation.Encrypt => $"{host}/v1/{key}:encrypt",
            GoogleKmsOperation.Decrypt => $"{host}/v1/{key}:decrypt",
            _ => $"{host}/v1/{key}",
        });
}
