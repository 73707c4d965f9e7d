using EfEnvelope.Kms.Oci;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Tests.Oci;

public sealed class OciKmsTests : IAsyncLifetime
{
    private const string Endpoint = "https://bjqmywdtaafak-crypto.kms.eu-frankfurt-1.oraclecloud.com";

    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private OciHarness _kms = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _kms = await OciHarness.StartAsync();

    public async ValueTask DisposeAsync() => await _kms.DisposeAsync();

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("clinic")]
    [InlineData("oci-kms:ocid1.key.oc1.eu-frankfurt-1.bjqmywdtaafak.first")]
    [InlineData("ocid1.vault.oc1.eu-frankfurt-1.bjqmywdtaafak.first")]
    [InlineData("ocid1.keyversion.oc1.eu-frankfurt-1.bjqmywdtaafak.first")]
    [InlineData("ocid1.key.oc1.eu-frankfurt-1.bjqmywdtaafak.first/../../x")]
    [InlineData("ocid1.key.oc1.eu-frankfurt-1.bjqmywdtaafak.first\n")]
    public void What_is_not_the_OCID_of_a_key_is_refused_at_once(string? keyId)
        => Assert.Contains("ocid1.key.…", Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseOciVault(keyId!, Endpoint)).Message);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("bjqmywdtaafak-crypto.kms.eu-frankfurt-1.oraclecloud.com")]
    [InlineData("http://bjqmywdtaafak-crypto.kms.eu-frankfurt-1.oraclecloud.com")]
    [InlineData($"{Endpoint}/20180608/encrypt")]
    [InlineData($"{Endpoint}?x=y")]
    public void Malformed_endpoint_is_refused_at_once(string? endpoint)
        => Assert.Contains("-crypto.kms.", Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseOciVault(OciHarness.First, endpoint!)).Message);

    [Fact]
    public void Malformed_options_are_refused_at_once()
    {
        OciVaultOptions[] malformed =
        [
            new() { BaseAddress = new Uri("http://proxy.example.org") },
            new() { ManagementEndpoint = new Uri("/keys", UriKind.Relative) },
            new() { Timeout = TimeSpan.Zero },
            new() { Timeout = TimeSpan.FromDays(1) },
            new() { MaxRetries = -1 },
            new() { MaxRetries = 100 },
            new() { Profile = " " },
        ];

        Assert.All(malformed, options => Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseOciVault(OciHarness.First, Endpoint, options)));
    }

    [Fact]
    public void Equal_configurations_share_an_identity_that_shows_no_credentials()
    {
        var signer = OciVault.CreateConfigFileSigner(_kms.ConfigFile);
        var transport = new FixedTransport();

        Assert.Equal(IdentityOf(b => b.UseOciVault(OciHarness.First, Endpoint)), IdentityOf(b => b.UseOciVault(OciHarness.First, Endpoint, new OciVaultOptions())));
        Assert.Equal(IdentityOf(b => b.UseOciVault(OciHarness.First, Endpoint, signer)), IdentityOf(b => b.UseOciVault(OciHarness.First, Endpoint, signer)));
        Assert.Equal(IdentityOf(b => b.UseOciVault(OciHarness.First, transport)), IdentityOf(b => b.UseOciVault(OciHarness.First, transport)));
        Assert.NotEqual(IdentityOf(b => b.UseOciVault(OciHarness.First, Endpoint)), IdentityOf(b => b.UseOciVault(OciHarness.Other, Endpoint)));
        Assert.NotEqual(
            IdentityOf(b => b.UseOciVault(OciHarness.First, Endpoint)),
            IdentityOf(b => b.UseOciVault(OciHarness.First, Endpoint, new OciVaultOptions { Profile = "other" })));
        Assert.Equal(
            $"OciVaultIdentity {{ Kek = oci-kms:{OciHarness.First}, CryptoEndpoint = {Endpoint}/ }}",
            IdentityOf(b => b.UseOciVault(OciHarness.First, Endpoint, signer)).ToString());
        Assert.Equal($"OciTransportIdentity {{ Kek = oci-kms:{OciHarness.First} }}", IdentityOf(b => b.UseOciVault(OciHarness.First, transport)).ToString());
    }

    [Fact]
    public async Task Base_address_goes_before_the_endpoint()
    {
        var wrapper = WrapperOf(b => b.UseOciVault(OciHarness.First, Endpoint, _kms.Options() with { BaseAddress = _kms.Server.Address }));

        Assert.Equal(Key, await wrapper.UnwrapAsync(await wrapper.WrapAsync(Key, Context, Token), Context, Token));
    }

    [Fact]
    public async Task Without_a_management_endpoint_the_state_of_a_key_is_not_known_and_nobody_is_asked()
    {
        var wrapper = _kms.Create(OciHarness.First, options: _kms.Options() with { ManagementEndpoint = null });

        Assert.Equal(new KekDescription(wrapper.Kek, KekState.Unknown), await wrapper.DescribeAsync(Token));
        Assert.Equal(0, _kms.Requests);
    }

    [Theory]
    [InlineData("ENABLED", KekState.Enabled)]
    [InlineData("DISABLING", KekState.Disabled)]
    [InlineData("SCHEDULING_DELETION", KekState.PendingDeletion)]
    [InlineData("SOMETHING_NEW", KekState.Unknown)]
    public async Task Key_is_described_with_its_state_protection_and_age(string state, KekState expected)
    {
        _kms.Key.State = state;

        var described = await _kms.Wrapper.DescribeAsync(Token);

        Assert.Equal(expected, described.State);
        Assert.Equal("SOFTWARE", described.Protection);
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero), described.CreatedAt);
        Assert.Equal(_kms.Key.CurrentVersion, described.PrimaryVersion);
    }

    [Fact]
    public async Task Deleted_key_that_can_still_be_seen_is_not_found()
    {
        _kms.Key.State = "DELETED";

        Assert.Equal(KmsErrorKind.NotFound, (await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.DescribeAsync(Token))).Kind);
    }

    [Fact]
    public async Task Copy_that_is_no_text_was_altered_and_is_not_sent()
    {
        var e = await Assert.ThrowsAsync<KmsException>(
            async () => await _kms.Wrapper.UnwrapAsync(new WrappedKeyCopy(_kms.Wrapper.Kek, null, "QUJD\nRA=="u8.ToArray()), Context, Token));

        Assert.Equal(KmsErrorKind.InvalidCiphertext, e.Kind);
        Assert.Equal(0, _kms.Requests);
    }

    [Fact]
    public async Task Stored_form_never_changes()
    {
        var transport = new FixedTransport();
        var wrapper = WrapperOf(b => b.UseOciVault(OciHarness.First, transport));

        var stored = new WrappedKey(await wrapper.WrapAsync(Key, Context, Token)).ToString();

        Assert.Equal($$"""[{"kek":"oci-kms:{{OciHarness.First}}","version":"ocid1.keyversion.oc1..v7","key":"UVVKRA=="}]""", stored);
        Assert.Equal(Key, await wrapper.UnwrapAsync(WrappedKey.Parse(stored).Copies.Single(), Context, Token));
        Assert.Equal(Context.Pairs, transport.AssociatedData);
        Assert.Equal(KekState.Unknown, (await wrapper.DescribeAsync(Token)).State);
    }

    [Fact]
    public async Task Transport_that_breaks_its_promise_is_named()
    {
        var wrapper = OciVault.CreateKeyWrapper(OciHarness.First, new FixedTransport());

        var e = await Assert.ThrowsAsync<KmsException>(async () => await wrapper.UnwrapAsync(new WrappedKeyCopy(wrapper.Kek, null, "x"u8.ToArray()), Context, Token));

        Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
        Assert.IsType<NotSupportedException>(e.InnerException);
    }

    private static object IdentityOf(Action<EnvelopeOptionsBuilder> configure) => RegistrationOf(configure).Identity;

    private static IKeyWrapper WrapperOf(Action<EnvelopeOptionsBuilder> configure) => RegistrationOf(configure).Create(OciVault.DefaultServices);

    private static KmsRegistration RegistrationOf(Action<EnvelopeOptionsBuilder> configure)
    {
        var builder = new EnvelopeOptionsBuilder();
        configure(builder);
        return builder.Kms.Single();
    }

    private sealed class FixedTransport : IOciKmsTransport
    {
        public IReadOnlyDictionary<string, string>? AssociatedData { get; private set; }

        public ValueTask<OciEncryptedData> EncryptAsync(
            string keyId, ReadOnlyMemory<byte> plaintext, IReadOnlyDictionary<string, string> associatedData, CancellationToken cancellationToken)
        {
            Assert.Equal(Key, plaintext.ToArray());
            AssociatedData = associatedData;
            return new(new OciEncryptedData("QUJD", "ocid1.keyversion.oc1..v7"));
        }

        public ValueTask<byte[]> DecryptAsync(
            string keyId, string ciphertext, IReadOnlyDictionary<string, string> associatedData, CancellationToken cancellationToken)
            => ciphertext == "QUJD" ? new(Key.ToArray()) : throw new NotSupportedException("an exception of the client's own");
    }
}
