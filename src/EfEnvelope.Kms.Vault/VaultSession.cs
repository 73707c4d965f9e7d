using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Vault;

/// <summary>The token of one client: one caller obtains it, the others use it; it is renewed before its lease ends, and obtained anew when it cannot be.</summary>
internal sealed class VaultSession(IVaultTokenSource source, VaultHttp http, KekUri kek, TimeProvider time, ILogger logger) : IVaultLogin, IDisposable
{
    private static readonly TimeSpan RenewalPause = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _one = new(1);
    private volatile Held? _held;

    public async ValueTask<string> GetTokenAsync(CancellationToken cancellationToken)
    {
        if (_held is { } held && time.GetUtcNow() < held.RenewAt)
            return held.Token.Value;
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var now = time.GetUtcNow();
            if (_held is not { } last)
                return (_held = await ObtainAsync(cancellationToken).ConfigureAwait(false)).Token.Value;
            if (now < last.RenewAt)
                return last.Token.Value;
            // While this caller renews it, or finds that it cannot, the others go on with it.
            if (now < last.EndsAt)
                _held = last with { RenewAt = now + RenewalPause < last.EndsAt ? now + RenewalPause : last.EndsAt };
            try
            {
                return (_held = await RenewAsync(last, cancellationToken).ConfigureAwait(false)).Token.Value;
            }
            catch (Exception e) when (now < last.EndsAt && e is HttpRequestException or IOException or KmsException { IsTransient: true })
            {
                // It is good for a while: an outage of logins is none of keys.
                VaultLog.TokenNotRenewed(logger, kek, KmsErrorKind.Unavailable);
                return last.Token.Value;
            }
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>
    /// Obtains another token than the one that was refused. The refusal is the same text for a token that has ended and for a policy that does not allow the
    /// request, so Vault is asked about the token first: else each denied request would leave another token behind.
    /// </summary>
    /// <returns>Whether there is another one.</returns>
    public async ValueTask<bool> ReplaceAsync(string refused, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_held is { } held && held.Token.Value != refused)
                return true;
            var answer = await http.SendAsync(HttpMethod.Get, "auth/token/lookup-self", refused, null, cancellationToken).ConfigureAwait(false);
            if (answer.IsSuccess)
                return false;
            _held = null;
            _held = await ObtainAsync(cancellationToken).ConfigureAwait(false);
            return _held.Token.Value != refused;
        }
        finally
        {
            _one.Release();
        }
    }

    public async ValueTask<VaultToken> LogInAsync(string path, IReadOnlyDictionary<string, string> parameters, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        var body = JsonSerializer.SerializeToUtf8Bytes(parameters, VaultJson.Default.IReadOnlyDictionaryStringString);
        var answer = await http.SendAsync(HttpMethod.Post, $"auth/{path}", null, body, cancellationToken).ConfigureAwait(false);
        if (answer.Status is >= 400 and < 500 and not (403 or 407 or 412 or 429) || VaultErrors.IsRefusal(answer.Status, answer.Body))
        {
            throw new KmsException(
                KmsErrorKind.Unauthenticated, VaultMessages.LoginRefused(kek, path, answer.Status, VaultErrors.Quote(answer.Body)));
        }

        return ReadAuth(answer);
    }

    public void Dispose() => _held = null;

    private async ValueTask<Held> ObtainAsync(CancellationToken cancellationToken)
    {
        var token = await source.GetTokenAsync(this, cancellationToken).ConfigureAwait(false);
        if (string.IsNullOrEmpty(token?.Value) || token.Value.Any(c => char.IsControl(c) || c > 126))
            throw new KmsException(KmsErrorKind.Unauthenticated, VaultMessages.NoToken(kek));
        VaultLog.TokenObtained(logger, kek, token.Lease);
        return Hold(token, token.Lease);
    }

    private async ValueTask<Held> RenewAsync(Held last, CancellationToken cancellationToken)
    {
        if (!last.Token.IsRenewable || time.GetUtcNow() >= last.EndsAt)
            return await ObtainAsync(cancellationToken).ConfigureAwait(false);
        var answer = await http.SendAsync(HttpMethod.Post, "auth/token/renew-self", last.Token.Value, "{}"u8.ToArray(), cancellationToken).ConfigureAwait(false);
        if (!answer.IsSuccess && answer.ToKmsException(kek) is var e)
        {
            VaultLog.TokenNotRenewed(logger, kek, e.Kind);
            return e.IsTransient ? throw e : await ObtainAsync(cancellationToken).ConfigureAwait(false);
        }

        var renewed = ReadAuth(answer);
        // Near the end of its longest life a token gets less and less.
        if (renewed.Lease < last.FirstLease / 2)
            return await ObtainAsync(cancellationToken).ConfigureAwait(false);
        VaultLog.TokenRenewed(logger, kek, renewed.Lease);
        return Hold(renewed, last.FirstLease);
    }

    private VaultToken ReadAuth(VaultAnswer answer)
    {
        if (!answer.IsSuccess)
            throw answer.ToKmsException(kek);
        try
        {
            using var json = JsonDocument.Parse(answer.Body);
            var auth = json.RootElement.GetProperty("auth");
            var seconds = auth.GetProperty("lease_duration").GetInt64();
            return new VaultToken(
                auth.GetProperty("client_token").GetString()!, seconds > 0 ? TimeSpan.FromSeconds(seconds) : null, auth.GetProperty("renewable").GetBoolean());
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new KmsException(KmsErrorKind.Unavailable, VaultMessages.NotVault(kek));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(answer.Body);
        }
    }

    private Held Hold(VaultToken token, TimeSpan? firstLease)
    {
        var now = time.GetUtcNow();
        return token.Lease is { } lease
            ? new Held(token, now + (lease * 2 / 3), now + lease, firstLease)
            : new Held(token, DateTimeOffset.MaxValue, DateTimeOffset.MaxValue, null);
    }

    private sealed record Held(VaultToken Token, DateTimeOffset RenewAt, DateTimeOffset EndsAt, TimeSpan? FirstLease);
}
