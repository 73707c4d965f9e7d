using System.Net;
using System.Text;

namespace EfEnvelope.Kms.Tests.Vault;

/// <summary>A handler that answers the n-th request, counted from 1, as told. Of a token it says that it is not valid.</summary>
internal sealed class CannedAnswers(Func<int, (int Status, string Body)> answer) : HttpMessageHandler
{
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public string Last { get; private set; } = "";

    public TimeSpan? RetryAfter { get; init; }

    public async Task ReceivedAsync(int requests)
    {
        while (Count < requests)
            await Task.Delay(1, TestContext.Current.CancellationToken);
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request.RequestUri!.AbsolutePath.EndsWith("lookup-self", StringComparison.Ordinal))
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.Forbidden) { Content = new StringContent("""{"errors":["permission denied"]}""") });
        Last = $"{request.Method} {request.RequestUri}";
        var (status, body) = answer(Interlocked.Increment(ref _count));
        var response = new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        if (status == 429 && RetryAfter is { } after)
            response.Headers.RetryAfter = new(after);
        return Task.FromResult(response);
    }
}
