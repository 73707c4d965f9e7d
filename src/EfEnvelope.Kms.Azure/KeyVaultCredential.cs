using Azure;
using Azure.Core;

namespace EfEnvelope.Kms.Azure;

/// <summary>The caller's credential, whose failures are those of a KMS. Tokens are cached above it.</summary>
internal sealed class KeyVaultCredential(TokenCredential inner, KekUri kek) : TokenCredential
{
    private static readonly TimeSpan LongestRequest = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private (TokenRequestContext Context, Task<AccessToken> Token)? _running;

    public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken)
    {
        try
        {
            return inner.GetToken(requestContext, cancellationToken);
        }
        catch (Exception e) when (e is not (OperationCanceledException or KmsException))
        {
            throw FailureOf(e);
        }
    }

    // A first token may take longer than an attempt at the vault has: a developer's tool that is started, a machine's identity that comes up. So a request
    // goes on when its attempt is given up, and the next attempt waits for the same one.
    public override async ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken)
    {
        Task<AccessToken> token;
        lock (_lock)
        {
            if (_running is not { } running || running.Token.IsCompleted || !IsSame(running.Context, requestContext))
                _running = running = (requestContext, RequestAsync(requestContext));
            token = running.Token;
        }

        return await token.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private static bool IsSame(TokenRequestContext a, TokenRequestContext b)
        => a.Scopes.SequenceEqual(b.Scopes) && a.TenantId == b.TenantId && a.Claims == b.Claims && a.IsCaeEnabled == b.IsCaeEnabled;

    private async Task<AccessToken> RequestAsync(TokenRequestContext context)
    {
        await Task.Yield();
        using var limit = new CancellationTokenSource(LongestRequest);
        try
        {
            return await inner.GetTokenAsync(context, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not KmsException)
        {
            throw FailureOf(e);
        }
    }

    // An issuer that is out of reach is an outage, which another KEK may bridge; anything else is for who configured the credential.
    private KmsException FailureOf(Exception e)
    {
        for (var cause = e; cause is not null; cause = cause.InnerException)
        {
            if (cause is HttpRequestException or IOException or OperationCanceledException or RequestFailedException { Status: 0 or 429 or >= 500 })
                return new KmsException(KmsErrorKind.Unavailable, AzureMessages.TokenUnavailable(kek), e);
        }

        return new KmsException(KmsErrorKind.Unauthenticated, AzureMessages.TokenFailed(kek), e);
    }
}
