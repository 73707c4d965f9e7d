using Google.Apis.Auth.OAuth2;
using Google.Apis.Auth.OAuth2.Responses;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.GoogleCloud.Http;

/// <summary>
/// Access tokens from credentials, which keep them until they expire; one that the service refused is replaced by a fresh one, asked for once by all callers
/// together.
/// </summary>
internal sealed class GoogleTokens(ITokenAccess? credential, ILogger logger)
{
    private const string UniverseVariable = "GOOGLE_CLOUD_UNIVERSE_DOMAIN";

    public const string Scope = "https://www.googleapis.com/auth/cloudkms";

    private readonly SemaphoreSlim _gate = new(1, 1);
    private volatile ITokenAccess? _credential = Scoped(credential);
    private volatile string? _refused;

    /// <summary>Notes a token that the service did not accept. It is replaced when the next one is asked for, in the time of that attempt.</summary>
    public void Refuse(string? token)
    {
        if (token is null)
            return;
        GoogleKmsLog.TokenRefused(logger);
        _refused = token;
    }

    public ValueTask<AccessTokenWithHeaders> GetAsync(CancellationToken cancellationToken)
        => GuardAsync(
            async () =>
            {
                await RequireCredentialAsync(cancellationToken).ConfigureAwait(false);
                var token = await AskAsync(cancellationToken).ConfigureAwait(false);
                return token.AccessToken == _refused ? await RenewAsync(cancellationToken).ConfigureAwait(false) : token;
            });

    /// <summary>Finds the domain of the services that take the credentials: <c>googleapis.com</c>, unless they are of another
    /// universe.</summary>
    /// <exception cref="KmsException">The environment names another universe than the credentials.</exception>
    public ValueTask<string> FindUniverseAsync(CancellationToken cancellationToken)
        => GuardAsync(
            async () =>
            {
                await RequireCredentialAsync(cancellationToken).ConfigureAwait(false);
                var own = _credential is GoogleCredential google ? await google.GetUniverseDomainAsync(cancellationToken)
                    .ConfigureAwait(false) : null;
                var named = Environment.GetEnvironmentVariable(UniverseVariable) is { Length: > 0 } text ? text : null;
                var universe = own ?? named ?? "googleapis.com";
                return (named is null || named == universe) && Uri.CheckHostName(universe) == UriHostNameType.Dns
                    ? universe
                    : throw new KmsException(KmsErrorKind.InvalidRequest, GoogleKmsMessages.OtherUniverse(universe, named, UniverseVariable));
            });

    private async ValueTask RequireCredentialAsync(CancellationToken cancellationToken)
        => _credential ??= Scoped(await GoogleCredential.GetApplicationDefaultAsync(cancellationToken).ConfigureAwait(false));

    private async ValueTask<T> GuardAsync<T>(Func<ValueTask<T>> ask)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (TokenResponseException e)
        {
            throw (int?)e.StatusCode is >= 500 or 429
                ? new KmsException(KmsErrorKind.Unavailable, GoogleKmsMessages.TokenServerUnavailable(), e)
                : new KmsException(KmsErrorKind.Unauthenticated, GoogleKmsMessages.NoToken(e.Error?.Error), e);
        }
        catch (InvalidOperationException e) when (_credential is null)
        {
            throw new KmsException(KmsErrorKind.Unauthenticated, GoogleKmsMessages.NoCredentials(), e);
        }
        catch (Exception e) when (e is not (OperationCanceledException or HttpRequestException or IOException or KmsException))
        {
            throw new KmsException(KmsErrorKind.Unauthenticated, GoogleKmsMessages.NoToken(e.GetType().Name), e);
        }
    }

    private async ValueTask<AccessTokenWithHeaders> RenewAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var token = await AskAsync(cancellationToken).ConfigureAwait(false);
            if (token.AccessToken != _refused)
                return token;
            await ForceAsync(_credential!, cancellationToken).ConfigureAwait(false);
            return await AskAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    private async ValueTask<AccessTokenWithHeaders> AskAsync(CancellationToken cancellationToken)
        => _credential is ITokenAccessWithHeaders withHeaders
            ? await withHeaders.GetAccessTokenWithHeadersForRequestAsync(null, cancellationToken).ConfigureAwait(false)
            : new AccessTokenWithHeaders(await _credential!.GetAccessTokenForRequestAsync(null, cancellationToken).ConfigureAwait(false), null);

    // Credentials without a token server have nothing to force; they are asked again, and may answer otherwise.
    private static Task ForceAsync(object credential, CancellationToken cancellationToken) => credential switch
    {
        GoogleCredential google => ForceAsync(google.UnderlyingCredential, cancellationToken),
        ServiceCredential service => service.RequestAccessTokenAsync(cancellationToken),
        UserCredential user => user.RefreshTokenAsync(cancellationToken),
        _ => Task.CompletedTask,
    };

    private static ITokenAccess? Scoped(ITokenAccess? credential)
        => credential is GoogleCredential { IsCreateScopedRequired: true } google ? google.CreateScoped(Scope) : credential;
}

/// <summary>Tokens from a delegate of the caller's; one that was read from a file ends with a line end.</summary>
internal sealed class DelegatedTokens(Func<CancellationToken, ValueTask<string>> ask) : ITokenAccess
{
    public async Task<string> GetAccessTokenForRequestAsync(string? authUri = null, CancellationToken cancellationToken = default)
        => (await ask(cancellationToken).ConfigureAwait(false)).Trim();
}
