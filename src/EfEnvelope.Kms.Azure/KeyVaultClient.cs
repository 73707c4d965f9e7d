using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Azure;

/// <summary>One attempt of each request, on the pipeline of Azure.Core: tokens, tracing, transport. Retries are made above it.</summary>
internal sealed class KeyVaultClient : IDisposable
{
    private const int LongestAnswer = 64 * 1024;

    private readonly AzureKeyId _own;
    private readonly AzureKeyVaultOptions _options;
    private readonly KeyVaultCredential _credential;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<string, KeyVaultChallenge> _challenges = new();
    private readonly HttpClient _http;
    private readonly PipelineOptions _pipelineOptions;
    private HttpPipeline _pipeline;

    public KeyVaultClient(AzureKeyId own, TokenCredential credential, AzureKeyVaultOptions options, ILogger logger)
    {
        (_own, _options, _logger) = (own, options, logger);
        _credential = new KeyVaultCredential(credential, own.Kek);
        var handler = options.Handler
            ?? new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5), ConnectTimeout = options.Timeout, AllowAutoRedirect = false };
        _http = new HttpClient(handler, disposeHandler: options.Handler is null) { Timeout = Timeout.InfiniteTimeSpan };
        _pipelineOptions = new PipelineOptions(new HttpClientTransport(_http), options.Timeout);
        if (options.Scope is not null)
            _challenges[own.Host] = new KeyVaultChallenge(options.Scope, TenantId: null, Claims: null);
        _pipeline = BuildPipeline();
    }

    /// <summary>Gets what holds the tokens now: who was refused tells which one it used.</summary>
    public object Tokens => _pipeline;

    /// <summary>Drops the tokens, unless another caller already did: a pipeline keeps one as long as its time says, whatever the vault says.</summary>
    public void DropTokens(object tokens) => Interlocked.CompareExchange(ref _pipeline, BuildPipeline(), (HttpPipeline)tokens);

    public async ValueTask<KeyOperationAnswer> RunAsync(AzureKeyId key, string? version, string operation, byte[] body, TimeProvider time, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(RequestMethod.Post, key, version is null ? operation : $"{version}/{operation}", operation, body, time, cancellationToken).ConfigureAwait(false);
        try
        {
            return KeyOperation.Read(answer.Body);
        }
        catch (JsonException)
        {
            throw new KmsException(KmsErrorKind.Unavailable, AzureMessages.UnknownAnswer(key.Kek, answer.RequestId));
        }
    }

    public async ValueTask<JsonDocument> GetAsync(AzureKeyId key, TimeProvider time, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(RequestMethod.Get, key, rest: null, "get", body: null, time, cancellationToken).ConfigureAwait(false);
        try
        {
            return JsonDocument.Parse(answer.Body);
        }
        catch (JsonException)
        {
            throw new KmsException(KmsErrorKind.Unavailable, AzureMessages.UnknownAnswer(key.Kek, answer.RequestId));
        }
    }

    public void Dispose() => _http.Dispose();

    private static async ValueTask<byte[]> ReadAsync(AzureKeyId key, Response response, CancellationToken cancellationToken)
    {
        if (response.ContentStream is not { } stream)
            return [];
        var buffer = new byte[LongestAnswer + 1];
        try
        {
            var length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            return length <= LongestAnswer ? buffer[..length] : throw new KmsException(KmsErrorKind.Unavailable, AzureMessages.UnknownAnswer(key.Kek, null));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(buffer);
        }
    }

    private async ValueTask<(byte[] Body, string? RequestId)> SendAsync(
        RequestMethod method, AzureKeyId key, string? rest, string operation, byte[]? body, TimeProvider time, CancellationToken cancellationToken)
    {
        using var message = _pipeline.CreateMessage();
        KeyVaultChallengePolicy.Mark(message, key);
        message.BufferResponse = false;
        var request = message.Request;
        request.Method = method;
        request.Uri.Reset(_options.BaseAddress is { } address && key.Host == _own.Host ? address : new Uri($"https://{key.Host}/"));
        request.Uri.AppendPath($"/keys/{key.Name}{(rest is null ? "" : $"/{rest}")}", escape: false);
        request.Uri.AppendQuery("api-version", _options.ApiVersion);
        request.Headers.Add(HttpHeader.Common.JsonAccept);
        if (body is not null)
        {
            request.Headers.Add(HttpHeader.Common.JsonContentType);
            request.Content = RequestContent.Create(body);
        }

        try
        {
            await _pipeline.SendAsync(message, cancellationToken).ConfigureAwait(false);
        }
        catch (RequestFailedException e)
        {
            throw AzureErrors.Of(operation, key.Kek, e, time);
        }

        var response = message.Response;
        var answer = await ReadAsync(key, response, cancellationToken).ConfigureAwait(false);
        if (response.Status == 200)
            return (answer, response.Headers.TryGetValue("x-ms-request-id", out var id) ? id : null);
        throw AzureErrors.Of(operation, key.Kek, response, answer, time);
    }

    private HttpPipeline BuildPipeline()
        => HttpPipelineBuilder.Build(_pipelineOptions, [], [new KeyVaultChallengePolicy(_credential, _challenges, _logger)], new ResponseClassifier());

    private sealed class PipelineOptions : ClientOptions
    {
        public PipelineOptions(HttpPipelineTransport transport, TimeSpan timeout)
        {
            Transport = transport;
            Retry.MaxRetries = 0;
            Retry.NetworkTimeout = timeout * 2;
            Diagnostics.IsLoggingContentEnabled = false;
        }
    }
}
