using System.Security.Cryptography;
using EfEnvelope.Kms.Oci;
using EfEnvelope.Kms.Oci.Signing;
using EfEnvelope.Kms.Tests.Node;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Tests.Oci;

/// <summary>Requests that are signed as the compute instance, or as the resource, that the process runs in.</summary>
public sealed class OciPrincipalTests : IAsyncLifetime
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);

    private readonly OciPrincipalServer _instance = new();
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("efenvelope-oci-");
    private OciHarness _kms = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _kms = await OciHarness.StartAsync();
        _instance.Accept = _kms.Server.Accept;
        await _instance.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _directory.Delete(recursive: true);
        await _instance.DisposeAsync();
        await _kms.DisposeAsync();
    }

    [Fact]
    public async Task Instance_signs_with_one_token_for_its_certificate()
    {
        var signer = Instance(TimeProvider.System);
        var wrapper = _kms.Create(OciHarness.First, signer);

        var copies = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => wrapper.WrapAsync(Key, Context, Token).AsTask()));

        Assert.Equal(Key, await wrapper.UnwrapAsync(copies[0], Context, Token));
        Assert.Single(_instance.Tokens);
    }

    // The server of these tests is as good as what Oracle's own client accepts of it.
    [Fact]
    public async Task Oracles_own_client_gets_a_token_in_the_same_way()
    {
        var node = await NodeRunner.RequireAsync("oci-common@2.139.1", "oci-keymanagement@2.139.1");

        var result = await node.RunAsync(
            """
            const common = require('oci-common');
            const builder = new common.InstancePrincipalsAuthenticationDetailsProviderBuilder();
            builder._metadataBaseUrl = process.env.ADDRESS + '/opc/v2/';
            builder.federationEndpoint = process.env.ADDRESS;
            const provider = await builder.build();
            console.log(await provider.getKeyId());
            """,
            new Dictionary<string, string> { ["ADDRESS"] = _instance.Address.AbsoluteUri.TrimEnd('/') });

        Assert.True(result.ExitCode == 0, result.Error);
        Assert.Equal($"ST${_instance.Tokens[^1]}", result.Output.Trim());
    }

    [Fact]
    public async Task Token_is_renewed_while_it_is_good_and_requests_do_not_wait_for_it()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        (_instance.Time, _instance.Ends) = (time, time.GetUtcNow().AddHours(30));
        var signer = Instance(time);
        Assert.Equal(_instance.TokenOf(await SignedAsync(signer)), _instance.Tokens[0]);

        // The service does not answer at two thirds of the token's time.
        var answer = new TaskCompletionSource();
        _instance.BeforeToken = answer.Task;
        time.Advance(TimeSpan.FromHours(21));
        Assert.Equal(_instance.TokenOf(await SignedAsync(signer)), _instance.Tokens[0]);
        Assert.Single(_instance.Tokens);

        // It refuses, and the token that is good goes on.
        _instance.Instead = ("/v1/x509", 503, "{}");
        answer.SetResult();
        Assert.Equal(_instance.TokenOf(await SignedAsync(signer)), _instance.Tokens[0]);

        // It is there again.
        _instance.Instead = null;
        _instance.Ends = time.GetUtcNow().AddHours(60);
        string? signed;
        var asked = 0;
        while ((signed = _instance.TokenOf(await SignedAsync(signer))) == _instance.Tokens[0])
        {
            // It is asked for again half a minute after it was refused, on a clock that stands still.
            if (asked++ % 200 == 0)
                time.Advance(TimeSpan.FromSeconds(31));
            await Task.Delay(20, Token);
        }

        Assert.Equal(_instance.Tokens[^1], signed);
    }

    [Fact]
    public async Task Token_that_is_refused_is_replaced()
    {
        var wrapper = _kms.Create(OciHarness.First, Instance(TimeProvider.System));
        var copy = await wrapper.WrapAsync(Key, Context, Token);

        _kms.Server.AcceptNobody();

        Assert.Equal(Key, await wrapper.UnwrapAsync(copy, Context, Token));
        Assert.Equal(2, _instance.Tokens.Count);
    }

    [Theory]
    [InlineData("identity/cert.pem", 404, "{}", KmsErrorKind.Unauthenticated, "does not give 'identity/cert.pem' (404)")]
    [InlineData("identity/key.pem", 503, "{}", KmsErrorKind.Unavailable, "does not give 'identity/key.pem' (503)")]
    [InlineData("identity/key.pem", 200, "<html>", KmsErrorKind.Unauthenticated, "'identity/key.pem'")]
    [InlineData("identity/cert.pem", 200, "<html>", KmsErrorKind.Unauthenticated, "'identity/cert.pem'")]
    [InlineData("/v1/x509", 401, "{}", KmsErrorKind.Unauthenticated, "did not give a token to the principal of this instance (401)")]
    [InlineData("/v1/x509", 302, "", KmsErrorKind.Unavailable, "(302)")]
    [InlineData("/v1/x509", 500, "", KmsErrorKind.Unavailable, "(500)")]
    [InlineData("/v1/x509", 200, "<html>", KmsErrorKind.Unauthenticated, "'/v1/x509'")]
    [InlineData("/v1/x509", 200, "{\"token\":\"a\\nb\"}", KmsErrorKind.Unauthenticated, "'/v1/x509'")]
    public async Task What_keeps_an_instance_from_its_token_is_named(string path, int status, string body, KmsErrorKind kind, string message)
    {
        _instance.Instead = (path, status, body);

        var e = await Assert.ThrowsAsync<KmsException>(async () => await SignedAsync(Instance(TimeProvider.System)));

        Assert.Equal(kind, e.Kind);
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(_instance.PrivateKey.Split('\n')[3], e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Machine_without_metadata_is_unavailable_and_the_message_says_where_instances_are()
    {
        await _instance.StopAsync();

        var e = await Assert.ThrowsAsync<KmsException>(async () => await SignedAsync(Instance(TimeProvider.System)));

        Assert.Equal(KmsErrorKind.Unavailable, e.Kind);
        Assert.Contains("Only compute instances of OCI", e.Message, StringComparison.Ordinal);
    }

    // The address is made of what the metadata service says, so it must not be able to lead elsewhere.
    [Theory]
    [InlineData("""{"regionIdentifier":"eu/../","realmDomainComponent":"oraclecloud.com"}""")]
    [InlineData("""{"regionIdentifier":"eu-frankfurt-1","realmDomainComponent":"evil.example#"}""")]
    [InlineData("""{"regionIdentifier":"eu-frankfurt-1"}""")]
    [InlineData("<html>")]
    public async Task Region_that_is_not_one_is_refused(string region)
    {
        _instance.Instead = ("instance/regionInfo", 200, region);

        var signer = new OciInstancePrincipalSigner(TimeProvider.System, _instance.Metadata);

        var e = await Assert.ThrowsAsync<KmsException>(async () => await SignedAsync(signer));

        Assert.Contains("'instance/regionInfo'", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Resource_signs_with_the_token_and_the_key_of_its_variables(bool files)
    {
        var encrypted = OciHarness.CallerKey.ExportEncryptedPkcs8PrivateKeyPem(
            "a pass phrase", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000));
        var variables = Variables(("RPST", "rpst-1"), ("PRIVATE_PEM", encrypted), ("PRIVATE_PEM_PASSPHRASE", "a pass phrase"));
        if (files)
        {
            foreach (var name in variables.Keys.Where(n => !n.EndsWith("VERSION", StringComparison.Ordinal)))
                File.WriteAllText(Path.Combine(_directory.FullName, name), variables[name] + "\n");
            variables = variables.ToDictionary(
                v => v.Key, v => v.Key.EndsWith("VERSION", StringComparison.Ordinal) ? v.Value : Path.Combine(_directory.FullName, v.Key));
        }

        _kms.Server.Accept("ST$rpst-1", OciHarness.CallerKey);
        var wrapper = _kms.Create(OciHarness.First, new OciResourcePrincipalSigner(TimeProvider.System, variables.GetValueOrDefault));
        var copy = await wrapper.WrapAsync(Key, Context, Token);
        Assert.Equal(Key, await wrapper.UnwrapAsync(copy, Context, Token));
        if (!files)
            return;

        // The platform writes another token.
        _kms.Server.AcceptNobody();
        _kms.Server.Accept("ST$rpst-2", OciHarness.CallerKey);
        File.WriteAllText(variables["OCI_RESOURCE_PRINCIPAL_RPST"], "rpst-2");
        Assert.Equal(Key, await wrapper.UnwrapAsync(copy, Context, Token));
    }

    [Fact]
    public async Task What_keeps_a_resource_from_its_token_is_named_without_its_content()
    {
        var good = Variables(("RPST", "hunter2"), ("PRIVATE_PEM", OciHarness.CallerKey.ExportPkcs8PrivateKeyPem()));
        foreach (var (name, value, message) in ((string, string?, string)[])
        [
            ("VERSION", null, "'OCI_RESOURCE_PRINCIPAL_VERSION' is not set"),
            ("VERSION", "1.1", "only version 2.2"),
            ("RPST", null, "'OCI_RESOURCE_PRINCIPAL_RPST' is not set"),
            ("RPST", "/none/rpst", "'/none/rpst', which 'OCI_RESOURCE_PRINCIPAL_RPST' names"),
            ("PRIVATE_PEM", null, "'OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM' is not set"),
            ("PRIVATE_PEM", "hunter2", "private key in 'OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM'"),
        ])
        {
            var signer = new OciResourcePrincipalSigner(TimeProvider.System, n => n == $"OCI_RESOURCE_PRINCIPAL_{name}" ? value : good.GetValueOrDefault(n));

            var e = await Assert.ThrowsAsync<KmsException>(async () => await SignedAsync(signer));

            Assert.Equal(KmsErrorKind.Unauthenticated, e.Kind);
            Assert.Contains(message, e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("hunter2", e.Message, StringComparison.Ordinal);
        }
    }

    private static Dictionary<string, string> Variables(params (string Name, string Value)[] values)
        => values.Append(("VERSION", "2.2")).ToDictionary(v => $"OCI_RESOURCE_PRINCIPAL_{v.Item1}", v => v.Item2);

    private static async Task<string> SignedAsync(IOciRequestSigner signer)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "https://kms.example.org/20180608/keys/k");
        await signer.SignAsync(request, Token);
        return request.Headers.Authorization!.ToString();
    }

    private OciInstancePrincipalSigner Instance(TimeProvider time) => new(time, _instance.Metadata, _instance.Address);
}
