using EfEnvelope.Kms.Oci;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Tests.Oci;

/// <summary>What OCI answers when something is wrong, and what it means.</summary>
public sealed class OciErrorTests : IAsyncLifetime
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = new byte[32];

    private OciHarness _kms = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _kms = await OciHarness.StartAsync();

    public async ValueTask DisposeAsync() => await _kms.DisposeAsync();

    // The codes are those of Oracle's table of errors that all services return.
    [Theory]
    [InlineData(400, "InvalidParameter", "Unable to decrypt the ciphertext", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, "MissingParameter", "Missing keyId", KmsErrorKind.InvalidRequest)]
    [InlineData(400, "CannotParseRequest", "Unable to parse the request", KmsErrorKind.InvalidRequest)]
    [InlineData(400, "LimitExceeded", "The limit is exceeded", KmsErrorKind.InvalidRequest)]
    [InlineData(400, "RelatedResourceNotAuthorizedOrNotFound", "Related resource", KmsErrorKind.NotFoundOrDenied)]
    [InlineData(401, "NotAuthenticated", "The required information to complete authentication was not provided or was incorrect.", KmsErrorKind.Unauthenticated)]
    [InlineData(402, "SignUpRequired", "Sign up", KmsErrorKind.AccessDenied)]
    [InlineData(403, "NotAuthorized", "You do not have authorization", KmsErrorKind.AccessDenied)]
    [InlineData(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.", KmsErrorKind.NotFoundOrDenied)]
    [InlineData(404, "NotFound", "HTTP 404 Not Found", KmsErrorKind.InvalidRequest)]
    [InlineData(405, "MethodNotAllowed", "HTTP 405 Method Not Allowed", KmsErrorKind.InvalidRequest)]
    [InlineData(409, "IncorrectState", "The key is in the state DISABLED, but must be ENABLED.", KmsErrorKind.Disabled)]
    [InlineData(409, "IncorrectState", "The key is in the state PENDING_DELETION, but must be ENABLED.", KmsErrorKind.PendingDeletion)]
    [InlineData(409, "IncorrectState", "The key is in the state SCHEDULING_DELETION, but must be ENABLED.", KmsErrorKind.PendingDeletion)]
    [InlineData(429, "TooManyRequests", "Too many requests for the user", KmsErrorKind.Throttled)]
    [InlineData(500, "InternalServerError", "Internal error occurred", KmsErrorKind.Unavailable)]
    [InlineData(501, "MethodNotImplemented", "HTTP 501 Not Implemented", KmsErrorKind.InvalidRequest)]
    [InlineData(503, "ServiceUnavailable", "The service is currently unavailable", KmsErrorKind.Unavailable)]
    public async Task Code_of_OCI_has_its_kind(int status, string code, string message, KmsErrorKind kind)
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        _kms.Server.Instead = (status, $$"""{"code":"{{code}}","message":"{{message}}"}""", null);

        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.UnwrapAsync(copy, Context, Token));

        Assert.Equal(kind, e.Kind);
        Assert.Contains(OciHarness.First, e.Message);
        Assert.Contains("opc-request-id 0A1B2C3D4E5F60718293A4B5C6D7E8F9/", e.Message);
        Assert.DoesNotContain(message, e.Message);
        Assert.Equal(kind, OciVault.CreateException(OciHarness.First, OciKmsOperation.Decrypt, status, code, message).Kind);
    }

    [Fact]
    public void Request_id_that_is_none_is_not_quoted()
        => Assert.DoesNotContain("opc-request-id", OciVault.CreateException(OciHarness.First, OciKmsOperation.Encrypt, 500, null, null, "<script>\r\n").Message);

    [Theory]
    [InlineData(400, KmsErrorKind.InvalidRequest)]
    [InlineData(404, KmsErrorKind.InvalidRequest)]
    [InlineData(302, KmsErrorKind.Unavailable)]
    [InlineData(403, KmsErrorKind.Unavailable)]
    [InlineData(429, KmsErrorKind.Throttled)]
    [InlineData(502, KmsErrorKind.Unavailable)]
    [InlineData(504, KmsErrorKind.Timeout)]
    [InlineData(200, KmsErrorKind.Unavailable)]
    public async Task Answer_of_a_proxy_never_says_that_a_copy_was_altered(int status, KmsErrorKind kind)
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        _kms.Server.Instead = (status, "<html><body>Something else answers here.</body></html>", null);

        Assert.Equal(kind, (await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.UnwrapAsync(copy, Context, Token))).Kind);
    }

    [Fact]
    public async Task Answer_without_end_is_not_read()
    {
        _kms.Server.Instead = (200, $$"""{"ciphertext":"{{new string('x', 300_000)}}"}""", null);

        Assert.Equal(KmsErrorKind.Unavailable, (await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.WrapAsync(Key, Context, Token))).Kind);
    }

    [Fact]
    public async Task Key_that_cannot_be_seen_names_the_permission_that_may_be_missing()
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        await _kms.DenyAsync();

        Assert.Contains("KEY_ENCRYPT", (await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.WrapAsync(Key, Context, Token))).Message);
        Assert.Contains("KEY_DECRYPT", (await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.UnwrapAsync(copy, Context, Token))).Message);
        Assert.Contains("KEY_READ", (await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.DescribeAsync(Token))).Message);
    }

    [Fact]
    public async Task Asked_for_delay_is_waited_for()
    {
        var time = new FakeTimeProvider();
        var wrapper = OciVault.CreateKeyWrapper(
            OciHarness.First,
            _kms.Server.Address.AbsoluteUri,
            OciVault.CreateConfigFileSigner(_kms.ConfigFile, "session"),
            _kms.Options() with { MaxRetries = 1, Timeout = TimeSpan.FromMinutes(5) },
            new KmsServices(time, NullLoggerFactory.Instance));
        _kms.Server.Instead = (429, """{"code":"TooManyRequests","message":"Too many requests for the user"}""", "3");
        var start = time.GetUtcNow();

        var wrapping = wrapper.WrapAsync(Key, Context, Token).AsTask();
        while (_kms.Server.AnsweredInstead == 0 && !wrapping.IsCompleted)
            await Task.Delay(5, Token);
        _kms.Server.Instead = null;
        while (!wrapping.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(20));
            await Task.Delay(5, Token);
        }

        await wrapping;
        Assert.True(time.GetUtcNow() - start >= TimeSpan.FromSeconds(3));
        Assert.Equal(2, _kms.Requests);
    }
}
