using System.Security.Cryptography;
using Amazon.Runtime;

namespace EfEnvelope.Kms.Tests.Aws;

public sealed class AwsKmsErrorTests : IAsyncLifetime
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);

    private AwsKmsHarness _kms = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _kms = await AwsKmsHarness.StartAsync();

    public ValueTask DisposeAsync() => _kms.DisposeAsync();

    [Theory]
    [InlineData(400, """{"__type":"ThrottlingException","message":"Rate exceeded"}""", KmsErrorKind.Throttled)]
    [InlineData(400, """{"__type":"LimitExceededException","message":"A quota was exceeded."}""", KmsErrorKind.InvalidRequest)]
    [InlineData(500, """{"__type":"KMSInternalException"}""", KmsErrorKind.Unavailable)]
    [InlineData(500, """{"__type":"KeyUnavailableException"}""", KmsErrorKind.Unavailable)]
    [InlineData(503, """{"__type":"DependencyTimeoutException"}""", KmsErrorKind.Timeout)]
    [InlineData(503, "<html><body>Service Unavailable</body></html>", KmsErrorKind.Unavailable)]
    [InlineData(400, """{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}""", KmsErrorKind.Unauthenticated)]
    [InlineData(400, """{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}""", KmsErrorKind.Unauthenticated)]
    [InlineData(403, """{"__type":"MissingAuthenticationTokenException","message":"Request is missing Authentication Token"}""", KmsErrorKind.Unauthenticated)]
    [InlineData(400, """{"__type":"InvalidGrantTokenException"}""", KmsErrorKind.Unauthenticated)]
    [InlineData(400, """{"__type":"AccessDeniedException","Message":"User: arn:aws:iam::111122223333:user/a is not authorized to perform: kms:Decrypt"}""", KmsErrorKind.AccessDenied)]
    [InlineData(400, """{"__type":"NotFoundException","message":"Key 'x' does not exist"}""", KmsErrorKind.NotFound)]
    [InlineData(400, """{"__type":"com.amazonaws.kms#NotFoundException","message":"Key 'x' does not exist"}""", KmsErrorKind.NotFound)]
    [InlineData(400, """{"__type":"DisabledException","message":"arn:aws:kms:eu-central-1:111122223333:key/x is disabled."}""", KmsErrorKind.Disabled)]
    [InlineData(400, """{"__type":"KMSInvalidStateException","message":"arn:aws:kms:eu-central-1:111122223333:key/x is pending deletion."}""", KmsErrorKind.PendingDeletion)]
    [InlineData(400, """{"__type":"KMSInvalidStateException","message":"arn:aws:kms:eu-central-1:111122223333:key/x is pending import."}""", KmsErrorKind.Disabled)]
    [InlineData(400, """{"__type":"IncorrectKeyException","message":"The key ID in the request does not identify a CMK that can perform this operation."}""", KmsErrorKind.WrongKey)]
    [InlineData(400, """{"__type":"InvalidCiphertextException"}""", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, """{"__type":"InvalidKeyUsageException","message":"arn:x key usage is SIGN_VERIFY which is not valid for Decrypt."}""", KmsErrorKind.InvalidRequest)]
    [InlineData(400, """{"__type":"ValidationException","message":"1 validation error detected"}""", KmsErrorKind.InvalidRequest)]
    public async Task Each_answer_of_the_service_has_its_kind(int status, string body, KmsErrorKind kind)
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        _kms.Server.Canned = (status, body);

        var e = await ThrowsAsync(() => _kms.Wrapper.UnwrapAsync(copy, Context, Token));

        Assert.Equal(kind, e.Kind);
        Assert.Contains(_kms.Key.Arn, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Disabled", KmsErrorKind.Disabled)]
    [InlineData("PendingDeletion", KmsErrorKind.PendingDeletion)]
    [InlineData("PendingImport", KmsErrorKind.Disabled)]
    [InlineData("Unavailable", KmsErrorKind.Unavailable)]
    public async Task State_of_a_key_is_told_by_its_description(string state, KmsErrorKind kind)
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        _kms.Key.State = state;

        Assert.Equal(kind, (await ThrowsAsync(() => _kms.Wrapper.UnwrapAsync(copy, Context, Token))).Kind);
        Assert.Equal(kind, (await ThrowsAsync(() => _kms.Wrapper.RewrapAsync(copy, Context, Token))).Kind);
    }

    [Fact]
    public async Task Who_may_not_describe_a_key_still_learns_that_it_will_be_deleted()
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        _kms.Key.State = "PendingDeletion";
        _kms.Server.Denied["kms:DescribeKey"] = true;

        Assert.Equal(KmsErrorKind.PendingDeletion, (await ThrowsAsync(() => _kms.Wrapper.UnwrapAsync(copy, Context, Token))).Kind);
    }

    [Theory]
    [InlineData("kms:Encrypt")]
    [InlineData("kms:Decrypt")]
    [InlineData("kms:ReEncryptFrom")]
    [InlineData("kms:ReEncryptTo")]
    [InlineData("kms:DescribeKey")]
    public async Task Refusal_names_the_permission_that_is_missing(string permission)
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        _kms.Server.Denied[permission] = true;

        var e = await ThrowsAsync<object>(permission switch
        {
            "kms:Encrypt" => async () => await _kms.Wrapper.WrapAsync(new byte[32], Context, Token),
            "kms:Decrypt" => async () => await _kms.Wrapper.UnwrapAsync(copy, Context, Token),
            "kms:DescribeKey" => async () => await _kms.Wrapper.DescribeAsync(Token),
            _ => async () => await _kms.Wrapper.RewrapAsync(copy, Context, Token),
        });

        Assert.Equal(KmsErrorKind.AccessDenied, e.Kind);
        Assert.Contains($"'{permission}'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Session_token_that_a_refused_signature_quotes_is_not_passed_on()
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        _kms.Server.Canned = (403, $$"""{"__type":"InvalidSignatureException","message":"The Canonical String should have been 'x-amz-security-token:{{_kms.Secrets.Last()}}'"}""");

        var e = await ThrowsAsync(() => _kms.Wrapper.UnwrapAsync(copy, Context, Token));

        Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
        Assert.All(_kms.Secrets, secret => Assert.DoesNotContain(secret, e + _kms.Log, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Signature_by_another_secret_is_refused()
    {
        var issued = _kms.Server.IssueCredential();
        using var right = (IDisposable)_kms.Create(_kms.Key.Arn, o => o with { Credentials = new SessionAWSCredentials(issued.AccessKey, issued.SecretKey, issued.Token) });
        using var wrong = (IDisposable)_kms.Create(_kms.Key.Arn, o => o with { Credentials = new SessionAWSCredentials(issued.AccessKey, "wrong" + issued.SecretKey, issued.Token) });

        Assert.NotNull(await ((IKeyWrapper)right).DescribeAsync(Token));
        Assert.Equal(KmsErrorKind.Unauthenticated, (await ThrowsAsync(() => ((IKeyWrapper)wrong).DescribeAsync(Token))).Kind);
    }

    [Fact]
    public async Task Callers_that_are_refused_together_get_new_credentials_together()
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        var before = _kms.Renewals;
        await _kms.ExpireCredentialsAsync(forGood: false);

        await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => _kms.Wrapper.UnwrapAsync(copy, Context, Token).AsTask()));

        Assert.Equal(1, _kms.Renewals - before);
    }

    [Fact]
    public async Task Credentials_that_cannot_be_had_are_said()
    {
        using var wrapper = (IDisposable)_kms.Create(_kms.Key.Arn, o => o with { Credentials = new NoCredentials(outage: false) });
        var e = await ThrowsAsync(() => ((IKeyWrapper)wrapper).WrapAsync(new byte[32], Context, Token));

        Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
        Assert.Contains("no credentials", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Service_of_credentials_that_is_out_of_reach_is_an_outage()
    {
        using var wrapper = (IDisposable)_kms.Create(_kms.Key.Arn, o => o with { Credentials = new NoCredentials(outage: true) });

        Assert.True((await ThrowsAsync(() => ((IKeyWrapper)wrapper).WrapAsync(new byte[32], Context, Token))).IsTransient);
    }

    [Fact]
    public async Task Answer_without_end_is_not_read_to_its_end()
    {
        var copy = await _kms.Wrapper.WrapAsync(new byte[32], Context, Token);
        _kms.Server.Canned = (200, $$"""{"Plaintext":"{{Convert.ToBase64String(RandomNumberGenerator.GetBytes(300_000))}}"}""");

        Assert.Equal(KmsErrorKind.Unavailable, (await ThrowsAsync(() => _kms.Wrapper.UnwrapAsync(copy, Context, Token))).Kind);
    }

    [Fact]
    public async Task Wrapping_that_does_not_open_again_is_not_used()
    {
        var other = await _kms.OtherKey.WrapAsync(new byte[32], Context, Token);
        _kms.Server.Canned = (200, $$"""{"KeyId":"{{_kms.Key.Arn}}","CiphertextBlob":"{{Convert.ToBase64String(other.Ciphertext.Span)}}","Plaintext":"AAAA"}""");

        var e = await ThrowsAsync(() => _kms.Wrapper.WrapAsync(new byte[32], Context, Token));

        Assert.Equal(KmsErrorKind.Unavailable, e.Kind);
        Assert.Contains("did not open to the same key", e.Message, StringComparison.Ordinal);
    }

    private static async Task<KmsException> ThrowsAsync<T>(Func<ValueTask<T>> call) => await Assert.ThrowsAsync<KmsException>(async () => await call());

    private sealed class NoCredentials(bool outage) : AWSCredentials
    {
        public override ImmutableCredentials GetCredentials()
            => throw (outage
                ? new AmazonClientException("Error calling AssumeRole", new HttpRequestException("Connection refused"))
                : new AmazonClientException("Unable to find the 'clinic' profile."));

        public override Task<ImmutableCredentials> GetCredentialsAsync() => Task.FromResult(GetCredentials());
    }
}
