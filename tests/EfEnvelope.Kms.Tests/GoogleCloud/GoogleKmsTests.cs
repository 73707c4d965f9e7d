using EfEnvelope.Kms.GoogleCloud;
using EfEnvelope.Kms.GoogleCloud.Http;
using EfEnvelope.Kms.Tests.Conformance;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Tests.GoogleCloud;

public sealed class GoogleKmsTests : IAsyncLifetime
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private GoogleHarness _kms = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _kms = await GoogleHarness.StartAsync();

    public async ValueTask DisposeAsync() => await _kms.DisposeAsync();

    [Fact]
    public void Checksum_is_the_one_of_Castagnoli()
    {
        Assert.Equal(0xE3069283L, Crc32C.Of("123456789"u8));
        Assert.Equal(0L, Crc32C.Of([]));
        Assert.Equal(2591144780L, Crc32C.Of("hello"u8));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("clinic")]
    [InlineData("gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k")]
    [InlineData("projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1")]
    [InlineData("projects/p/locations/l/keyRings/r/cryptoKeys/k/../j")]
    [InlineData("projects/p/locations/l/keyRings/r/cryptoKeys/k?x=y")]
    [InlineData("projects/p/locations/l/keyRings/r/cryptoKeys/k\n")]
    [InlineData("/projects/p/locations/l/keyRings/r/cryptoKeys/k")]
    public void Name_that_is_not_one_of_a_key_is_refused_at_once(string? name)
    {
        var e = Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseGoogleCloudKms(name!));

        Assert.Contains("projects/…/locations/…/keyRings/…/cryptoKeys/…", e.Message);
    }

    [Fact]
    public void Malformed_options_are_refused_at_once()
    {
        GoogleCloudKmsOptions[] malformed =
        [
            new() { BaseAddress = new Uri("http://cloudkms.example.org") },
            new() { BaseAddress = new Uri("/v1", UriKind.Relative) },
            new() { BaseAddress = new Uri("https://cloudkms.example.org/?x=y") },
            new() { Timeout = TimeSpan.Zero },
            new() { Timeout = TimeSpan.FromDays(1) },
            new() { MaxRetries = -1 },
            new() { MaxRetries = 100 },
        ];

        Assert.All(malformed, options => Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseGoogleCloudKms(GoogleHarness.First, options)));
    }

    [Fact]
    public void Equal_configurations_share_an_identity_that_shows_no_credentials()
    {
        var credential = GoogleServiceAccount.Credential(_kms.Server.Address);
        Func<CancellationToken, ValueTask<string>> token = _ => new("ya29.secret");

        Assert.Equal(IdentityOf(b => b.UseGoogleCloudKms(GoogleHarness.First)), IdentityOf(b => b.UseGoogleCloudKms(GoogleHarness.First, new GoogleCloudKmsOptions())));
        Assert.Equal(IdentityOf(b => b.UseGoogleCloudKms(GoogleHarness.First, credential)), IdentityOf(b => b.UseGoogleCloudKms(GoogleHarness.First, credential)));
        Assert.Equal(IdentityOf(b => b.UseGoogleCloudKms(GoogleHarness.First, token)), IdentityOf(b => b.UseGoogleCloudKms(GoogleHarness.First, token)));
        Assert.NotEqual(IdentityOf(b => b.UseGoogleCloudKms(GoogleHarness.First)), IdentityOf(b => b.UseGoogleCloudKms($"{GoogleHarness.Ring}/cryptoKeys/other")));
        Assert.NotEqual(IdentityOf(b => b.UseGoogleCloudKms(GoogleHarness.First)), IdentityOf(b => b.UseGoogleCloudKms(GoogleHarness.First, credential)));
        Assert.Equal(
            $"GoogleKmsIdentity {{ Kek = gcp-kms:{GoogleHarness.First}, BaseAddress =  }}", IdentityOf(b => b.UseGoogleCloudKms(GoogleHarness.First, credential)).ToString());
    }

    [Fact]
    public async Task Token_of_a_delegate_is_asked_for_again_when_it_is_refused()
    {
        var asked = 0;
        var current = _kms.Server.NewToken();
        var wrapper = WrapperOf(b => b.UseGoogleCloudKms(
            GoogleHarness.First,
            _ =>
            {
                asked++;
                return new(current + "\n");
            },
            _kms.Options()));

        var copy = await wrapper.WrapAsync(Key, Context, Token);
        Assert.Equal(1, asked);
        _kms.Server.ExpireTokens(forGood: false);
        var e = await Assert.ThrowsAsync<KmsException>(async () => await wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
        Assert.DoesNotContain(current, e.ToString());
        current = _kms.Server.NewToken();

        Assert.Equal(Key, await wrapper.UnwrapAsync(copy, Context, Token));
    }

    [Fact]
    public async Task Delegate_that_fails_is_a_failure_of_the_credentials()
    {
        var wrapper = WrapperOf(b => b.UseGoogleCloudKms(GoogleHarness.First, _ => throw new NotSupportedException("no token today"), _kms.Options()));

        var e = await Assert.ThrowsAsync<KmsException>(async () => await wrapper.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
        Assert.Equal(0, _kms.Requests);
    }

    [Fact]
    public async Task Default_credentials_are_those_of_the_environment()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, GoogleServiceAccount.Json(_kms.Server.Address, "quota-of-the-file"), Token);
        Environment.SetEnvironmentVariable("GOOGLE_APPLICATION_CREDENTIALS", file);
        try
        {
            var wrapper = WrapperOf(b => b.UseGoogleCloudKms(GoogleHarness.First, _kms.Options()));

            Assert.Equal(Key, await wrapper.UnwrapAsync(await wrapper.WrapAsync(Key, Context, Token), Context, Token));
            Assert.Equal("quota-of-the-file", _kms.Server.LastQuotaProject);
        }
        finally
        {
            Environment.SetEnvironmentVariable("GOOGLE_APPLICATION_CREDENTIALS", null);
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Quota_project_of_the_options_goes_before_the_one_of_the_credentials()
    {
        var credential = GoogleServiceAccount.Credential(_kms.Server.Address, "quota-of-the-file");
        await GoogleCloudKms.CreateKeyWrapper(GoogleHarness.First, credential, _kms.Options()).WrapAsync(Key, Context, Token);
        Assert.Equal("quota-of-the-file", _kms.Server.LastQuotaProject);

        await GoogleCloudKms.CreateKeyWrapper(GoogleHarness.First, credential, _kms.Options() with { QuotaProject = "quota-of-the-options" }).WrapAsync(Key, Context, Token);
        Assert.Equal("quota-of-the-options", _kms.Server.LastQuotaProject);
    }

    [Fact]
    public async Task Many_callers_whose_token_expired_ask_for_one_together()
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        await _kms.ExpireCredentialsAsync(forGood: false);

        await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => _kms.Wrapper.UnwrapAsync(copy, Context, Token).AsTask()));

        Assert.Equal(1, _kms.Renewals);
    }

    [Fact]
    public async Task Key_is_described_with_its_protection_and_age()
    {
        var described = await _kms.Wrapper.DescribeAsync(Token);

        Assert.Equal("SOFTWARE", described.Protection);
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, 901, TimeSpan.Zero).AddTicks(2), described.CreatedAt);
        Assert.Equal("1", described.PrimaryVersion);
    }

    [Fact]
    public async Task Stored_form_never_changes()
    {
        var transport = new FixedTransport();
        var wrapper = WrapperOf(b => b.UseGoogleCloudKms(GoogleHarness.First, transport));

        var stored = new WrappedKey(await wrapper.WrapAsync(Key, Context, Token)).ToString();

        Assert.Equal($$"""[{"kek":"gcp-kms:{{GoogleHarness.First}}","version":"7","key":"CiQAAQ=="}]""", stored);
        Assert.Equal(Key, await wrapper.UnwrapAsync(WrappedKey.Parse(stored).Copies.Single(), Context, Token));
        Assert.Equal(Context.AssociatedData.ToArray(), transport.AssociatedData);
        Assert.Equal(KekState.Unknown, (await wrapper.DescribeAsync(Token)).State);
    }

    [Fact]
    public async Task Transport_that_breaks_its_promise_is_named()
    {
        var wrapper = WrapperOf(b => b.UseGoogleCloudKms(GoogleHarness.First, new FixedTransport()));

        var e = await Assert.ThrowsAsync<KmsException>(
            async () => await wrapper.UnwrapAsync(new WrappedKeyCopy(wrapper.Kek, "7", new byte[1]), Context, Token));

        Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
        Assert.IsType<NotSupportedException>(e.InnerException);
    }

    private static object IdentityOf(Action<EnvelopeOptionsBuilder> configure) => RegistrationOf(configure).Identity;

    private static IKeyWrapper WrapperOf(Action<EnvelopeOptionsBuilder> configure) => RegistrationOf(configure).Create(GoogleCloudKms.DefaultServices);

    private static KmsRegistration RegistrationOf(Action<EnvelopeOptionsBuilder> configure)
    {
        var builder = new EnvelopeOptionsBuilder();
        configure(builder);
        return builder.Kms.Single();
    }

    private sealed class FixedTransport : IGoogleKmsTransport
    {
        private static readonly byte[] Ciphertext = [0x0a, 0x24, 0x00, 0x01];

        public byte[]? AssociatedData { get; private set; }

        public ValueTask<GoogleEncryptResult> EncryptAsync(
            string cryptoKey, ReadOnlyMemory<byte> plaintext, ReadOnlyMemory<byte> additionalAuthenticatedData, CancellationToken cancellationToken)
        {
            Assert.Equal(Key, plaintext.ToArray());
            AssociatedData = additionalAuthenticatedData.ToArray();
            return new(new GoogleEncryptResult($"{cryptoKey}/cryptoKeyVersions/7", Ciphertext));
        }

        public ValueTask<byte[]> DecryptAsync(
            string cryptoKey, ReadOnlyMemory<byte> ciphertext, ReadOnlyMemory<byte> additionalAuthenticatedData, CancellationToken cancellationToken)
            => ciphertext.Span.SequenceEqual(Ciphertext) ? new(Key.ToArray()) : throw new NotSupportedException("an exception of the client's own");
    }
}
