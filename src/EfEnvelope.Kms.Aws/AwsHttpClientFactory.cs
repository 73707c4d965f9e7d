using Amazon.Runtime;

namespace EfEnvelope.Kms.Aws;

/// <summary>Gives the SDK one HTTP client: over the caller's handler or one of its own, with a limit to what an answer may hold.</summary>
internal sealed class AwsHttpClientFactory : HttpClientFactory, IDisposable
{
    private const long LongestAnswer = 256 * 1024;

    private readonly HttpClient _client;

    public AwsHttpClientFactory(KmsHttpOptions options)
    {
        var inner = options.Handler
            ?? new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5), ConnectTimeout = options.Timeout, AllowAutoRedirect = false };
        _client = new HttpClient(new WholeAnswers(inner), disposeHandler: options.Handler is null) { Timeout = options.Timeout };
    }

    public override HttpClient CreateHttpClient(IClientConfig clientConfig) => _client;

    public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

    public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => false;

    public void Dispose() => _client.Dispose();

    // The SDK asks for the headers alone, and the client's time would end with them: read here, the body is within it, and within a size.
    private sealed class WholeAnswers(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            try
            {
                await response.Content.LoadIntoBufferAsync(LongestAnswer, cancellationToken).ConfigureAwait(false);
                return response;
            }
            catch
            {
                response.Dispose();
                throw;
            }
        }
    }
}
