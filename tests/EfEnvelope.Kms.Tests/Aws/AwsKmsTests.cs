using Amazon.KeyManagementService;
using Amazon.Runtime;
using EfEnvelope.Kms.Aws;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Tests.Aws;

public sealed class AwsKmsTests : IAsyncLifetime
{
    private const string KeyId = "1234abcd-12ab-34cd-56ef-1234567890ab";

    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = Enumerable.Range(1, 32).Select(i => (byte)i).ToArray();

    private AwsKmsHarness _kms = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _kms = await AwsKmsHarness.StartAsync();

    public ValueTask DisposeAsync() => _kms.DisposeAsync();

    [Fact]
    public async Task Wrapping_takes_an_encryption_and_a_decryption_that_proves_it()
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);

        Assert.Equal(["Encrypt", "Decrypt"], _kms.Server.Operations);
        Assert.Equal($"{KeyId}/{_kms.Key.Current.Id}", copy.KekVersion);
    }

    [Fact]
    public async Task Rewrapping_happens_inside_the_service()
    {
        var copy = await _kms.OtherKey.WrapAsync(Key, Context, Token);
        var before = _kms.Server.Operations.Count;

        var rewrapped = await _kms.Wrapper.RewrapAsync(copy, Context, Token);

        Assert.Equal(["ReEncrypt"], _kms.Server.Operations.Skip(before));
        Assert.Equal($"{KeyId}/{_kms.Key.Current.Id}", rewrapped.KekVersion);
    }

    [Theory]
    [InlineData("alias/clinic")]
    [InlineData("arn:aws:kms:eu-central-1:111122223333:alias/clinic")]
    public async Task Alias_that_points_to_another_key_now_opens_what_it_wrapped_before(string alias)
    {
        _kms.Server.PointAlias("alias/clinic", _kms.Key);
        using var owned = (IDisposable)_kms.Create(alias);
        var wrapper = (IKeyWrapper)owned;
        var before = await wrapper.WrapAsync(Key, Context, Token);
        _kms.Server.PointAlias("alias/clinic", _kms.Other);

        Assert.Equal(Key, await wrapper.UnwrapAsync(before, Context, Token));
        Assert.NotEqual((await wrapper.DescribeAsync(Token)).PrimaryVersion, before.KekVersion);
        var after = await wrapper.RewrapAsync(before, Context, Token);
        Assert.Equal((await wrapper.DescribeAsync(Token)).PrimaryVersion, after.KekVersion);
        _kms.Server.DeleteKey(_kms.Key);
        Assert.Equal(Key, await wrapper.UnwrapAsync(after, Context, Token));
    }

    [Fact]
    public async Task Copy_of_a_multi_region_key_opens_by_the_replica_of_the_own_region()
    {
        var replica = _kms.Server.CreateKey("mrk-1234abcd12ab34cd56ef1234567890ab");
        using var owned = (IDisposable)_kms.Create(replica.Arn);
        var wrapper = (IKeyWrapper)owned;
        var copy = await wrapper.WrapAsync(Key, Context, Token);

        var elsewhere = copy with { Kek = new KekUri(copy.Kek.ToString().Replace("eu-central-1", "us-east-1", StringComparison.Ordinal)) };

        Assert.Equal(Key, await wrapper.UnwrapAsync(elsewhere, Context, Token));
    }

    [Fact]
    public async Task Copy_of_another_region_is_refused_before_it_is_sent()
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        var before = _kms.Requests;

        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.UnwrapAsync(
            copy with { Kek = new KekUri("aws-kms:arn:aws:kms:us-east-1:111122223333:key/" + KeyId) }, Context, Token));

        Assert.Equal(KmsErrorKind.WrongKey, e.Kind);
        Assert.Contains("us-east-1", e.Message, StringComparison.Ordinal);
        Assert.Equal(before, _kms.Requests);
    }

    [Fact]
    public async Task Key_is_described_with_its_dates()
    {
        _kms.Key.State = "PendingDeletion";

        var described = await _kms.Wrapper.DescribeAsync(Token);

        Assert.Equal(KekState.PendingDeletion, described.State);
        Assert.Equal("AWS_KMS", described.Protection);
        Assert.Equal(DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123), described.CreatedAt);
        Assert.Equal(DateTimeOffset.FromUnixTimeMilliseconds(1_900_000_000_500), described.DeletionAt);
    }

    [Fact]
    public async Task Own_client_is_used_and_its_credentials_are_renewed()
    {
        var role = new AssumedRole(_kms.Server);
        using var client = new AmazonKeyManagementServiceClient(new AmazonKeyManagementServiceConfig
        {
            ServiceURL = _kms.Server.Address.ToString(), AuthenticationRegion = AwsKmsServer.Region, DefaultAWSCredentials = role,
        });
        var wrapper = AwsKms.CreateKeyWrapper(KeyId, client);
        var copy = await wrapper.WrapAsync(Key, Context, Token);
        _kms.Server.ExpireCredentials();

        Assert.Equal(Key, await wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Equal(2, role.Issued.Count);
        ((IDisposable)wrapper).Dispose();
        Assert.NotNull(await client.DescribeKeyAsync(KeyId, Token));
    }

    [Fact]
    public async Task Own_handler_sends_the_requests()
    {
        using var handler = new CountingHandler();
        using (var owned = (IDisposable)_kms.Create(KeyId, o => o with { Handler = handler }))
            await ((IKeyWrapper)owned).WrapAsync(Key, Context, Token);

        Assert.Equal(2, handler.Requests);
        Assert.False(handler.IsDisposed);
    }

    [Fact]
    public void Stored_form_never_changes()
    {
        const string stored
            = """[{"kek":"aws-kms:alias/clinic","version":"1234abcd-12ab-34cd-56ef-1234567890ab/0a1b2c","key":"AQID"}]""";
        var copy = new WrappedKeyCopy(new KekUri("aws-kms:alias/clinic"), AwsKeyId.VersionOf($"arn:aws:kms:eu-central-1:111122223333:key/{KeyId}", "0a1b2c"), new byte[] { 1, 2, 3 });

        Assert.Equal(stored, new WrappedKey(copy).ToString());
        Assert.True(AwsKeyId.TryParse("alias/clinic", out var alias));
        Assert.Equal(KeyId, alias.ForUnwrap(copy.KekVersion, alias));
    }

    [Theory]
    [InlineData("")]
    [InlineData("key/1234")]
    [InlineData("alias/")]
    [InlineData("alias/a b")]
    [InlineData("arn:aws:s3:eu-central-1:111122223333:key/1234")]
    [InlineData("arn:aws:kms:eu-central-1:1:key/1234")]
    [InlineData("1234\n")]
    public void Malformed_key_name_is_refused_at_once(string keyId)
        => Assert.Contains("Give a key ARN", Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseAwsKms(keyId)).Message, StringComparison.Ordinal);

    [Fact]
    public void All_faults_of_the_options_are_said_at_once()
    {
        var options = new AwsKmsOptions { Region = "Frankfurt", BaseAddress = new Uri("http://kms.example.org"), Timeout = TimeSpan.Zero, MaxRetries = -1 };

        var message = Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseAwsKms("alias/clinic", options)).Message;

        Assert.All((string[])["Region", "BaseAddress", "Timeout", "MaxRetries"], option => Assert.Contains($"AwsKmsOptions.{option}", message, StringComparison.Ordinal));
    }

    [Fact]
    public void Region_of_the_ARN_is_the_region()
    {
        using var wrapper = (IDisposable)AwsKms.CreateKeyWrapper($"arn:aws:kms:eu-west-3:111122223333:key/{KeyId}");

        Assert.Equal($"aws-kms:arn:aws:kms:eu-west-3:111122223333:key/{KeyId}", ((IKeyWrapper)wrapper).Kek.ToString());
    }

    [Fact]
    public void Equal_options_are_one_identity_that_shows_no_credentials()
    {
        var credentials = new BasicAWSCredentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        var (first, second) = (Identify("eu-central-1"), Identify("eu-central-1"));

        Assert.Equal(first, second);
        Assert.NotEqual(first, Identify("eu-west-1"));
        Assert.DoesNotContain("wJalr", $"{first} {first.Options}", StringComparison.Ordinal);
        Assert.DoesNotContain("AKIA", $"{first} {first.Options}", StringComparison.Ordinal);

        AwsKmsIdentity Identify(string region) => AwsKms.Identify("alias/clinic", new AwsKmsOptions { Region = region, Credentials = credentials });
    }

    private sealed class CountingHandler() : DelegatingHandler(new SocketsHttpHandler())
    {
        private int _requests;

        public int Requests => Volatile.Read(ref _requests);

        public bool IsDisposed { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _requests);
            return base.SendAsync(request, cancellationToken);
        }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
