using Azure;
using Azure.Core;
using EfEnvelope.Kms.Azure;
using EfEnvelope.Kms.Tests.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Tests.Azure;

public sealed class KeyVaultErrorTests : IAsyncLifetime
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);

    private KeyVaultHarness _kms = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _kms = await KeyVaultHarness.StartAsync();

    public ValueTask DisposeAsync() => _kms.DisposeAsync();

    [Theory]
    [InlineData(401, """{"error":{"code":"Unauthorized","message":"AKV10022: Invalid audience."}}""", KmsErrorKind.Unauthenticated)]
    [InlineData(403, """{"error":{"code":"Forbidden","message":"The user does not have keys unwrapkey permission on key vault 'clinic'.","innererror":{"code":"AccessDenied"}}}""", KmsErrorKind.AccessDenied)]
    [InlineData(403, """{"error":{"code":"Forbidden","message":"Caller is not authorized.","innererror":{"code":"ForbiddenByRbac"}}}""", KmsErrorKind.AccessDenied)]
    [InlineData(403, """{"error":{"code":"Forbidden","message":"Client address is not authorized.","innererror":{"code":"ForbiddenByFirewall"}}}""", KmsErrorKind.AccessDenied)]
    [InlineData(403, """{"error":{"code":"Forbidden","message":"Operation unwrap is not allowed on a disabled key.","innererror":{"code":"KeyDisabled"}}}""", KmsErrorKind.Disabled)]
    [InlineData(403, """{"error":{"code":"Forbidden","message":"Operation unwrap is not allowed on a disabled key."}}""", KmsErrorKind.Disabled)]
    [InlineData(403, """{"error":{"code":"Forbidden","message":"No.","innererror":{"code":"KeyNotYetValidOrExpired"}}}""", KmsErrorKind.Disabled)]
    [InlineData(404, """{"error":{"code":"KeyNotFound","message":"A key with (name/id) clinic was not found in this key vault."}}""", KmsErrorKind.NotFound)]
    [InlineData(409, """{"error":{"code":"Conflict","message":"Key clinic is currently in a deleted but recoverable state.","innererror":{"code":"ObjectIsDeletedButRecoverable"}}}""", KmsErrorKind.PendingDeletion)]
    [InlineData(409, """{"error":{"code":"Conflict","message":"Key clinic is being deleted.","innererror":{"code":"ObjectIsBeingDeleted"}}}""", KmsErrorKind.PendingDeletion)]
    [InlineData(400, """{"error":{"code":"BadParameter","message":"The parameter is incorrect.\r\n"}}""", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, """{"error":{"code":"CryptographicError","message":"The ciphertext does not open."}}""", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, """{"error":{"code":"KeyOperationForbidden","message":"Operation unwrapKey is not permitted on this key."}}""", KmsErrorKind.InvalidRequest)]
    [InlineData(429, """{"error":{"code":"Throttled","message":"Request was not processed because too many requests were received."}}""", KmsErrorKind.Throttled)]
    [InlineData(500, """{"error":{"code":"InternalServerError","message":"An error occurred."}}""", KmsErrorKind.Unavailable)]
    [InlineData(503, "<html>Service Unavailable</html>", KmsErrorKind.Unavailable)]
    [InlineData(504, "", KmsErrorKind.Timeout)]
    [InlineData(302, "", KmsErrorKind.Unavailable)]
    [InlineData(200, "<html>Sign in to the network</html>", KmsErrorKind.Unavailable)]
    [InlineData(200, """{"kid":"https://clinic.vault.azure.net/keys/clinic/1","value":7}""", KmsErrorKind.Unavailable)]
    public async Task Each_answer_of_the_service_has_its_kind(int status, string body, KmsErrorKind kind)
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        _kms.Server.Canned = (status, body);

        var e = await ThrowsAsync(() => _kms.Wrapper.UnwrapAsync(copy, Context, Token));

        Assert.Equal(kind, e.Kind);
        Assert.Contains("azure-kv:clinic.vault.azure.net/keys/clinic", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("3f2504e0-4f89-11d3-9a0c-0305e82c3301")]
    [InlineData("v1.2_beta~1")]
    public async Task Version_that_is_not_hexadecimal_is_taken_as_it_is(string version)
    {
        _kms.Key.Newest.Id = version;
        var key = new byte[32];

        var copy = await _kms.Wrapper.WrapAsync(key, Context, Token);

        Assert.Equal(version, copy.KekVersion);
        Assert.Equal(key, await _kms.Wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Equal(version, (await _kms.Wrapper.DescribeAsync(Token)).PrimaryVersion);
    }

    [Fact]
    public async Task Bad_parameter_of_a_wrap_is_no_altered_copy()
    {
        await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        _kms.Server.Canned = (400, """{"error":{"code":"BadParameter","message":"Key size"}}""");

        Assert.Equal(KmsErrorKind.InvalidRequest, (await ThrowsAsync(() => _kms.Wrapper.WrapAsync(new byte[32], Context, Token))).Kind);
    }

    [Fact]
    public async Task Refusal_names_the_permission_that_is_missing()
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        _kms.Server.Denied = true;

        Assert.Contains("vaults/keys/wrap/action", (await ThrowsAsync(() => _kms.Wrapper.WrapAsync(new byte[32], Context, Token))).Message, StringComparison.Ordinal);
        Assert.Contains("vaults/keys/unwrap/action", (await ThrowsAsync(() => _kms.Wrapper.UnwrapAsync(copy, Context, Token))).Message, StringComparison.Ordinal);
        Assert.Contains("vaults/keys/read", (await ThrowsAsync(() => _kms.Wrapper.DescribeAsync(Token))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Time_that_the_service_asks_to_wait_is_waited()
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        using var owned = (IDisposable)_kms.Create($"https://{_kms.Host}/keys/clinic", o => o with { Timeout = TimeSpan.FromMinutes(5) }, time);
        await ((IKeyWrapper)owned).UnwrapAsync(copy, Context, Token);
        _kms.Server.RetryAfter = "3";
        _kms.Server.Inject(ServerFault.Throttled, 1);
        var waited = TimeSpan.Zero;

        var call = ((IKeyWrapper)owned).UnwrapAsync(copy, Context, Token).AsTask();
        while (!call.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            waited += TimeSpan.FromMilliseconds(100);
            await Task.Delay(10, Token);
        }

        Assert.Equal(new byte[32], await call);
        Assert.True(waited >= TimeSpan.FromSeconds(3), $"{waited}");
    }

    [Fact]
    public async Task Time_that_the_service_asks_to_wait_is_passed_on()
    {
        using var owned = (IDisposable)_kms.Create($"https://{_kms.Host}/keys/clinic", o => o with { MaxRetries = 0 });
        await ((IKeyWrapper)owned).WrapAsync(new byte[32], Context, Token);
        _kms.Server.RetryAfter = "17";
        _kms.Server.Inject(ServerFault.Throttled, 1);

        Assert.Equal(TimeSpan.FromSeconds(17), (await ThrowsAsync(() => ((IKeyWrapper)owned).WrapAsync(new byte[32], Context, Token))).RetryAfter);
    }

    [Fact]
    public async Task Answer_without_end_is_not_read_to_its_end()
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        _kms.Server.Canned = (200, new string(' ', 100_000) + """{"kid":"https://clinic.vault.azure.net/keys/clinic/1","value":"AAAA"}""");

        Assert.Equal(KmsErrorKind.Unavailable, (await ThrowsAsync(() => _kms.Wrapper.UnwrapAsync(copy, Context, Token))).Kind);
    }

    [Fact]
    public async Task Callers_that_are_refused_together_get_a_new_token_together()
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        var before = _kms.Renewals;
        await _kms.ExpireCredentialsAsync(forGood: false);

        await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => _kms.Wrapper.UnwrapAsync(copy, Context, Token).AsTask()));

        Assert.Equal(1, _kms.Renewals - before);
    }

    [Theory]
    [InlineData(false, KmsErrorKind.Unauthenticated)]
    [InlineData(true, KmsErrorKind.Unavailable)]
    public async Task Token_that_cannot_be_had_is_a_refusal_or_an_outage(bool outage, KmsErrorKind kind)
    {
        var cause = outage ? new InvalidOperationException("No identity.", new HttpRequestException("Connection refused")) : new InvalidOperationException("No identity.");
        using var owned = (IDisposable)AzureKeyVault.CreateKeyWrapper(
            $"https://{_kms.Host}/keys/clinic", new FailingCredential(cause), new AzureKeyVaultOptions { Handler = _kms.Handler, MaxRetries = 0 });

        var e = await ThrowsAsync(() => ((IKeyWrapper)owned).WrapAsync(new byte[32], Context, Token));

        Assert.Equal(kind, e.Kind);
        Assert.Same(cause, e.InnerException);
    }

    [Fact]
    public async Task Token_that_is_given_up_by_a_time_out_of_its_source_is_an_outage()
    {
        using var owned = (IDisposable)AzureKeyVault.CreateKeyWrapper(
            $"https://{_kms.Host}/keys/clinic",
            new FailingCredential(new TaskCanceledException("The request was canceled.")),
            new AzureKeyVaultOptions { Handler = _kms.Handler, MaxRetries = 0, Timeout = KeyVaultHarness.Patience });

        Assert.True((await ThrowsAsync(() => ((IKeyWrapper)owned).WrapAsync(new byte[32], Context, Token))).IsTransient);
        Assert.True((await ThrowsAsync(() => ((IKeyWrapper)owned).DescribeAsync(Token))).IsTransient);
    }

    [Fact]
    public async Task Token_that_takes_longer_than_an_attempt_is_waited_for_by_the_next_one()
    {
        var slow = new SlowCredential(_kms.Credential);
        var time = new FakeTimeProvider();
        using var owned = (IDisposable)AzureKeyVault.CreateKeyWrapper(
            $"https://{_kms.Host}/keys/clinic",
            slow,
            new AzureKeyVaultOptions { Handler = _kms.Handler, Timeout = TimeSpan.FromSeconds(5), MaxRetries = 10 },
            new KmsServices(time, NullLoggerFactory.Instance));

        var call = ((IKeyWrapper)owned).WrapAsync(new byte[32], Context, Token).AsTask();
        while (slow.Asked == 0 && !call.IsCompleted)
            await Task.Delay(10, Token);
        for (var i = 0; i < 20; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(10, Token);
        }

        slow.Ready.SetResult();
        while (!call.IsCompleted)
        {
            // Not faster than the real clock, by which the server answers.
            time.Advance(TimeSpan.FromMilliseconds(10));
            await Task.Delay(10, Token);
        }

        await call;

        Assert.Equal(1, slow.Asked);
    }

    private static async Task<KmsException> ThrowsAsync<T>(Func<ValueTask<T>> call) => await Assert.ThrowsAsync<KmsException>(async () => await call());

    private sealed class FailingCredential(Exception cause) : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) => throw cause;

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) => throw cause;
    }

    private sealed class SlowCredential(TokenCredential inner) : TokenCredential
    {
        private int _asked;

        public TaskCompletionSource Ready { get; } = new();

        public int Asked => Volatile.Read(ref _asked);

        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override async ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _asked);
            await Ready.Task.WaitAsync(cancellationToken);
            return await inner.GetTokenAsync(requestContext, cancellationToken);
        }
    }
}
