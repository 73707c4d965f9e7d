using System.Net.Http.Headers;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Vault;

/// <summary>Sends one request to Vault's HTTP API. It knows no tokens and tries nothing twice.</summary>
internal sealed class VaultHttp : IDisposable
{
    private readonly VaultTransitOptions _options;
    private readonly KmsHttpClient _client;
    private readonly ILogger _logger;

    public VaultHttp(VaultTransitOptions options, TimeProvider time, ILogger logger)
    {
        (_options, _logger) = (options, logger);
        _client = KmsHttpClient.Create(options, time);
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
            var response = await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
            VaultLog.RequestAnswered(_logger, method, path, response.Status);
            return new VaultAnswer(response.Status, response.Body, response.RetryAfter > TimeSpan.Zero ? response.RetryAfter : null);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(body);
        }
    }

    public void Dispose() => _client.Dispose();
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
