using System.Net.Http.Headers;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Vault;

/// <summary>Sends one request to Vault's HTTP API. It knows no tokens and tries nothing twice.</summary>
internal sealed class VaultHttp : IDisposable
{
    private const int LongestAnswer = 256 * 1024;

    private readonly HttpClient _client;
    private readonly VaultTransitOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public VaultHttp(VaultTransitOptions options, TimeProvider time, ILogger logger)
    {
        _options = options;
        _time = time;
        _logger = logger;
        // A redirect would carry the token to an address nobody configured.
        var handler = options.Handler
            ?? new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5), AllowAutoRedirect = false, UseCookies = false };
        _client = new HttpClient(handler, disposeHandler: options.Handler is null) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Sends a request. The body, which may hold a key, is zeroed; so must be the answer's, by the caller.</summary>
    public async ValueTask<VaultAnswer> SendAsync(HttpMethod method, string path, string? token, byte[]? body, CancellationToken cancellationToken)
    {
        try
        {
            using var request = new HttpRequestMessage(method, $"{_options.BaseAddress!.AbsoluteUri.TrimEnd('/')}/v1/{path}");
            // Vault's agent can be told to refuse requests without this, so that no browser is led to it.
            request.Headers.Add("X-Vault-Request", "true");
            if (token is not null)
                request.Headers.Add("X-Vault-Token", token);
            if (_options.Namespace is { } name)
                request.Headers.Add("X-Vault-Namespace", name);
            if (body is not null)
                request.Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            VaultLog.RequestAnswered(_logger, method, path, (int)response.StatusCode);
            return new VaultAnswer(
                (int)response.StatusCode, await ReadAsync(response.Content, cancellationToken).ConfigureAwait(false), RetryAfterOf(response));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(body);
        }
    }

    public void Dispose() => _client.Dispose();

    private static async ValueTask<byte[]> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            var buffer = new byte[4096];
            var length = 0;
            while (true)
            {
                var read = await stream.ReadAsync(buffer.AsMemory(length), cancellationToken).ConfigureAwait(false);
                if (read == 0)
                    break;
                length += read;
                if (length > LongestAnswer)
                    throw new HttpRequestException(HttpRequestError.ConfigurationLimitExceeded);
                if (length == buffer.Length)
                    Grow(ref buffer);
            }

            var answer = buffer.AsSpan(0, length).ToArray();
            CryptographicOperations.ZeroMemory(buffer);
            return answer;
        }
    }

    private static void Grow(ref byte[] buffer)
    {
        var longer = new byte[buffer.Length * 2];
        buffer.CopyTo(longer, 0);
        CryptographicOperations.ZeroMemory(buffer);
        buffer = longer;
    }

    private TimeSpan? RetryAfterOf(HttpResponseMessage response)
    {
        var after = response.Headers.RetryAfter?.Delta ?? (response.Headers.RetryAfter?.Date - _time.GetUtcNow());
        return after > TimeSpan.Zero ? after : null;
    }
}

/// <summary>An answer of Vault.</summary>
internal sealed record VaultAnswer(int Status, byte[] Body, TimeSpan? RetryAfter)
{
    public bool IsSuccess => Status is >= 200 and < 300;

    public KmsException ToKmsException(KekUri kek)
    {
        var e = VaultErrors.ToKmsException(Status, Body, kek);
        return RetryAfter is null || !e.IsTransient ? e : new KmsException(e.Kind, e.Message, e.InnerException) { RetryAfter = RetryAfter };
    }
}
