using EfEnvelope.Kms.Tests.Conformance;
using EfEnvelope.Kms.Tests.Http;
using EfEnvelope.Kms.Vault;

namespace EfEnvelope.Kms.Tests.Vault;

/// <summary>A server with two transit keys, and clients that log in by AppRole. Their policy would let them make a key: no test may see one made.</summary>
internal sealed class VaultHarness : KmsHarness
{
    private readonly CollectedLog _log = new();
    private readonly string _secretId;

    private VaultHarness(VaultServer server)
    {
        Server = server;
        _secretId = server.SecretId;
        (Wrapper, OtherKey, MissingKey) = (Client("first"), Client("other"), Client("missing"));
    }

    public VaultServer Server { get; }

    public override IKeyWrapper Wrapper { get; }

    public override IKeyWrapper OtherKey { get; }

    public override IKeyWrapper MissingKey { get; }

    public override IEnumerable<string> Secrets => [_secretId, .. Server.TokensIssued];

    public override string Log => _log.Text;

    public override int Requests => Server.Requests;

    public override int Renewals => Server.Logins;

    public override IReadOnlyDictionary<KmsLever, string> Cannot { get; } = new Dictionary<KmsLever, string>
    {
        [KmsLever.Disable] = "A transit key cannot be disabled, only its older versions, by 'min_decryption_version'.",
        [KmsLever.ScheduleDeletion] = "A transit key is deleted at once, if its 'deletion_allowed' is set: there is no waiting time.",
    };

    public override IReadOnlyDictionary<KmsFact, (KmsErrorKind Kind, string Why)> Deviations { get; } = new Dictionary<KmsFact, (KmsErrorKind, string)>
    {
        [KmsFact.OtherKey] = (KmsErrorKind.InvalidCiphertext, "The ciphertext names no key."),
    };

    public static async Task<VaultHarness> StartAsync(Action<VaultServer>? configure = null)
    {
        var server = new VaultServer(TimeProvider.System);
        foreach (var key in (string[])["first", "other", "missing"])
        {
            (server.Policy[$"encrypt/{key}"], server.Policy[$"decrypt/{key}"]) = (["create", "update"], ["update"]);
            server.Policy[$"keys/{key}"] = ["read"];
        }

        (server.Keys["first"], server.Keys["other"]) = (new(), new());
        configure?.Invoke(server);
        await server.StartAsync();
        return new VaultHarness(server);
    }

    public override IKeyWrapper CreateImpatient() => Client("first", Impatience);

    public override ValueTask RotateAsync()
    {
        Server.Keys["first"].Versions.Add(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32));
        return ValueTask.CompletedTask;
    }

    public override ValueTask DeleteAsync()
    {
        Server.Keys.Remove("first");
        return ValueTask.CompletedTask;
    }

    public override ValueTask DenyAsync()
    {
        foreach (var path in (string[])["encrypt/first", "decrypt/first", "keys/first"])
            Server.Policy[path] = [];
        return ValueTask.CompletedTask;
    }

    public override ValueTask ExpireCredentialsAsync(bool forGood)
    {
        Server.RevokeAll();
        if (forGood)
            Server.SecretId = "another one";
        return ValueTask.CompletedTask;
    }

    public override ValueTask ThrottleAsync(int requests) => Inject(ServerFault.Throttled, requests);

    public override ValueTask FailAsync(int requests) => Inject(ServerFault.Failed, requests);

    public override ValueTask HangAsync(int requests) => Inject(ServerFault.Hanging, requests);

    public override ValueTask DropAsync(int requests) => Inject(ServerFault.Dropped, requests);

    public override async ValueTask StopAsync() => await Server.StopAsync();

    public override async ValueTask DisposeAsync()
    {
        foreach (var wrapper in (IKeyWrapper[])[Wrapper, OtherKey, MissingKey])
            ((IDisposable)wrapper).Dispose();
        await Server.DisposeAsync();
        Assert.DoesNotContain("missing", Server.Keys.Keys);
    }

    private ValueTask Inject(ServerFault fault, int requests)
    {
        Server.Inject(fault, requests);
        return ValueTask.CompletedTask;
    }

    private IKeyWrapper Client(string key, TimeSpan? timeout = null)
    {
        var options = new VaultTransitOptions { BaseAddress = Server.Address, Timeout = timeout ?? Patience, Namespace = Server.Namespace };
        return VaultTransit.CreateKeyWrapper(key, VaultTokens.AppRole(Server.RoleId, _secretId), options, new KmsServices(TimeProvider.System, _log));
    }
}
