using System.Text.Json;
using EfEnvelope.Kms.Oci;
using EfEnvelope.Kms.Tests.Node;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Tests.Oci;

/// <summary>Oracle's own SDK for Node.js signs as we do, and understands the same service and our ciphertexts.</summary>
public sealed class OciNodeTests
{
    private const string Common = "oci-common@2.139.1";
    private const string KeyManagement = "oci-keymanagement@2.139.1";
    private const string Tenancy = "ocid1.tenancy.oc1..clinic";
    private const string User = "ocid1.user.oc1..clinic";
    private const string Fingerprint = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";

    private const string Provider =
        """
        const common = require('oci-common');
        const provider = new common.SimpleAuthenticationDetailsProvider(
          process.env.TENANCY, process.env.USER_ID, process.env.FINGERPRINT, process.env.PRIVATE_KEY, null, common.Region.EU_FRANKFURT_1);
        """;

    private static readonly EncryptionContext Context = new([new("purpose", "data key"), new("scope", "kliník")]);
    private static readonly byte[] Key = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("POST", "https://bjqmywdtaafak-crypto.kms.eu-frankfurt-1.oraclecloud.com/20180608/encrypt", "{\"keyId\":\"ocid1.key.oc1..x\",\"plaintext\":\"AAEC\"}")]
    [InlineData("POST", "https://localhost:8443/20180608/decrypt", "{\"scope\":\"kliník 患者 🏥\"}")]
    [InlineData("GET", "https://bjqmywdtaafak-management.kms.eu-frankfurt-1.oraclecloud.com/20180608/keys/ocid1.key.oc1..x", null)]
    [InlineData("GET", "https://localhost:8443/20180608/keys?limit=10&sortBy=TIMECREATED", null)]
    public async Task Oracles_signature_of_a_request_is_the_same_byte_for_byte(string method, string address, string? body)
    {
        var node = await NodeRunner.RequireAsync(Common, KeyManagement);
        using var request = new HttpRequestMessage(new HttpMethod(method), address);
        if (body is not null)
            request.Content = new ByteArrayContent(System.Text.Encoding.UTF8.GetBytes(body)) { Headers = { ContentType = new("application/json") } };

        await Signer(new FakeTimeProvider(Now)).SignAsync(request, Token);
        var output = await RunAsync(
            node,
            """
            const headers = new Headers({ 'x-date': new Date(Date.parse(process.env.NOW)).toUTCString() });
            const request = { method: process.env.METHOD, uri: process.env.ADDRESS, headers, body: process.env.BODY || undefined };
            await new common.DefaultRequestSigner(provider).signHttpRequest(request);
            console.log(headers.get('authorization'));
            """,
            new() { ["NOW"] = $"{Now:O}", ["METHOD"] = method, ["ADDRESS"] = address, ["BODY"] = body ?? "" });

        Assert.Equal(output[0], request.Headers.Authorization!.ToString());
    }

    [Fact]
    public async Task Oracles_client_opens_what_was_wrapped_and_the_other_way_round()
    {
        var node = await NodeRunner.RequireAsync(Common, KeyManagement);
        await using var kms = await OciHarness.StartAsync();
        kms.Server.Accept($"{Tenancy}/{User}/{Fingerprint}", OciHarness.CallerKey);
        var wrapper = kms.Create(OciHarness.First, Signer(TimeProvider.System));
        var copy = await wrapper.WrapAsync(Key, Context, Token);

        var output = await RunAsync(
            node,
            """
            const { KmsCryptoClient, KmsManagementClient } = require('oci-keymanagement');
            const client = new KmsCryptoClient({ authenticationDetailsProvider: provider });
            client.endpoint = process.env.ADDRESS;
            const keyId = process.env.KEY_ID, associatedData = JSON.parse(process.env.CONTEXT);
            const opened = await client.decrypt({ decryptDataDetails: { keyId, associatedData, ciphertext: process.env.CIPHERTEXT } });
            console.log(opened.decryptedData.plaintext);
            const made = await client.encrypt({ encryptDataDetails: { keyId, associatedData, plaintext: opened.decryptedData.plaintext } });
            console.log(made.encryptedData.ciphertext);
            console.log(made.encryptedData.keyVersionId);
            const management = new KmsManagementClient({ authenticationDetailsProvider: provider });
            management.endpoint = process.env.ADDRESS;
            const key = (await management.getKey({ keyId })).key;
            console.log(key.lifecycleState, key.currentKeyVersion, key.protectionMode);
            try { await client.decrypt({ decryptDataDetails: { keyId, ciphertext: process.env.CIPHERTEXT } }); }
            catch (e) { console.log(e.statusCode, e.serviceCode); }
            """,
            new()
            {
                ["ADDRESS"] = kms.Server.Address.AbsoluteUri.TrimEnd('/'),
                ["KEY_ID"] = OciHarness.First,
                ["CONTEXT"] = JsonSerializer.Serialize(Context.Pairs),
                ["CIPHERTEXT"] = System.Text.Encoding.ASCII.GetString(copy.Ciphertext.Span),
            });

        Assert.Equal(Convert.ToBase64String(Key), output[0]);
        Assert.Equal(copy.KekVersion, output[2]);
        Assert.Equal(Key, await wrapper.UnwrapAsync(copy with { Ciphertext = System.Text.Encoding.ASCII.GetBytes(output[1]) }, Context, Token));
        Assert.Equal($"ENABLED {copy.KekVersion} SOFTWARE", output[3]);
        Assert.Equal("400 InvalidParameter", output[4]);
    }

    private static IOciRequestSigner Signer(TimeProvider time)
        => OciVault.CreateApiKeySigner(Tenancy, User, Fingerprint, OciHarness.CallerKey.ExportRSAPrivateKeyPem(), timeProvider: time);

    private static async Task<string[]> RunAsync(NodeRunner node, string script, Dictionary<string, string> environment)
    {
        environment["TENANCY"] = Tenancy;
        environment["USER_ID"] = User;
        environment["FINGERPRINT"] = Fingerprint;
        environment["PRIVATE_KEY"] = OciHarness.CallerKey.ExportRSAPrivateKeyPem();
        var result = await node.RunAsync(Provider + "\n" + script, environment);
        Assert.True(result.ExitCode == 0, result.Error);
        return result.Output.Split('\n');
    }
}
