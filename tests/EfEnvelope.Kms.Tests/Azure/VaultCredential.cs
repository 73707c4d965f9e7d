using Azure.Core;

namespace EfEnvelope.Kms.Tests.Azure;

/// <summary>A credential whose own tenant is another than the vault's, as an application of several tenants has it.</summary>
internal sealed class VaultCredential(KeyVaultServer server) : TokenCredential
{
    private readonly List<KeyVaultToken> _issued = [];

    public bool IssuesExpired { get; set; }

    public string OwnTenant { get; set; } = "other";

    public IReadOnlyList<KeyVaultToken> Issued => _issued;

    public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken)
    {
        var token = server.IssueToken(requestContext.Scopes.Single(), requestContext.TenantId ?? OwnTenant, IssuesExpired);
        lock (_issued)
            _issued.Add(token);
        return new AccessToken(token.Text, TimeProvider.System.GetUtcNow().AddHours(1));
    }

    public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken)
        => new(GetToken(requestContext, cancellationToken));
}

/// <summary>Leads every https address to the server, with the true host in its header, as a name service and TLS would.</summary>
internal sealed class LoopbackHandler(Uri server) : DelegatingHandler(new SocketsHttpHandler())
{
    public bool IsDisposed { get; private set; }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        Assert.Equal("https", request.RequestUri!.Scheme);
        request.Headers.Host = request.RequestUri.Authority;
        request.RequestUri = new Uri(server, request.RequestUri.PathAndQuery);
        return base.SendAsync(request, cancellationToken);
    }

    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }
}
