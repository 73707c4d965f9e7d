using EfEnvelope.Kms.Tests.Conformance;
using EfEnvelope.Kms.Tests.Node;

namespace EfEnvelope.Kms.Tests.GoogleCloud;

/// <summary>Google's own client for Node.js and ours understand the same service and each other's ciphertexts.</summary>
public sealed class GoogleNodeTests
{
    private const string Package = "@google-cloud/kms@5.7.0";

    private const string Client =
        """
        const { KeyManagementServiceClient } = require('@google-cloud/kms');
        const { OAuth2Client } = require('google-auth-library');
        const authClient = new OAuth2Client();
        authClient.setCredentials({ access_token: process.env.TOKEN });
        const client = new KeyManagementServiceClient({ fallback: true, protocol: 'http', apiEndpoint: '127.0.0.1', port: Number(process.env.PORT), authClient });
        const name = process.env.NAME, additionalAuthenticatedData = Buffer.from(process.env.AAD, 'base64');
        """;

    private static readonly EncryptionContext Context = new([new("purpose", "data key"), new("scope", "kliník")]);
    private static readonly byte[] Key = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_the_official_client_encrypted_unwraps()
    {
        var node = await NodeRunner.RequireAsync(Package);
        await using var kms = await GoogleHarness.StartAsync();

        var output = await RunAsync(
            node,
            kms,
            """
            const [answer] = await client.encrypt({ name, additionalAuthenticatedData, plaintext: Buffer.from(process.env.INPUT, 'base64') });
            console.log(answer.name);
            console.log(Buffer.from(answer.ciphertext).toString('base64'));
            """,
            Key);

        Assert.Equal($"{GoogleHarness.First}/cryptoKeyVersions/1", output[0]);
        Assert.Equal(Key, await kms.Wrapper.UnwrapAsync(new WrappedKeyCopy(kms.Wrapper.Kek, "1", Convert.FromBase64String(output[1])), Context, Token));
    }

    [Fact]
    public async Task What_was_wrapped_the_official_client_decrypts()
    {
        var node = await NodeRunner.RequireAsync(Package);
        await using var kms = await GoogleHarness.StartAsync();
        var copy = await kms.Wrapper.WrapAsync(Key, Context, Token);

        var output = await RunAsync(
            node,
            kms,
            """
            const [answer] = await client.decrypt({ name, additionalAuthenticatedData, ciphertext: Buffer.from(process.env.INPUT, 'base64') });
            console.log(Buffer.from(answer.plaintext).toString('base64'), answer.usedPrimary, answer.plaintextCrc32c.value);
            """,
            copy.Ciphertext.ToArray());

        Assert.Equal($"{Convert.ToBase64String(Key)} true {EfEnvelope.Kms.GoogleCloud.Http.Crc32C.Of(Key)}", output[0]);
    }

    [Fact]
    public async Task The_official_client_understands_what_the_service_of_the_tests_says_of_a_key_and_of_a_fault()
    {
        var node = await NodeRunner.RequireAsync(Package);
        await using var kms = await GoogleHarness.StartAsync();
        await kms.DisableAsync();

        var output = await RunAsync(
            node,
            kms,
            """
            const [key] = await client.getCryptoKey({ name });
            console.log(key.purpose, key.primary.state, key.primary.name);
            try { await client.encrypt({ name, plaintext: Buffer.from('x') }); } catch (e) { console.log(e.code, e.message); }
            try { await client.getCryptoKey({ name: name + 'missing' }); } catch (e) { console.log(e.code, e.message); }
            """,
            []);

        Assert.Equal($"ENCRYPT_DECRYPT DISABLED {GoogleHarness.First}/cryptoKeyVersions/1", output[0]);
        Assert.Contains("FAILED_PRECONDITION", output[1]);
        Assert.Contains("is not enabled, current state is: DISABLED.", output[1]);
        Assert.Contains("NOT_FOUND", output[2]);
    }

    private static async Task<string[]> RunAsync(NodeRunner node, GoogleHarness kms, string script, byte[] input)
    {
        kms.Server.ChecksumsExpected = false;
        var result = await node.RunAsync(
            Client + "\n" + script,
            new Dictionary<string, string>
            {
                ["TOKEN"] = kms.Server.NewToken(),
                ["PORT"] = $"{kms.Server.Address.Port}",
                ["NAME"] = GoogleHarness.First,
                ["AAD"] = Convert.ToBase64String(Context.AssociatedData.Span),
                ["INPUT"] = Convert.ToBase64String(input),
            });
        Assert.True(result.ExitCode == 0, result.Error);
        return result.Output.Split('\n');
    }
}
