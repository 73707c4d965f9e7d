using System.Collections.Concurrent;
using System.Text;
using System.Text.RegularExpressions;
using Azure.Core;
using Azure.Core.Pipeline;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Azure;

/// <summary>What a vault asks of tokens.</summary>
internal sealed record KeyVaultChallenge(string Scope, string? TenantId, string? Claims);

/// <summary>
/// Authorizes requests as a vault asks: it names scope and tenant in the answer to a request without a token, which carries no content either. They are kept
/// per host, so that only the first request is asked for twice.
/// </summary>
internal sealed partial class KeyVaultChallengePolicy(TokenCredential credential, ConcurrentDictionary<string, KeyVaultChallenge> challenges, ILogger logger)
    : BearerTokenAuthenticationPolicy(credential, Array.Empty<string>())
{
    /// <summary>Says whose request it is, whatever address it is sent to.</summary>
    public static void Mark(HttpMessage message, AzureKeyId key) => message.SetProperty(typeof(AzureKeyId), key);

    protected override async ValueTask AuthorizeRequestAsync(HttpMessage message)
    {
        if (challenges.TryGetValue(KeyOf(message).Host, out var challenge))
        {
            await AuthenticateAndAuthorizeRequestAsync(message, ContextOf(message, challenge)).ConfigureAwait(false);
            return;
        }

        message.SetProperty(typeof(RequestContent), message.Request.Content!);
        message.Request.Content = null;
    }

    protected override async ValueTask<bool> AuthorizeRequestOnChallengeAsync(HttpMessage message)
    {
        if (message.TryGetProperty(typeof(RequestContent), out var content) && content is RequestContent held)
            message.Request.Content = held;
        var key = KeyOf(message);
        if (ReadChallenge(key, message) is not { } challenge)
            return false;
        var known = challenges.TryGetValue(key.Host, out var before);
        if (known && before == challenge)
            return false;
        challenges[key.Host] = challenge;
        logger.ChallengeLearned(key.Host, challenge.Scope, challenge.TenantId);
        await AuthenticateAndAuthorizeRequestAsync(message, ContextOf(message, challenge)).ConfigureAwait(false);
        return true;
    }

    private static AzureKeyId KeyOf(HttpMessage message) => message.TryGetProperty(typeof(AzureKeyId), out var key) ? (AzureKeyId)key! : throw new InvalidOperationException();

    private static TokenRequestContext ContextOf(HttpMessage message, KeyVaultChallenge challenge)
        => new([challenge.Scope], message.Request.ClientRequestId, challenge.Claims, challenge.TenantId, isCaeEnabled: true);

    // Whoever answers at the vault's address may ask for a token of anything. It is given only what is for the domain it is in.
    private static KeyVaultChallenge? ReadChallenge(AzureKeyId key, HttpMessage message)
    {
        if (!message.Response.Headers.TryGetValue("WWW-Authenticate", out var header))
            return null;
        var bearer = header.IndexOf("Bearer", StringComparison.OrdinalIgnoreCase);
        if (bearer < 0)
            return null;
        var parts = PartPattern().Matches(header[bearer..]).DistinctBy(m => m.Groups[1].Value, StringComparer.OrdinalIgnoreCase)
            .ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value, StringComparer.OrdinalIgnoreCase);
        var scope = parts.TryGetValue("resource", out var resource) ? $"{resource.TrimEnd('/')}/.default" : parts.GetValueOrDefault("scope");
        if (scope is null)
            return null;
        var host = key.Host.Split(':')[0];
        if (!Uri.TryCreate(scope, UriKind.Absolute, out var asked) || asked.Scheme != Uri.UriSchemeHttps || !host.EndsWith($".{asked.Host}", StringComparison.OrdinalIgnoreCase))
            throw new KmsException(KmsErrorKind.InvalidRequest, AzureMessages.ForeignResource(key.Kek, resource ?? scope));
        var authority = parts.GetValueOrDefault("authorization") ?? parts.GetValueOrDefault("authorization_uri");
        var tenant = Uri.TryCreate(authority, UriKind.Absolute, out var uri) ? uri.AbsolutePath.Trim('/').Split('/')[0] : "";
        return new KeyVaultChallenge(scope, tenant.Length == 0 ? null : tenant, ClaimsOf(parts));
    }

    private static string? ClaimsOf(Dictionary<string, string> parts)
    {
        if (parts.GetValueOrDefault("error") != "insufficient_claims" || !parts.TryGetValue("claims", out var claims))
            return null;
        var bytes = new byte[claims.Length];
        return Convert.TryFromBase64String(claims, bytes, out var length) ? Encoding.UTF8.GetString(bytes, 0, length) : null;
    }

    [GeneratedRegex("([A-Za-z_]+)=\"([^\"]*)\"")]
    private static partial Regex PartPattern();
}
