using System.Net.Http.Json;
using System.Text.Json.Nodes;
using EfEnvelope.Kms.Tests.Conformance;
using EfEnvelope.Kms.Vault;

namespace EfEnvelope.Kms.Tests.Vault;

/// <summary>
/// A real Vault or OpenBao, such as <c>bao server -dev</c>: <c>EFENVELOPE_VAULT_ADDR</c> and <c>EFENVELOPE_VAULT_TOKEN</c>, a token that may do everything. Each test
/// mounts an engine of its own and removes it.
/// </summary>
internal sealed class RealVaultHarness : KmsHarness
{
    private const string NotOurs = "The server is not the test's: nobody stops or slows it.";

    private readonly HttpClient _administrator;
    private readonly Uri _address;
    private readonly string _mount = $"efenvelope-{Guid.NewGuid():N}";
    private string _token = "";
    private IKeyWrapper[] _clients = [];

    private RealVaultHarness(Uri address, string token)
    {
        _address = address;
        _administrator = new HttpClient { BaseAddress = new Uri(address, "/v1/") };
        _administrator.DefaultRequestHeaders.Add("X-Vault-Token", token);
    }

    public override IKeyWrapper Wrapper => _clients[0];

    public override IKeyWrapper OtherKey => _clients[1];

    public override IKeyWrapper MissingKey => _clients[2];

    public override bool IsRemote => false;

    public override IEnumerable<string> Secrets => [_token];

    public override IReadOnlyDictionary<KmsLever, string> Cannot { get; } = new Dictionary<KmsLever, string>
    {
        [KmsLever.Disable] = "A transit key cannot be disabled, only its older versions, by 'min_decryption_version'.",
        [KmsLever.ScheduleDeletion] = "A transit key is deleted at once: there is no waiting time.",
        [KmsLever.ExpireCredentials] = "Its tokens are renewed in the tests of tokens.",
        [KmsLever.Throttle] = NotOurs,
        [KmsLever.Fail] = NotOurs,
        [KmsLever.Hang] = NotOurs,
        [KmsLever.Drop] = NotOurs,
        [KmsLever.Stop] = NotOurs,
    };

    public override IReadOnlyDictionary<KmsFact, (KmsErrorKind Kind, string Why)> Deviations { get; } = new Dictionary<KmsFact, (KmsErrorKind, string)>
    {
        [KmsFact.OtherKey] = (KmsErrorKind.InvalidCiphertext, "The ciphertext names no key."),
    };

    public static async Task<RealVaultHarness> StartAsync(string address, string token)
    {
        var vault = new RealVaultHarness(new Uri(address), token);
        await vault.PostAsync($"sys/mounts/{vault._mount}", new { type = "transit" });
        await vault.PostAsync($"{vault._mount}/keys/first", new { });
        await vault.PostAsync($"{vault._mount}/keys/other", new { });
        await vault.PutPolicyAsync($$"""
            path "{{vault._mount}}/encrypt/*" { capabilities = ["create", "update"] }
            path "{{vault._mount}}/decrypt/*" { capabilities = ["update"] }
            path "{{vault._mount}}/keys/*" { capabilities = ["read"] }
            """);
        var issued = await vault.PostAsync("auth/token/create", new { policies = new[] { vault._mount } });
        vault._token = issued!["auth"]!["client_token"]!.GetValue<string>();
        var options = new VaultTransitOptions { BaseAddress = vault._address, Mount = vault._mount, Timeout = Patience };
        vault._clients = [.. new[] { "first", "other", "missing" }.Select(key => VaultTransit.CreateKeyWrapper(key, VaultTokens.Fixed(vault._token), options))];
        return vault;
    }

    public override async ValueTask RotateAsync() => await PostAsync($"{_mount}/keys/first/rotate", new { });

    public override async ValueTask DeleteAsync()
    {
        await PostAsync($"{_mount}/keys/first/config", new { deletion_allowed = true });
        (await _administrator.DeleteAsync($"{_mount}/keys/first")).EnsureSuccessStatusCode();
    }

    public override async ValueTask DenyAsync() => await PutPolicyAsync("");

    public override async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
            ((IDisposable)client).Dispose();
        var missing = await _administrator.GetAsync($"{_mount}/keys/missing");
        await _administrator.DeleteAsync($"sys/mounts/{_mount}");
        await _administrator.DeleteAsync($"sys/policies/acl/{_mount}");
        _administrator.Dispose();
        Assert.Equal(System.Net.HttpStatusCode.NotFound, missing.StatusCode);
    }

    private async Task PutPolicyAsync(string policy) => await PostAsync($"sys/policies/acl/{_mount}", new { policy });

    private async Task<JsonNode?> PostAsync(string path, object body)
    {
        var response = await _administrator.PostAsJsonAsync(path, body);
        response.EnsureSuccessStatusCode();
        var text = await response.Content.ReadAsStringAsync();
        return text.Length == 0 ? null : JsonNode.Parse(text);
    }
}
