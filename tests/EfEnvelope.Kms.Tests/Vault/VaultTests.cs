using System.Net;
using System.Security.Cryptography;
using System.Text;
using EfEnvelope.Kms.Tests.Http;
using EfEnvelope.Kms.Vault;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Tests.Vault;

/// <summary>What is sent to a transit engine, what is stored, and what each of its answers means.</summary>
public sealed class VaultTests
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);
    private static readonly VaultTransitOptions Options = new() { BaseAddress = new Uri("http://127.0.0.1:1"), MaxRetries = 0 };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Copy_that_was_stored_long_ago_opens()
    {
        const string Stored = """[{"kek":"vault-transit:transit/first","version":"1","key":"dmF1bHQ6djE6WjI5c1pHVnVJR2wySURFeUFDUVEzbGkvY1ZmWlIrcWlOSGpuVmtNT0JHVS9sR3JPVmFIVFZnUTl5TTFmaTBjUzdZUHlJbVdCVXlJUjh1Y1o="}]""";
        await using var vault = await VaultHarness.StartAsync(server => server.Keys["first"].Versions[0] = [.. Enumerable.Range(0, 32).Select(i => (byte)i)]);

        var key = await vault.Wrapper.UnwrapAsync(WrappedKey.Parse(Stored).Copies.Single(), Context, Token);

        Assert.Equal(Enumerable.Range(100, 32).Select(i => (byte)i), key);
    }

    [Fact]
    public async Task Copy_is_what_the_engine_returned_and_its_version()
    {
        await using var vault = await VaultHarness.StartAsync(server => server.Keys["first"].Versions.Add(RandomNumberGenerator.GetBytes(32)));

        var copy = await vault.Wrapper.WrapAsync(Key, Context, Token);

        Assert.Equal("2", copy.KekVersion);
        Assert.StartsWith("vault:v2:", Encoding.ASCII.GetString(copy.Ciphertext.Span), StringComparison.Ordinal);
    }

    // Vault reads version 0 as 1, and Base64 with line ends or stray bits: none of these is what it returned.
    [Theory]
    [InlineData("vault:v0:")]
    [InlineData("vault:v01:")]
    [InlineData("vault:v+1:")]
    [InlineData("vault:v1:\n")]
    [InlineData("bault:v1:")]
    [InlineData("vault:v")]
    [InlineData("vault:v1")]
    public async Task Text_that_the_engine_would_read_as_another_is_refused_before_it_is_sent(string prefix)
    {
        await using var vault = await VaultHarness.StartAsync();
        var copy = await vault.Wrapper.WrapAsync(Key, Context, Token);
        var text = Encoding.ASCII.GetString(copy.Ciphertext.Span);
        var before = vault.Requests;

        var e = await Assert.ThrowsAsync<KmsException>(async () => await vault.Wrapper.UnwrapAsync(
            copy with { KekVersion = null, Ciphertext = Encoding.ASCII.GetBytes(prefix + text["vault:v1:".Length..]) }, Context, Token));

        Assert.Equal(KmsErrorKind.InvalidCiphertext, e.Kind);
        Assert.Equal(before, vault.Requests);
    }

    [Fact]
    public async Task Base64_with_stray_bits_is_refused()
    {
        await using var vault = await VaultHarness.StartAsync();
        var copy = await vault.Wrapper.WrapAsync(new byte[48], Context, Token);
        var bytes = copy.Ciphertext.ToArray();
        Assert.Equal((byte)'=', bytes[^1]);
        bytes[^3]++;

        var e = await Assert.ThrowsAsync<KmsException>(async () => await vault.Wrapper.UnwrapAsync(copy with { Ciphertext = bytes }, Context, Token));

        Assert.Equal(KmsErrorKind.InvalidCiphertext, e.Kind);
    }

    [Theory]
    [InlineData("vault-transit:transit/../sys/seal")]
    [InlineData("vault-transit:transit/first?x=1")]
    [InlineData("vault-transit:transit//first")]
    [InlineData("vault-transit:first")]
    [InlineData("vault-transit:transit/")]
    [InlineData("vault-transit:transit/%2e%2e/first")]
    public async Task KEK_URI_that_would_lead_a_request_elsewhere_is_refused_before_it_is_sent(string kek)
    {
        await using var vault = await VaultHarness.StartAsync();
        var copy = await vault.Wrapper.WrapAsync(Key, Context, Token);
        var before = vault.Requests;

        var e = await Assert.ThrowsAsync<KmsException>(async () => await vault.Wrapper.UnwrapAsync(copy with { Kek = new KekUri(kek) }, Context, Token));

        Assert.Equal(KmsErrorKind.WrongKey, e.Kind);
        Assert.Equal(before, vault.Requests);
    }

    [Fact]
    public async Task Key_that_was_deleted_is_not_made_again_by_a_token_that_could()
    {
        await using var vault = await VaultHarness.StartAsync();
        await vault.Wrapper.WrapAsync(Key, Context, Token);
        await vault.DeleteAsync();

        var e = await Assert.ThrowsAsync<KmsException>(async () => await vault.Wrapper.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.NotFound, e.Kind);
        Assert.DoesNotContain("first", vault.Server.Keys.Keys);
    }

    [Fact]
    public async Task Version_below_the_least_one_is_disabled_and_opens_again_when_that_is_lowered()
    {
        await using var vault = await VaultHarness.StartAsync();
        var copy = await vault.Wrapper.WrapAsync(Key, Context, Token);
        await vault.RotateAsync();
        vault.Server.Keys["first"].MinDecryptionVersion = 2;

        var e = await Assert.ThrowsAsync<KmsException>(async () => await vault.Wrapper.UnwrapAsync(copy, Context, Token));

        Assert.Equal(KmsErrorKind.Disabled, e.Kind);
        Assert.Contains("min_decryption_version", e.Message, StringComparison.Ordinal);
        vault.Server.Keys["first"].MinDecryptionVersion = 1;
        Assert.Equal(Key, await vault.Wrapper.UnwrapAsync(copy, Context, Token));
    }

    [Theory]
    [InlineData("rsa-4096", false)]
    [InlineData("ed25519", false)]
    [InlineData("aes256-gcm96", true)]
    public async Task Key_that_cannot_bind_a_context_is_refused_before_anything_is_encrypted(string type, bool derived)
    {
        await using var vault = await VaultHarness.StartAsync(server => (server.Keys["first"].Type, server.Keys["first"].Derived) = (type, derived));

        var e = await Assert.ThrowsAsync<KmsException>(async () => await vault.Wrapper.WrapAsync(Key, Context, Token));

        Assert.Equal(KmsErrorKind.InvalidRequest, e.Kind);
        Assert.Equal(1, vault.Requests);
    }

    [Fact]
    public async Task KEK_is_described_as_the_engine_says()
    {
        await using var vault = await VaultHarness.StartAsync(server => server.Keys["first"].Versions.Add(RandomNumberGenerator.GetBytes(32)));

        var described = await vault.Wrapper.DescribeAsync(Token);

        Assert.Equal(("2", "transit aes256-gcm96"), (described.PrimaryVersion, described.Protection));
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(1_700_000_000), described.CreatedAt);
    }

    [Theory]
    [InlineData(400, """{"errors":["encryption key not found"]}""", KmsErrorKind.NotFound)]
    [InlineData(400, """{"errors":["cipher: message authentication failed"]}""", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, """{"errors":["chacha20poly1305: message authentication failed"]}""", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, """{"errors":["invalid ciphertext: no prefix"]}""", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, """{"errors":["invalid ciphertext: wrong number of fields"]}""", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, """{"errors":["invalid ciphertext: version number could not be decoded"]}""", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, """{"errors":["invalid ciphertext: could not decode base64"]}""", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, """{"errors":["invalid ciphertext: version is too new"]}""", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, """{"errors":["invalid ciphertext length"]}""", KmsErrorKind.InvalidCiphertext)]
    [InlineData(400, """{"errors":["ciphertext or signature version is disallowed by policy (too old)"]}""", KmsErrorKind.Disabled)]
    [InlineData(400, """{"errors":["message decryption not supported for key type ed25519"]}""", KmsErrorKind.InvalidRequest)]
    [InlineData(400, """{"errors":["'[0].associated_data' provided for non-AEAD cipher suite rsa-4096"]}""", KmsErrorKind.InvalidRequest)]
    [InlineData(400, """{"errors":["missing 'context' for key derivation; the key was created using a derived key"]}""", KmsErrorKind.InvalidRequest)]
    [InlineData(400, """{"errors":["error parsing JSON"]}""", KmsErrorKind.InvalidRequest)]
    [InlineData(400, "<html>a proxy's page</html>", KmsErrorKind.InvalidRequest)]
    [InlineData(403, """{"errors":["permission denied"]}""", KmsErrorKind.AccessDenied)]
    [InlineData(404, """{"errors":["no handler for route \"transit/decrypt/first\". route entry not found."]}""", KmsErrorKind.NotFound)]
    [InlineData(404, """{"errors":[]}""", KmsErrorKind.NotFound)]
    [InlineData(405, """{"errors":["1 error occurred:\n\t* unsupported operation\n\n"]}""", KmsErrorKind.InvalidRequest)]
    [InlineData(412, """{"errors":["required index state not present"]}""", KmsErrorKind.Unavailable)]
    [InlineData(413, """{"errors":["http: request body too large"]}""", KmsErrorKind.InvalidRequest)]
    [InlineData(429, """{"errors":["request path \"transit/decrypt/first\": rate limit quota exceeded"]}""", KmsErrorKind.Throttled)]
    [InlineData(472, """{"errors":[]}""", KmsErrorKind.Unavailable)]
    [InlineData(473, """{"errors":[]}""", KmsErrorKind.Unavailable)]
    [InlineData(500, """{"errors":["internal error"]}""", KmsErrorKind.Unavailable)]
    [InlineData(502, "Bad Gateway", KmsErrorKind.Unavailable)]
    [InlineData(503, """{"errors":["Vault is sealed"]}""", KmsErrorKind.Unavailable)]
    [InlineData(307, "", KmsErrorKind.Unavailable)]
    [InlineData(200, "<html>a login page</html>", KmsErrorKind.Unavailable)]
    [InlineData(200, """{"data":{}}""", KmsErrorKind.Unavailable)]
    [InlineData(200, """{"data":{"plaintext":"***"}}""", KmsErrorKind.Unavailable)]
    public async Task Answer_is_one_kind(int status, string body, KmsErrorKind kind)
    {
        var answers = new CannedAnswers(_ => (status, body));
        using var client = Client(answers);

        var e = await Assert.ThrowsAsync<KmsException>(async () => await client.UnwrapAsync(Copy, Context, Token));

        Assert.Equal(kind, e.Kind);
        Assert.Contains("transit/first", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("html", e.Message, StringComparison.Ordinal);
        Assert.Null(e.InnerException);
    }

    [Fact]
    public async Task Sealed_is_said()
    {
        using var client = Client(new CannedAnswers(_ => (503, """{"errors":["Vault is sealed"]}""")));

        Assert.Contains("Unseal", (await Assert.ThrowsAsync<KmsException>(async () => await client.UnwrapAsync(Copy, Context, Token))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answer_without_end_is_not_read_to_its_end()
    {
        using var client = Client(new CannedAnswers(_ => (200, new string('x', 1_000_000))));

        Assert.Equal(KmsErrorKind.Unavailable, (await Assert.ThrowsAsync<KmsException>(async () => await client.UnwrapAsync(Copy, Context, Token))).Kind);
    }

    [Fact]
    public async Task Time_that_the_server_asks_to_wait_is_waited()
    {
        var time = new FakeTimeProvider();
        var answers = new CannedAnswers(n => n == 1
            ? (429, """{"errors":["rate limit quota exceeded"]}""")
            : (200, """{"data":{"plaintext":"KEY"}}""".Replace("KEY", Convert.ToBase64String(Key), StringComparison.Ordinal))) { RetryAfter = TimeSpan.FromSeconds(3) };
        using var client = Client(answers, Options with { MaxRetries = 1, Timeout = TimeSpan.FromMinutes(10) }, time);

        var call = client.UnwrapAsync(Copy, Context, Token).AsTask();
        await answers.ReceivedAsync(1);
        time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.False(call.IsCompleted);
        Assert.Equal(1, answers.Count);
        while (!call.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(0.1));
            await Task.Delay(5, Token);
        }

        Assert.Equal(Key, await call);
        Assert.Equal(2, answers.Count);
    }

    [Fact]
    public async Task Address_may_have_a_path()
    {
        var answers = new CannedAnswers(_ => (404, "{}"));
        using var client = Client(answers, Options with { BaseAddress = new Uri("https://proxy.example.org/vault/"), Mount = "team/transit", Namespace = "clinic" });

        await Assert.ThrowsAsync<KmsException>(async () => await client.WrapAsync(Key, Context, Token));

        Assert.Equal("GET https://proxy.example.org/vault/v1/team/transit/keys/first", answers.Last);
    }

    private const string Text = "Z29sZGVuIGl2IDEyACQQ3li/cVfZR+qiNHjnVkMOBGU/lGrOVaHTVgQ9yM1fi0cS7YPyImWBUyIR8ucZ";

    private static WrappedKeyCopy Copy => new(new KekUri("vault-transit:transit/first"), "1", Encoding.ASCII.GetBytes($"vault:v1:{Text}"));

    private static VaultKeyWrapper Client(CannedAnswers answers, VaultTransitOptions? options = null, TimeProvider? time = null)
        => (VaultKeyWrapper)VaultTransit.CreateKeyWrapper(
            "first", VaultTokens.Fixed("hvs.fixed"), (options ?? Options) with { Handler = answers }, new KmsServices(time ?? TimeProvider.System, new CollectedLog()));
}
