using System.Security.Cryptography;
using EfEnvelope.Kms.Tests.Http;
using EfEnvelope.Kms.Vault;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Tests.Vault;

/// <summary>The life of a token: obtained, renewed, ended, refused.</summary>
public sealed class VaultTokenTests : IAsyncLifetime
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly CollectedLog _log = new();
    private VaultServer _server = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _server = new VaultServer(_time);
        _server.Keys["first"] = new();
        (_server.Policy["encrypt/first"], _server.Policy["decrypt/first"], _server.Policy["keys/first"]) = (["update"], ["update"], ["read"]);
        await _server.StartAsync();
    }

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task Token_is_renewed_before_its_lease_ends_and_obtained_anew_at_the_end_of_its_longest_life()
    {
        using var client = AppRole();
        for (var minutes = 0; minutes < 240; minutes++)
        {
            await client.WrapAsync(Key, Context, Token);
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        // A lease of 1 hour, 4 hours at the longest: renewed after 40, 80, 120, 160, 200 minutes and once more, when it gets less than half and is given up.
        Assert.Equal((2, 6), (_server.Logins, _server.Renewals));
        Assert.Equal(_server.Logins, _log.Count(2502));
    }

    [Fact]
    public async Task Token_that_cannot_be_renewed_is_obtained_anew_before_it_ends()
    {
        _server.Renewable = false;
        using var client = AppRole();
        await client.WrapAsync(Key, Context, Token);
        _time.Advance(TimeSpan.FromMinutes(41));

        await client.WrapAsync(Key, Context, Token);

        Assert.Equal((2, 0), (_server.Logins, _server.Renewals));
    }

    [Fact]
    public async Task Refused_renewal_is_a_login()
    {
        using var client = AppRole();
        await client.WrapAsync(Key, Context, Token);
        _server.RenewalStatus = 400;
        _time.Advance(TimeSpan.FromMinutes(41));

        await client.WrapAsync(Key, Context, Token);

        Assert.Equal((2, 1), (_server.Logins, _server.Renewals));
    }

    [Fact]
    public async Task Renewal_that_fails_disturbs_nobody_while_the_token_lives()
    {
        using var client = AppRole();
        await client.WrapAsync(Key, Context, Token);
        _server.RenewalStatus = 500;
        _time.Advance(TimeSpan.FromMinutes(41));

        await client.WrapAsync(Key, Context, Token);

        await client.WrapAsync(Key, Context, Token);
        Assert.Equal((1, 1), (_server.Logins, _server.Renewals));
        _time.Advance(TimeSpan.FromMinutes(20));
        await client.WrapAsync(Key, Context, Token);
        Assert.Equal(2, _server.Logins);
    }

    [Fact]
    public async Task Many_callers_with_a_revoked_token_log_in_once()
    {
        using var client = AppRole();
        var copy = await client.WrapAsync(Key, Context, Token);
        _server.RevokeAll();

        await Task.WhenAll(Enumerable.Range(0, 64).Select(async _ => Assert.Equal(Key, await client.UnwrapAsync(copy, Context, Token))));

        Assert.Equal(2, _server.Logins);
    }

    [Fact]
    public async Task Denied_requests_leave_no_tokens_behind()
    {
        using var client = AppRole();
        var copy = await client.WrapAsync(Key, Context, Token);
        _server.Policy["decrypt/first"] = [];

        for (var i = 0; i < 10; i++)
        {
            var e = await Assert.ThrowsAsync<KmsException>(async () => await client.UnwrapAsync(copy, Context, Token));
            Assert.Equal(KmsErrorKind.AccessDenied, e.Kind);
            Assert.Contains("'update' on 'transit/decrypt/first'", e.Message, StringComparison.Ordinal);
        }

        Assert.Equal(1, _server.Logins);
        Assert.Single(_server.TokensIssued);
    }

    [Fact]
    public async Task Policy_without_read_on_the_key_is_said()
    {
        _server.Policy["keys/first"] = [];
        using var client = AppRole();

        var e = await Assert.ThrowsAsync<KmsException>(async () => await client.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.AccessDenied, e.Kind);
        Assert.Contains("'read' on 'transit/keys/first'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_secret_is_sent_once()
    {
        using var client = Client(VaultTokens.AppRole(_server.RoleId, "wrong-secret"));

        var e = await Assert.ThrowsAsync<KmsException>(async () => await client.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
        Assert.Contains("auth/approle/login", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-secret", e.ToString() + _log.Text, StringComparison.Ordinal);
        Assert.Equal((1, 0), (_server.Logins, _server.Requests));
    }

    [Fact]
    public async Task Service_account_logs_in_with_the_token_that_its_file_has_now()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, _server.Jwt + "\n", Token);
        using var client = Client(VaultTokens.Kubernetes(_server.RoleId, tokenFile: file));
        await client.WrapAsync(Key, Context, Token);
        _server.Jwt = "eyJ.the.next";
        await File.WriteAllTextAsync(file, _server.Jwt, Token);
        _server.RevokeAll();

        await client.WrapAsync(Key, Context, Token);

        File.Delete(file);
        Assert.Equal(2, _server.Logins);
    }

    [Fact]
    public async Task Token_file_is_read_again_when_its_token_is_refused()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, _server.Issue(), Token);
        using var client = Client(VaultTokens.FromFile(file));
        await client.WrapAsync(Key, Context, Token);
        _server.RevokeAll();
        await File.WriteAllTextAsync(file, _server.Issue() + "\n", Token);

        await client.WrapAsync(Key, Context, Token);

        File.Delete(file);
        _server.RevokeAll();
        var e = await Assert.ThrowsAsync<KmsException>(async () => await client.WrapAsync(Key, Context, Token));
        Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
        Assert.Contains(file, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Delegate_is_asked_again_when_its_token_is_refused()
    {
        var asked = 0;
        using var client = Client(VaultTokens.From(_ =>
        {
            asked++;
            return new ValueTask<string>(_server.Issue());
        }));
        await client.WrapAsync(Key, Context, Token);
        _server.RevokeAll();

        await client.WrapAsync(Key, Context, Token);

        Assert.Equal(2, asked);
    }

    [Theory]
    [InlineData("")]
    [InlineData("two\r\nX-Evil: 1")]
    public async Task Token_that_is_none_is_never_sent(string token)
    {
        using var client = Client(VaultTokens.From(_ => new ValueTask<string>(token)));

        Assert.Equal(KmsErrorKind.Unauthenticated, (await Assert.ThrowsAsync<KmsException>(async () => await client.WrapAsync(Key, Context, Token))).Kind);
        Assert.Equal(0, _server.Requests);
    }

    private VaultKeyWrapper AppRole() => Client(VaultTokens.AppRole(_server.RoleId, _server.SecretId));

    private VaultKeyWrapper Client(IVaultTokenSource tokens)
        => (VaultKeyWrapper)VaultTransit.CreateKeyWrapper(
            "first", tokens, new VaultTransitOptions { BaseAddress = _server.Address, MaxRetries = 0 }, new KmsServices(_time, _log));
}
