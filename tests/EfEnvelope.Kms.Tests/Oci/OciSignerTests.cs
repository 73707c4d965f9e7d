using System.Security.Cryptography;
using EfEnvelope.Kms.Oci;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Tests.Oci;

/// <summary>With which credentials requests are signed, and what is said when they are wrong.</summary>
public sealed class OciSignerTests : IAsyncLifetime
{
    private const string Fingerprint = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";
    private const string KeyId = $"ocid1.tenancy.oc1..clinic/ocid1.user.oc1..clinic/{Fingerprint}";

    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = new byte[32];

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("efenvelope-oci-");
    private OciHarness _kms = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _kms = await OciHarness.StartAsync();
        _kms.Server.Accept(KeyId, OciHarness.CallerKey);
    }

    public async ValueTask DisposeAsync()
    {
        _directory.Delete(recursive: true);
        await _kms.DisposeAsync();
    }

    public static TheoryData<string, string?> PrivateKeys()
    {
        var encrypted = OciHarness.CallerKey.ExportEncryptedPkcs8PrivateKeyPem(
            "a pass phrase", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000));
        return new()
        {
            { OciHarness.CallerKey.ExportPkcs8PrivateKeyPem(), null },
            { OciHarness.CallerKey.ExportRSAPrivateKeyPem(), null },
            { OciHarness.CallerKey.ExportPkcs8PrivateKeyPem() + "\nOCI_API_KEY\n", null },
            { encrypted, "a pass phrase" },
        };
    }

    [Theory]
    [MemberData(nameof(PrivateKeys), DisableDiscoveryEnumeration = true)]
    public async Task Every_form_of_a_private_key_signs_given_or_from_a_file(string pem, string? passPhrase)
    {
        var given = OciVault.CreateApiKeySigner("ocid1.tenancy.oc1..clinic", "ocid1.user.oc1..clinic", Fingerprint, pem, passPhrase);
        var fromFile = OciVault.CreateConfigFileSigner(
            Write(
                $"""
                [DEFAULT]
                user=ocid1.user.oc1..clinic
                fingerprint={Fingerprint}
                tenancy=ocid1.tenancy.oc1..clinic
                key_file={Write(pem)}
                {(passPhrase is null ? "" : $"pass_phrase={passPhrase}")}
                """));

        var copy = await _kms.Create(OciHarness.First, given).WrapAsync(Key, Context, Token);

        Assert.Equal(Key, await _kms.Create(OciHarness.First, fromFile).UnwrapAsync(copy, Context, Token));
    }

    [Fact]
    public async Task Profile_takes_from_DEFAULT_what_it_does_not_set_but_not_its_session()
    {
        var file = Write(
            $"""
            ; a session of somebody
            [DEFAULT]
            tenancy = ocid1.tenancy.oc1..clinic
            user=ocid1.user.oc1..somebody
            security_token_file={Write("token-of-somebody")}
            key_content={OciHarness.CallerKey.ExportPkcs8PrivateKeyPem().Replace("\n", "\\n")}

            [clinic]
            # indented, and with spaces
              user = ocid1.user.oc1..clinic
              fingerprint = {Fingerprint}
            """);

        await _kms.Create(OciHarness.First, OciVault.CreateConfigFileSigner(file, "clinic")).WrapAsync(Key, Context, Token);
    }

    [Fact]
    public async Task Configuration_file_is_the_one_of_the_environment()
    {
        Environment.SetEnvironmentVariable("OCI_CONFIG_FILE", _kms.ConfigFile);
        try
        {
            var wrapper = _kms.Create(OciHarness.First, options: _kms.Options() with { ConfigFile = null });

            Assert.Equal(Key, await wrapper.UnwrapAsync(await wrapper.WrapAsync(Key, Context, Token), Context, Token));
        }
        finally
        {
            Environment.SetEnvironmentVariable("OCI_CONFIG_FILE", null);
        }
    }

    [Fact]
    public async Task Incomplete_configuration_says_what_is_missing_and_never_a_secret()
    {
        var pem = OciHarness.CallerKey.ExportPkcs8PrivateKeyPem();
        var wrong = OciHarness.CallerKey.ExportEncryptedPkcs8PrivateKeyPem("right", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000));
        const string Complete = $"user=u\nfingerprint={Fingerprint}\ntenancy=t\n";
        (string File, string Says)[] files =
        [
            (Path.Combine(_directory.FullName, "none"), "cannot be read"),
            (Write("[OTHER]\nuser=u\n"), "has no profile 'DEFAULT'"),
            (Write("user=u\n"), "has no profile 'DEFAULT'"),
            (Write($"[DEFAULT]\nuser=u\nfingerprint=f\nkey_file={Write(pem)}"), "has no 'tenancy'"),
            (Write($"[DEFAULT]\n{Complete}"), "has no 'key_file'"),
            (Write($"[DEFAULT]\n{Complete}key_file={_directory.FullName}/none.pem"), "'key_file'"),
            (Write($"[DEFAULT]\n{Complete}key_file={Write("no key")}"), "The private key in"),
            (Write($"[DEFAULT]\n{Complete}key_file={Write(wrong)}\npass_phrase=the-wrong-one"), "The private key in"),
            (Write($"[DEFAULT]\nsecurity_token_file={_directory.FullName}/none\nkey_file={Write(pem)}"), "'security_token_file'"),
        ];

        foreach (var (file, says) in files)
        {
            var wrapper = _kms.Create(OciHarness.First, OciVault.CreateConfigFileSigner(file));

            var e = await Assert.ThrowsAsync<KmsException>(async () => await wrapper.WrapAsync(Key, Context, Token));

            Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
            Assert.Contains(says, e.Message);
            Assert.DoesNotContain("the-wrong-one", e.ToString());
        }

        Assert.Equal(0, _kms.Requests);
        Assert.Throws<ArgumentException>(() => OciVault.CreateApiKeySigner("t", "u", Fingerprint, "no key"));
        Assert.Throws<ArgumentException>(() => OciVault.CreateApiKeySigner("t", "", Fingerprint, pem));
    }

    [Theory]
    [InlineData(-6)]
    [InlineData(6)]
    public async Task Clock_that_is_more_than_five_minutes_off_is_a_failure_of_the_signature(int minutes)
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow() + TimeSpan.FromMinutes(minutes));
        var wrapper = _kms.Create(OciHarness.First, Signer(OciHarness.CallerKey, time));

        var e = await Assert.ThrowsAsync<KmsException>(async () => await wrapper.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
        Assert.Contains("clock", e.Message);
        Assert.Equal("the date is more than 5 minutes off", _kms.Server.Refusal);
    }

    [Fact]
    public async Task Signature_by_another_key_is_refused()
    {
        using var another = RSA.Create(2048);

        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Create(OciHarness.First, Signer(another)).WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
        Assert.Equal("the signature differs", _kms.Server.Refusal);
    }

    [Fact]
    public async Task Handler_after_the_signer_that_changes_the_body_is_found_out()
    {
        using var handler = new Tampering();
        var wrapper = _kms.Create(OciHarness.First, options: _kms.Options() with { Handler = handler });

        await Assert.ThrowsAsync<KmsException>(async () => await wrapper.WrapAsync(Key, Context, Token));

        Assert.Equal("the digest of the body differs", _kms.Server.Refusal);
    }

    [Fact]
    public async Task Signer_of_the_user_signs_and_is_told_once_to_renew()
    {
        var signer = new UsersSigner(Signer(OciHarness.CallerKey));
        var wrapper = _kms.Create(OciHarness.First, signer);
        await wrapper.WrapAsync(Key, Context, Token);
        Assert.Equal((1, 0), (signer.Signed, signer.Renewed));
        _kms.Server.AcceptNobody();

        var e = await Assert.ThrowsAsync<KmsException>(async () => await wrapper.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
        Assert.Equal((3, 1), (signer.Signed, signer.Renewed));
    }

    [Fact]
    public async Task Signer_of_the_user_that_fails_is_a_failure_of_the_credentials()
    {
        var e = await Assert.ThrowsAsync<KmsException>(async () => await _kms.Create(OciHarness.First, new UsersSigner(null)).WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
        Assert.IsType<NotSupportedException>(e.InnerException);
        Assert.Equal(0, _kms.Requests);
    }

    private static IOciRequestSigner Signer(RSA key, TimeProvider? time = null)
        => OciVault.CreateApiKeySigner("ocid1.tenancy.oc1..clinic", "ocid1.user.oc1..clinic", Fingerprint, key.ExportPkcs8PrivateKeyPem(), timeProvider: time);

    private string Write(string text)
    {
        var file = Path.Combine(_directory.FullName, RandomNumberGenerator.GetHexString(16));
        File.WriteAllText(file, text);
        return file;
    }

    private sealed class UsersSigner(IOciRequestSigner? inner) : IOciRequestSigner
    {
        public int Signed { get; private set; }

        public int Renewed { get; private set; }

        public ValueTask SignAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Signed++;
            return inner?.SignAsync(request, cancellationToken) ?? throw new NotSupportedException("no principal here");
        }

        public ValueTask RenewAsync(CancellationToken cancellationToken)
        {
            Renewed++;
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Tampering() : DelegatingHandler(new SocketsHttpHandler())
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var body = await request.Content!.ReadAsByteArrayAsync(cancellationToken);
            body[^2] ^= 1;
            request.Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } };
            return await base.SendAsync(request, cancellationToken);
        }
    }
}
