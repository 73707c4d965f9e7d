using System.Text.Json;
using EfEnvelope.Kms.Tests.Node;

namespace EfEnvelope.Kms.Tests.Azure;

/// <summary>Azure's own client for Node.js against the server that the other tests trust, and against what our client wrapped.</summary>
public sealed class KeyVaultNodeTests
{
    private const string Package = "@azure/keyvault-keys@4.10.2";

    // Its requests are led to the server as ours are; its own policies see the true address.
    private const string Client = """
        const { CryptographyClient, KeyClient } = require('@azure/keyvault-keys');
        const { createDefaultHttpClient } = require('@azure/core-rest-pipeline');
        const inner = createDefaultHttpClient(), asked = [];
        const httpClient = { async sendRequest(request) {
          const url = new URL(request.url);
          request.headers.set('host', url.host);
          request.url = process.env.SERVER + url.pathname + url.search;
          request.allowInsecureConnection = true;
          try { return await inner.sendRequest(request); } finally { request.url = url.href; }
        } };
        const credential = { async getToken(scopes, options) {
          asked.push([].concat(scopes).join(' ') + ' ' + options.tenantId);
          return { token: process.env.TOKEN, expiresOnTimestamp: Date.now() + 3600000 };
        } };
        const options = { httpClient, serviceVersion: '7.4', retryOptions: { maxRetries: 0 } };
        const client = new CryptographyClient(process.env.KID, credential, options);
        const hex = bytes => Buffer.from(bytes).toString('hex');
        const bytes = name => Buffer.from(process.env[name], 'hex');

        """;

    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = Enumerable.Range(1, 32).Select(i => (byte)i).ToArray();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Official_client_and_ours_open_what_the_other_wrapped()
    {
        var node = await NodeRunner.RequireAsync(Package);
        await using var kms = await KeyVaultHarness.StartAsync();
        var copy = await kms.Wrapper.WrapAsync(Key, Context, Token);

        var said = await RunAsync(
            node,
            kms,
            copy.KekVersion!,
            """
            const ours = await client.unwrapKey('RSA-OAEP-256', bytes('OURS'));
            const theirs = await client.wrapKey('RSA-OAEP-256', bytes('BOUND'));
            console.log(JSON.stringify({ opened: hex(ours.result), wrapped: hex(theirs.result), kid: theirs.keyID, asked: asked[0] }));
            """,
            new() { ["OURS"] = Convert.ToHexString(copy.Ciphertext.Span[1..]), ["BOUND"] = Convert.ToHexString(BoundKey.Join(Key, Context)) });

        Assert.Equal($"https://vault.azure.net/.default {KeyVaultServer.Tenant}", said.GetProperty("asked").GetString());
        Assert.True(BoundKey.TrySplit(Convert.FromHexString(said.GetProperty("opened").GetString()!), Context, out var opened));
        Assert.Equal(Key, opened);
        Assert.Equal(copy.KekVersion, said.GetProperty("kid").GetString()!.Split('/')[^1]);
        var theirs = copy with { Ciphertext = (byte[])[1, .. Convert.FromHexString(said.GetProperty("wrapped").GetString()!)] };
        Assert.Equal(Key, await kms.Wrapper.UnwrapAsync(theirs, Context, Token));
    }

    [Fact]
    public async Task Official_client_and_ours_open_what_the_other_encrypted_in_a_Managed_HSM()
    {
        var node = await NodeRunner.RequireAsync(Package);
        await using var kms = await KeyVaultHarness.StartAsync(hsm: true);
        var copy = await kms.Wrapper.WrapAsync(Key, Context, Token);
        var bytes = copy.Ciphertext[1..].ToArray();

        var said = await RunAsync(
            node,
            kms,
            copy.KekVersion!,
            """
            const aad = bytes('AAD');
            const ours = await client.decrypt({ algorithm: 'A256GCM', iv: bytes('IV'), ciphertext: bytes('OURS'), authenticationTag: bytes('TAG'), additionalAuthenticatedData: aad });
            const theirs = await client.encrypt({ algorithm: 'A256GCM', plaintext: bytes('KEY'), additionalAuthenticatedData: aad });
            console.log(JSON.stringify({ opened: hex(ours.result), wrapped: hex(theirs.iv) + hex(theirs.result) + hex(theirs.authenticationTag) }));
            """,
            new()
            {
                ["IV"] = Convert.ToHexString(bytes[..12]), ["OURS"] = Convert.ToHexString(bytes[12..^16]), ["TAG"] = Convert.ToHexString(bytes[^16..]),
                ["AAD"] = Convert.ToHexString(Context.AssociatedData.Span), ["KEY"] = Convert.ToHexString(Key),
            });

        Assert.Equal(Key, Convert.FromHexString(said.GetProperty("opened").GetString()!));
        var theirs = copy with { Ciphertext = (byte[])[2, .. Convert.FromHexString(said.GetProperty("wrapped").GetString()!)] };
        Assert.Equal(Key, await kms.Wrapper.UnwrapAsync(theirs, Context, Token));
    }

    [Fact]
    public async Task Official_client_understands_the_refusals_of_the_server()
    {
        var node = await NodeRunner.RequireAsync(Package);
        await using var kms = await KeyVaultHarness.StartAsync();
        kms.Server.CreateRsaKey("off").Newest.Enabled = false;

        var said = await RunAsync(
            node,
            kms,
            kms.Key.Newest.Id,
            """
            const keys = new KeyClient('https://clinic.vault.azure.net', credential, options);
            const codeOf = async call => { try { await call(); return 'none'; } catch (e) { return `${e.statusCode} ${e.code}`; } };
            console.log(JSON.stringify({
              described: (await keys.getKey('clinic')).properties.version,
              missing: await codeOf(() => keys.getKey('missing')),
              bad: await codeOf(() => client.unwrapKey('RSA-OAEP-256', Buffer.alloc(256, 1))),
              off: (await keys.getKey('off')).properties.enabled,
            }));
            """,
            []);

        Assert.Equal(kms.Key.Newest.Id, said.GetProperty("described").GetString());
        Assert.Equal("404 KeyNotFound", said.GetProperty("missing").GetString());
        Assert.Equal("400 BadParameter", said.GetProperty("bad").GetString());
        Assert.False(said.GetProperty("off").GetBoolean());
    }

    private static async Task<JsonElement> RunAsync(NodeRunner node, KeyVaultHarness kms, string version, string script, Dictionary<string, string> environment)
    {
        environment["SERVER"] = kms.Server.Address.ToString().TrimEnd('/');
        environment["TOKEN"] = kms.Server.IssueToken(kms.Host == "clinic.vault.azure.net" ? "https://vault.azure.net/.default" : "https://managedhsm.azure.net/.default", KeyVaultServer.Tenant, expired: false).Text;
        environment["KID"] = $"https://{kms.Host}/keys/clinic/{version}";
        var result = await node.RunAsync(Client + script, environment);
        Assert.True(result.ExitCode == 0, result.Error);
        return JsonDocument.Parse(result.Output).RootElement;
    }
}
