using System.Buffers;
using System.Net.Http.Headers;
using System.Security.Cryptography;

namespace EfEnvelope.Kms;

/// <summary>An answer, read to its end. Who takes it zeroes the body if it may hold a key.</summary>
internal sealed record KmsHttpResponse(int Status, HttpResponseHeaders Headers, byte[] Body, TimeSpan? RetryAfter)
{
    public bool IsSuccess => Status is >= 200 and < 300;

    /// <summary>Tells whether a status is that of something between here and the service: a redirect, which is not followed, or a proxy
    /// that asks who is there.</summary>
    public static bool IsOnTheWay(int status) => status is (>= 300 and < 400) or 407;

    public string? Header(string name) => Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;
}

/// <summary>
/// Sends requests to a key management service: no redirect is followed, because credentials would go with it, and no answer is read without limit.
/// </summary>
/// <param name="handler">What sends.</param>
/// <param name="ownsHandler">Whether it is disposed with this.</param>
/// <param name="time">The clock, for answers that name a time to wait for.</param>
internal sealed class KmsHttpClient(HttpMessageHandler handler, bool ownsHandler, TimeProvider time) : IDisposable
{
    private const int LongestBody = 256 * 1024;

    private readonly HttpClient _client = new(handler, disposeHandler: ownsHandler) { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>Makes a client of the options: over their handler, which stays the caller's, or one of its own.</summary>
    public static KmsHttpClient Create(KmsHttpOptions options, TimeProvider time) => new(HandlerOf(options), options.Handler is null, time);

    /// <summary>The handler of the options, or one that renews its connections, so that a changed address is noticed.</summary>
    public static HttpMessageHandler HandlerOf(KmsHttpOptions options)
        => options.Handler ?? new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) };

    /// <exception cref="HttpRequestException">No answer, half an answer, or one that is too long.</exception>
    public async ValueTask<KmsHttpResponse> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
        var body = await ReadAsync(response.Content, cancellationToken).ConfigureAwait(false);
        var after = response.Headers.RetryAfter;
        return new KmsHttpResponse((int)response.StatusCode, response.Headers, body, after?.Delta ?? after?.Date - time.GetUtcNow());
    }

    public void Dispose() => _client.Dispose();

    private static async ValueTask<byte[]> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var buffer = ArrayPool<byte>.Shared.Rent(LongestBody + 1);
        var length = 0;
        try
        {
            int read;
            while ((read = await stream.ReadAsync(buffer.AsMemory(length, LongestBody + 1 - length), cancellationToken).ConfigureAwait(false)) > 0)
                length += read;
            return length <= LongestBody
                ? buffer[..length]
                : throw new HttpRequestException(HttpRequestError.ConfigurationLimitExceeded);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(buffer.AsSpan(0, length));
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
