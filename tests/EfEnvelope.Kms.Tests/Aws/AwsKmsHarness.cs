using Amazon.Runtime;
using EfEnvelope.Kms.Aws;
using EfEnvelope.Kms.Tests.Conformance;
using EfEnvelope.Kms.Tests.Http;

namespace EfEnvelope.Kms.Tests.Aws;

/// <summary>The real AWS SDK against <see cref="AwsKmsServer" />: the first KEK by its ARN, the second by an alias.</summary>
internal sealed class AwsKmsHarness : KmsHarness
{
    private readonly CollectedLog _log = new();
    private readonly AssumedRole _role;
    private readonly AwsKey _key;

    private AwsKmsHarness(AwsKmsServer server)
    {
        Server = server;
        _key = server.CreateKey("1234abcd-12ab-34cd-56ef-1234567890ab");
        Other = server.CreateKey("2345bcde-12ab-34cd-56ef-1234567890ab");
        server.PointAlias("alias/other", Other);
        _role = new AssumedRole(server);
        Wrapper = Create(_key.Arn);
        OtherKey = Create("alias/other");
        MissingKey = Create($"arn:aws:kms:{AwsKmsServer.Region}:{AwsKmsServer.Account}:key/99999999-12ab-34cd-56ef-1234567890ab");
    }

    public AwsKmsServer Server { get; }

    public AwsKey Key => _key;

    public AwsKey Other { get; }

    public override IKeyWrapper Wrapper { get; }

    public override IKeyWrapper OtherKey { get; }

    public override IKeyWrapper MissingKey { get; }

    public override IEnumerable<string> Secrets => _role.Issued.SelectMany(c => (string[])[c.SecretKey, c.Token]);

    public override string Log => _log.Text;

    public override int Requests => Server.Requests;

    public override int Renewals => _role.Issued.Count - 1;

    public static async ValueTask<AwsKmsHarness> StartAsync()
    {
        var server = new AwsKmsServer();
        await server.StartAsync();
        return new AwsKmsHarness(server);
    }

    public IKeyWrapper Create(string keyId, Func<AwsKmsOptions, AwsKmsOptions>? change = null)
    {
        var options = new AwsKmsOptions { BaseAddress = Server.Address, Region = AwsKmsServer.Region, Credentials = _role, Timeout = Patience };
        return AwsKms.CreateKeyWrapper(keyId, change?.Invoke(options) ?? options, _log);
    }

    public override IKeyWrapper CreateImpatient() => Create(_key.Arn, o => o with { Timeout = Impatience });

    public override ValueTask RotateAsync() => Do(_key.Rotate);

    public override ValueTask DisableAsync() => Do(() => _key.State = "Disabled");

    public override ValueTask EnableAsync() => Do(() => _key.State = "Enabled");

    public override ValueTask ScheduleDeletionAsync() => Do(() => _key.State = "PendingDeletion");

    public override ValueTask DeleteAsync() => Do(() => Server.DeleteKey(_key));

    public override ValueTask DenyAsync() => Do(() => Server.Denied["kms:*"] = true);

    public override ValueTask ExpireCredentialsAsync(bool forGood)
        => Do(() =>
        {
            Server.ExpireCredentials();
            _role.IssuesExpired = forGood;
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
        await Server.DisposeAsync();
    }

    private static ValueTask Do(Action action)
    {
        action();
        return ValueTask.CompletedTask;
    }
}

/// <summary>Credentials as a role's are: temporary, had anew when their time is over, one hour by their own word.</summary>
internal sealed class AssumedRole(AwsKmsServer server) : RefreshingAWSCredentials
{
    private readonly List<AwsCredential> _issued = [];

    public bool IssuesExpired { get; set; }

    public IReadOnlyList<AwsCredential> Issued => _issued;

    protected override CredentialsRefreshState GenerateNewCredentials()
    {
        var issued = server.IssueCredential();
        issued.IsExpired = IssuesExpired;
        _issued.Add(issued);
        return new CredentialsRefreshState(
            new ImmutableCredentials(issued.AccessKey, issued.SecretKey, issued.Token), TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(1));
    }

    protected override Task<CredentialsRefreshState> GenerateNewCredentialsAsync() => Task.FromResult(GenerateNewCredentials());
}
