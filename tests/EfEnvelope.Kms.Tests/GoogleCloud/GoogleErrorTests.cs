using EfEnvelope.Kms.GoogleCloud;
using EfEnvelope.Kms.Tests.Conformance;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Tests.GoogleCloud;

/// <summary>What Google answers when something is wrong, and what it means.</summary>
public sealed class GoogleErrorTests : IAsyncLifetime
{
    private const string Version = $"{GoogleHarness.First}/cryptoKeyVersions/1";

    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = new byte[32];

    private GoogleHarness _kms = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _kms = await GoogleHarness.StartAsync();

    public async ValueTask DisposeAsync() => await _kms.DisposeAsync();

    [Theory]
    [InlineData(400, "INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct CryptoKey.", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, "INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, "INVALID_ARGUMENT", "The checksum in field ciphertext_crc32c did not match the data in field ciphertext.", KmsErrorKind.Unavailable)]
    [InlineData(400, "FAILED_PRECONDITION", $"{Version} is not enabled, current state is: DISABLED.", KmsErrorKind.Disabled)]
    [InlineData(400, "FAILED_PRECONDITION", $"{Version} is not enabled, current state is: DESTROY_SCHEDULED.", KmsErrorKind.PendingDeletion)]
    [InlineData(400, "FAILED_PRECONDITION", $"{Version} is not enabled, current state is: DESTROYED.", KmsErrorKind.NotFound)]
    [InlineData(400, "FAILED_PRECONDITION", $"{Version} is not enabled, current state is: PENDING_IMPORT.", KmsErrorKind.Disabled)]
    [InlineData(400, "FAILED_PRECONDITION", "User location is not supported for the API use.", KmsErrorKind.InvalidRequest)]
    [InlineData(401, "UNAUTHENTICATED", "Request is missing required authentication credential.", KmsErrorKind.Unauthenticated)]
    [InlineData(403, "PERMISSION_DENIED", "Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied on resource (or it may not exist).", KmsErrorKind.AccessDenied)]
    [InlineData(404, "NOT_FOUND", "CryptoKey not found.", KmsErrorKind.NotFound)]
    [InlineData(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Cryptographic requests'.", KmsErrorKind.Throttled)]
    [InlineData(500, "INTERNAL", "Internal error encountered.", KmsErrorKind.Unavailable)]
    [InlineData(503, "UNAVAILABLE", "The service is currently unavailable.", KmsErrorKind.Unavailable)]
    [InlineData(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.", KmsErrorKind.Timeout)]
    [InlineData(409, "ABORTED", "The operation was aborted.", KmsErrorKind.Unavailable)]
    [InlineData(501, "UNIMPLEMENTED", "Operation is not implemented.", KmsErrorKind.InvalidRequest)]
    public async Task Status_of_Google_has_its_kind(int code, string status, string message, KmsErrorKind kind)
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        _kms.Server.Instead = (code, GoogleServer.ErrorBody(code, status, message), null);

        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.UnwrapAsync(copy, Context, Token));

        Assert.Equal(kind, e.Kind);
        Assert.Contains(GoogleHarness.First, e.Message);
        Assert.DoesNotContain(message, e.Message);
        Assert.Equal(kind, GoogleCloudKms.CreateException(GoogleHarness.First, GoogleKmsOperation.Decrypt, status, message).Kind);
        Assert.Equal(kind, GoogleCloudKms.CreateException(GoogleHarness.First, GoogleKmsOperation.Decrypt, status.Replace("_", ""), message).Kind);
    }

    [Theory]
    [InlineData(401, KmsErrorKind.Unauthenticated)]
    [InlineData(403, KmsErrorKind.Unavailable)]
    [InlineData(400, KmsErrorKind.InvalidRequest)]
    [InlineData(404, KmsErrorKind.InvalidRequest)]
    [InlineData(302, KmsErrorKind.Unavailable)]
    [InlineData(429, KmsErrorKind.Throttled)]
    [InlineData(502, KmsErrorKind.Unavailable)]
    [InlineData(504, KmsErrorKind.Timeout)]
    [InlineData(200, KmsErrorKind.Unavailable)]
    public async Task Answer_of_a_proxy_never_says_that_a_copy_was_altered(int code, KmsErrorKind kind)
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        _kms.Server.Instead = (code, "<html><body>Something else answers here.</body></html>", null);

        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.UnwrapAsync(copy, Context, Token));

        Assert.Equal(kind, e.Kind);
    }

    [Fact]
    public async Task Answer_without_end_is_not_read()
    {
        _kms.Server.Instead = (200, $$"""{"name":"{{new string('x', 300_000)}}"}""", null);

        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.Unavailable, e.Kind);
    }

    [Fact]
    public async Task Denial_names_the_permission_that_is_missing()
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        await _kms.DenyAsync();

        Assert.Contains("useToEncrypt", (await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.WrapAsync(Key, Context, Token))).Message);
        Assert.Contains("useToDecrypt", (await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.UnwrapAsync(copy, Context, Token))).Message);
        Assert.Contains("cryptoKeys.get", (await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.DescribeAsync(Token))).Message);
    }

    [Fact]
    public async Task Disabled_API_is_told_from_a_missing_permission()
    {
        _kms.Server.Instead = (403, GoogleServer.ErrorBody(
            403, "PERMISSION_DENIED", "Cloud Key Management Service (KMS) API has not been used in project 123 before or it is disabled.", "SERVICE_DISABLED"), null);

        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.AccessDenied, e.Kind);
        Assert.Contains("cloudkms.googleapis.com", e.Message);
    }

    [Theory]
    [InlineData("3", null)]
    [InlineData(null, "3s")]
    public async Task Asked_for_delay_is_waited_for(string? header, string? retryInfo)
    {
        var time = new FakeTimeProvider();
        var wrapper = GoogleCloudKms.CreateKeyWrapper(
            GoogleHarness.First, _kms.Credential, _kms.Options() with { MaxRetries = 1, Timeout = TimeSpan.FromMinutes(5) }, new KmsServices(time, NullLoggerFactory.Instance));
        var details = retryInfo is null ? "" : $$""","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{{retryInfo}}"}]""";
        _kms.Server.Instead = (429, """{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED"DETAILS}}""".Replace("DETAILS", details), header);
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

    [Theory]
    [InlineData("ciphertextCrc32c", "1")]
    [InlineData("ciphertextCrc32c", null)]
    [InlineData("ciphertext", "AAEC")]
    [InlineData("verifiedPlaintextCrc32c", null)]
    [InlineData("verifiedAdditionalAuthenticatedDataCrc32c", null)]
    [InlineData("name", null)]
    public async Task Damaged_answer_to_a_wrap_is_asked_for_twice_more_and_never_taken(string field, string? value)
    {
        _kms.Server.Damage = answer => answer[field] = value;

        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.Unavailable, e.Kind);
        Assert.Equal(3, _kms.Requests);
    }

    [Theory]
    [InlineData("plaintextCrc32c", "1")]
    [InlineData("plaintextCrc32c", null)]
    [InlineData("plaintext", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=")]
    public async Task Damaged_key_is_never_handed_out_and_a_whole_one_is_when_it_comes(string field, string? value)
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        _kms.Server.Damage = answer => answer[field] = value;
        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Equal(KmsErrorKind.Unavailable, e.Kind);
        Assert.Equal(4, _kms.Requests);

        _kms.Server.Damage = answer =>
        {
            answer[field] = value;
            _kms.Server.Damage = null;
        };

        Assert.Equal(Key, await _kms.Wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Contains("2302", _kms.Log);
    }
}
