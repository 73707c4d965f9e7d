using EfEnvelope.Kms.GoogleCloud;
using EfEnvelope.Kms.Tests.Conformance;
using EfEnvelope.Kms.Tests.Http;
using Google.Apis.Auth.OAuth2;

namespace EfEnvelope.Kms.Tests.GoogleCloud;

/// <summary>Cloud KMS of the tests, reached with a service account's JSON key.</summary>
internal sealed class GoogleHarness : KmsHarness
{
    public const string Ring = "projects/efenvelope-tests/locations/europe-west3/keyRings/clinic";
    public const string First = $"{Ring}/cryptoKeys/first";

    private readonly CollectedLog _log = new();

    private GoogleHarness(GoogleServer server)
    {
        Server = server;
        Credential = GoogleServiceAccount.Credential(server.Address);
        Wrapper = Create(First);
        OtherKey = Create($"{Ring}/cryptoKeys/other");
        MissingKey = Create($"{Ring}/cryptoKeys/missing");
    }

    public GoogleServer Server { get; }

    public GoogleCredential Credential { get; }

    public GoogleKey Key => Server.Keys[First];

    public override IKeyWrapper Wrapper { get; }

    public override IKeyWrapper OtherKey { get; }

    public override IKeyWrapper MissingKey { get; }

    public override IEnumerable<string> Secrets => [.. Server.Tokens, GoogleServiceAccount.SecretLine];

    public override string Log => _log.Text;

    public override int Requests => Server.Requests;

    public override int Renewals => Server.TokensGiven - 1;

    public static async ValueTask<GoogleHarness> StartAsync()
    {
        var server = new GoogleServer();
        server.Keys[First] = new GoogleKey();
        server.Keys[$"{Ring}/cryptoKeys/other"] = new GoogleKey();
        await server.StartAsync();
        return new GoogleHarness(server);
    }

    public GoogleCloudKmsOptions Options() => new() { BaseAddress = Server.Address, Timeout = Patience };

    public override IKeyWrapper CreateImpatient() => Create(First, Options() with { Timeout = Impatience });

    public override ValueTask RotateAsync() => Do(Key.Rotate);

    public override ValueTask DisableAsync() => Do(() => Key.State = "DISABLED");

    public override ValueTask EnableAsync() => Do(() => Key.State = "ENABLED");

    public override ValueTask ScheduleDeletionAsync() => Do(() => Key.State = "DESTROY_SCHEDULED");

    public override ValueTask DeleteAsync() => Do(() => Key.State = "DESTROYED");

    public override ValueTask DenyAsync() => Do(() => Server.Denied[First] = true);

    public override ValueTask ExpireCredentialsAsync(bool forGood) => Do(() => Server.ExpireTokens(forGood));

    public override ValueTask ThrottleAsync(int requests) => Do(() => Server.Inject(ServerFault.Throttled, requests));

    public override ValueTask FailAsync(int requests) => Do(() => Server.Inject(ServerFault.Failed, requests));

    public override ValueTask HangAsync(int requests) => Do(() => Server.Inject(ServerFault.Hanging, requests));

    public override ValueTask DropAsync(int requests) => Do(() => Server.Inject(ServerFault.Dropped, requests));

    public override async ValueTask StopAsync() => await Server.StopAsync();

    public override ValueTask DisposeAsync() => Server.DisposeAsync();

    private IKeyWrapper Create(string key, GoogleCloudKmsOptions? options = null)
        => GoogleCloudKms.CreateKeyWrapper(key, Credential, options ?? Options(), new KmsServices(TimeProvider.System, _log));

    private static ValueTask Do(Action action)
    {
        action();
        return ValueTask.CompletedTask;
    }
}
