using System.Security.Cryptography;
using Azure;
using EfEnvelope.Kms.Azure;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Tests.Azure;

public sealed class KeyVaultTests : IAsyncLifetime
{
    private const string KeyId = "https://clinic.vault.azure.net/keys/clinic";

    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = Enumerable.Range(1, 32).Select(i => (byte)i).ToArray();

    private KeyVaultHarness _kms = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _kms = await KeyVaultHarness.StartAsync();

    public ValueTask DisposeAsync() => _kms.DisposeAsync();

    [Fact]
    public async Task Scope_and_tenant_are_asked_of_the_vault_once()
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        await _kms.Wrapper.UnwrapAsync(copy, Context, Token);

        Assert.Equal(
            ["clinic.vault.azure.net POST /keys/clinic/wrapkey", "clinic.vault.azure.net POST /keys/clinic/wrapkey", $"clinic.vault.azure.net POST /keys/clinic/{copy.KekVersion}/unwrapkey"],
            _kms.Server.Operations);
        var token = Assert.Single(_kms.Credential.Issued);
        Assert.Equal(("https://vault.azure.net/.default", KeyVaultServer.Tenant), (token.Scope, token.Tenant));
    }

    [Theory]
    [InlineData(KeyVaultServer.Tenant, 1)]
    [InlineData("other", 2)]
    public async Task Configured_scope_needs_no_challenge_unless_the_tenant_is_another(string tenant, int tokens)
    {
        _kms.Credential.OwnTenant = tenant;
        using var owned = (IDisposable)_kms.Create(KeyId, o => o with { Scope = "https://vault.azure.net/.default" });
        await ((IKeyWrapper)owned).WrapAsync(Key, Context, Token);

        Assert.Equal(tokens, _kms.Credential.Issued.Count);
        Assert.Equal(tokens, _kms.Server.Operations.Count);
    }

    [Theory]
    [InlineData("https://management.azure.com")]
    [InlineData("https://clinic.vault.azure.net.example.org")]
    [InlineData("https://ault.azure.net")]
    [InlineData("http://vault.azure.net")]
    public async Task No_token_is_asked_for_another_resource_than_the_domain_of_the_vault(string resource)
    {
        _kms.Server.ChallengedResource = resource;

        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
        Assert.Empty(_kms.Credential.Issued);
    }

    [Theory]
    [InlineData("azure-kv:planted.vault.azure.net/keys/clinic")]
    [InlineData("azure-kv:clinic.vault.azure.net.example.org/keys/clinic")]
    [InlineData("azure-kv:example.org/keys/clinic")]
    public async Task Planted_copy_sends_no_token_to_another_host(string kek)
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        var before = _kms.Server.Operations.Count;

        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.UnwrapAsync(copy with { Kek = new KekUri(kek) }, Context, Token));

        Assert.Equal(KmsErrorKind.WrongKey, e.Kind);
        Assert.Equal(before, _kms.Server.Operations.Count);
    }

    [Theory]
    [InlineData("second.vault.azure.net")]
    [InlineData(".vault.azure.net")]
    public async Task Copy_of_another_vault_that_is_allowed_opens(string allowed)
    {
        using var second = (IDisposable)_kms.Create("https://second.vault.azure.net/keys/clinic");
        var copy = await ((IKeyWrapper)second).WrapAsync(Key, Context, Token);
        using var owned = (IDisposable)_kms.Create(KeyId, o => o with { OtherVaultHosts = [allowed] });

        Assert.Equal(Key, await ((IKeyWrapper)owned).UnwrapAsync(copy, Context, Token));
        Assert.StartsWith("second.vault.azure.net POST", _kms.Server.Operations.Last(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("../other/1")]
    [InlineData("1?x=1")]
    public async Task Copy_without_a_true_version_is_refused_before_it_is_sent(string? version)
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        var before = _kms.Requests;

        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.UnwrapAsync(copy with { KekVersion = version }, Context, Token));

        Assert.Equal(KmsErrorKind.InvalidCiphertext, e.Kind);
        Assert.Equal(before, _kms.Requests);
    }

    [Fact]
    public async Task Expired_version_opens_but_wraps_no_more()
    {
        var copy = await _kms.Wrapper.WrapAsync(Key, Context, Token);
        _kms.Key.Newest.Expires = 1_700_000_001;

        Assert.Equal(Key, await _kms.Wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Equal(KmsErrorKind.Disabled, (await Assert.ThrowsAsync<KmsException>(async () => await _kms.Wrapper.WrapAsync(Key, Context, Token))).Kind);
        var described = await _kms.Wrapper.DescribeAsync(Token);
        Assert.Equal((KekState.Disabled, "RSA", copy.KekVersion), (described.State, described.Protection, described.PrimaryVersion));
    }

    [Fact]
    public async Task Copy_tells_its_algorithm_whatever_the_client_wraps_by()
    {
        await using var hsm = await KeyVaultHarness.StartAsync(hsm: true);
        hsm.Server.CreateRsaKey("rsa");
        using var rsa = (IDisposable)hsm.Create($"https://{hsm.Host}/keys/rsa", o => o with { Algorithm = AzureKeyVaultAlgorithm.RsaOaep256 });
        var byRsa = await ((IKeyWrapper)rsa).WrapAsync(Key, Context, Token);
        var byGcm = await hsm.Wrapper.WrapAsync(Key, Context, Token);

        Assert.Equal((1, 2), (byRsa.Ciphertext.Span[0], byGcm.Ciphertext.Span[0]));
        Assert.Equal(Key, await hsm.Wrapper.UnwrapAsync(byRsa, Context, Token));
        Assert.Equal(Key, await ((IKeyWrapper)rsa).UnwrapAsync(byGcm, Context, Token));
    }

    [Fact]
    public async Task Own_address_is_called_under_the_name_of_the_vault()
    {
        using var owned = (IDisposable)_kms.Create(KeyId, o => o with { BaseAddress = new Uri("https://private.example.org/") });
        var copy = await ((IKeyWrapper)owned).WrapAsync(Key, Context, Token);

        Assert.Equal("azure-kv:clinic.vault.azure.net/keys/clinic", copy.Kek.ToString());
        Assert.All(_kms.Server.Operations, o => Assert.StartsWith("private.example.org ", o, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Stored_form_never_changes()
    {
        var transport = new FixedTransport();
        var wrapper = AzureKeyVault.CreateKeyWrapper("HTTPS://Clinic.vault.azure.net/keys/clinic/", transport);

        var copy = await wrapper.WrapAsync(Key, Context, Token);

        Assert.Equal(
            """[{"kek":"azure-kv:clinic.vault.azure.net/keys/clinic","version":"78deebed173b48e48f55abf87ed4cf71","key":"AQoLDA=="}]""",
            new WrappedKey(copy).ToString());
        Assert.Equal("https://clinic.vault.azure.net/keys/clinic", transport.KeyId!.ToString());
        Assert.Equal(Key, transport.Wrapped![..32]);
        Assert.Equal(SHA256.HashData(Context.AssociatedData.Span), transport.Wrapped[32..]);
        Assert.Equal(Key, await wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Equal("https://clinic.vault.azure.net/keys/clinic/78deebed173b48e48f55abf87ed4cf71", transport.KeyId.ToString());
        Assert.Equal(KekState.Unknown, (await wrapper.DescribeAsync(Token)).State);
    }

    [Theory]
    [InlineData(401, KmsErrorKind.Unauthenticated)]
    [InlineData(403, KmsErrorKind.AccessDenied)]
    [InlineData(404, KmsErrorKind.NotFound)]
    [InlineData(429, KmsErrorKind.Throttled)]
    [InlineData(503, KmsErrorKind.Unavailable)]
    [InlineData(0, KmsErrorKind.Unavailable)]
    public async Task Failure_of_an_own_client_has_its_kind_and_is_not_tried_again(int status, KmsErrorKind kind)
    {
        var transport = new FixedTransport { Failure = new RequestFailedException(status, "Refused.", "Refused", null) };
        var wrapper = AzureKeyVault.CreateKeyWrapper(KeyId, transport);

        Assert.Equal(kind, (await Assert.ThrowsAsync<KmsException>(async () => await wrapper.WrapAsync(Key, Context, Token))).Kind);
        Assert.Equal(1, transport.Calls);
    }

    [Fact]
    public async Task Own_client_that_tells_no_version_is_told_so()
    {
        var wrapper = AzureKeyVault.CreateKeyWrapper(KeyId, new FixedTransport { AnsweredKeyId = KeyId });

        var e = await Assert.ThrowsAsync<KmsException>(async () => await wrapper.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
        Assert.Contains("did not tell which version", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("clinic")]
    [InlineData("http://clinic.vault.azure.net/keys/clinic")]
    [InlineData("https://user@clinic.vault.azure.net/keys/clinic")]
    [InlineData("https://clinic.vault.azure.net/secrets/clinic")]
    [InlineData("https://clinic.vault.azure.net/keys/clinic/78deebed173b48e48f55abf87ed4cf71")]
    public void Malformed_key_identifier_is_refused_at_once(string keyId)
        => Assert.Contains("ersion", Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseAzureKeyVault(keyId, _kms.Credential)).Message, StringComparison.Ordinal);

    [Fact]
    public void All_faults_of_the_options_are_said_at_once()
    {
        var options = new AzureKeyVaultOptions
        {
            ApiVersion = "a b", Algorithm = (AzureKeyVaultAlgorithm)9, Scope = "vault", OtherVaultHosts = [".net"], BaseAddress = new Uri("http://vault"), Timeout = TimeSpan.Zero, MaxRetries = 11,
        };

        var message = Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseAzureKeyVault(KeyId, _kms.Credential, options)).Message;

        Assert.All(
            (string[])["ApiVersion", "Algorithm", "Scope", "OtherVaultHosts", "BaseAddress", "Timeout", "MaxRetries"],
            option => Assert.Contains($"AzureKeyVaultOptions.{option}", message, StringComparison.Ordinal));
    }

    [Fact]
    public void Equal_options_are_one_identity()
    {
        var (first, second) = (Identify("second.vault.azure.net"), Identify("SECOND.vault.azure.net"));

        Assert.Equal(first, second);
        Assert.Equal(first.GetHashCode(), second.GetHashCode());
        Assert.NotEqual(first, Identify("third.vault.azure.net"));
        Assert.DoesNotContain("Credential", first.ToString(), StringComparison.Ordinal);

        AzureKeyVaultIdentity Identify(string other) => AzureKeyVault.Identify(KeyId, _kms.Credential, new AzureKeyVaultOptions { OtherVaultHosts = [other] });
    }

    private sealed class FixedTransport : IKeyVaultCryptoTransport
    {
        public string AnsweredKeyId { get; init; } = "https://clinic.vault.azure.net/keys/clinic/78deebed173b48e48f55abf87ed4cf71";

        public Exception? Failure { get; init; }

        public int Calls { get; private set; }

        public Uri? KeyId { get; private set; }

        public byte[]? Wrapped { get; private set; }

        public Task<KeyVaultWrapResult> WrapKeyAsync(Uri keyId, string algorithm, byte[] key, CancellationToken cancellationToken)
        {
            Assert.Equal("RSA-OAEP-256", algorithm);
            Calls++;
            (KeyId, Wrapped) = (keyId, key.ToArray());
            return Failure is null ? Task.FromResult(new KeyVaultWrapResult(AnsweredKeyId, new byte[] { 10, 11, 12 })) : Task.FromException<KeyVaultWrapResult>(Failure);
        }

        public Task<byte[]> UnwrapKeyAsync(Uri keyId, string algorithm, byte[] encryptedKey, CancellationToken cancellationToken)
        {
            Assert.Equal([10, 11, 12], encryptedKey);
            KeyId = keyId;
            return Task.FromResult(Wrapped!.ToArray());
        }
    }
}
