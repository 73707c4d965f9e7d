using EfEnvelope.Kms.Azure;
using EfEnvelope.Kms.Tests.Conformance;
using EfEnvelope.Kms.Tests.Http;

namespace EfEnvelope.Kms.Tests.Azure;

/// <summary>A vault with RSA keys, or a Managed HSM with AES keys, under its true host name.</summary>
internal sealed class KeyVaultHarness : KmsHarness
{
    private readonly CollectedLog _log = new();

    private KeyVaultHarness(KeyVaultServer server, bool hsm)
    {
        Server = server;
        Host = hsm ? "clinic.managedhsm.azure.net" : "clinic.vault.azure.net";
        Handler = new LoopbackHandler(server.Address);
        Credential = new VaultCredential(server);
        Key = hsm ? server.CreateAesKey("clinic") : server.CreateRsaKey("clinic");
        Other = hsm ? server.CreateAesKey("other") : server.CreateRsaKey("other");
        Wrapper = Create($"https://{Host}/keys/clinic");
        OtherKey = Create($"https://{Host}/keys/other");
        MissingKey = Create($"https://{Host}/keys/missing");
    }

    public KeyVaultServer Server { get; }

    public string Host { get; }

    public LoopbackHandler Handler { get; }

    public VaultCredential Credential { get; }

    public KeyVaultKey Key { get; }

    public KeyVaultKey Other { get; }

    public override IReadOnlyDictionary<KmsLever, string> Cannot { get; } = new Dictionary<KmsLever, string>
    {
        [KmsLever.ScheduleDeletion] = "Key Vault has no deletion at a later time: a deleted key is not found at once, until it is recovered.",
    };

    public override IReadOnlyDictionary<KmsFact, (KmsErrorKind Kind, string Why)> Deviations { get; } = new Dictionary<KmsFact, (KmsErrorKind, string)>
    {
        [KmsFact.OtherKey] = (KmsErrorKind.NotFound, "A version belongs to one key: under another key's name, the vault has none of this id."),
    };

    public override IKeyWrapper Wrapper { get; }

    public override IKeyWrapper OtherKey { get; }

    public override IKeyWrapper MissingKey { get; }

    public override IEnumerable<string> Secrets => Credential.Issued.Select(t => t.Text);

    public override string Log => _log.Text;

    public override int Requests => Server.Requests;

    public override int Renewals => Credential.Issued.Count - 1;

    public static async ValueTask<KeyVaultHarness> StartAsync(bool hsm = false)
    {
        var server = new KeyVaultServer(hsm ? "https://managedhsm.azure.net" : "https://vault.azure.net");
        await server.StartAsync();
        return new KeyVaultHarness(server, hsm);
    }

    public IKeyWrapper Create(string keyId, Func<AzureKeyVaultOptions, AzureKeyVaultOptions>? change = null, TimeProvider? time = null)
    {
        var options = new AzureKeyVaultOptions { Handler = Handler, Timeout = Patience };
        return AzureKeyVault.CreateKeyWrapper(keyId, Credential, change?.Invoke(options) ?? options, new KmsServices(time ?? TimeProvider.System, _log));
    }

    public override IKeyWrapper CreateImpatient() => Create($"https://{Host}/keys/clinic", o => o with { Timeout = Impatience });

    public override ValueTask RotateAsync() => Do(Key.Rotate);

    public override ValueTask DisableAsync() => Do(() => Key.Newest.Enabled = false);

    public override ValueTask EnableAsync() => Do(() => Key.Newest.Enabled = true);

    public override ValueTask DeleteAsync() => Do(() => Server.DeleteKey(Key));

    public override ValueTask DenyAsync() => Do(() => Server.Denied = true);

    public override ValueTask ExpireCredentialsAsync(bool forGood)
        => Do(() =>
        {
            Server.ExpireTokens();
            Credential.IssuesExpired = forGood;
        });

    public override ValueTask ThrottleAsync(int requests) => Do(() => Server.Inject(ServerFault.Throttled, requests));

    public override ValueTask FailAsync(int requests) => Do(() => Server.Inject(ServerFault.Failed, requests));

    public override ValueTask HangAsync(int requests) => Do(() => Server.Inject(ServerFault.Hanging, requests));

    public override ValueTask DropAsync(int requests) => Do(() => Server.Inject(ServerFault.Dropped, requests));

    public override ValueTask StopAsync() => new(Server.StopAsync());

    public override async ValueTask DisposeAsync()
    {
        foreach (var wrapper in (IKeyWrapper[])[Wrapper, OtherKey, MissingKey])
            ((IDisposable)wrapper).Dispose();
        Assert.False(Handler.IsDisposed);
        Handler.Dispose();
        await Server.DisposeAsync();
    }

    private static ValueTask Do(Action action)
    {
        action();
        return ValueTask.CompletedTask;
    }
}
