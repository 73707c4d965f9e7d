using System.Security.Cryptography;
using EfEnvelope.Kms.Oci;
using EfEnvelope.Kms.Tests.Conformance;
using EfEnvelope.Kms.Tests.Http;

namespace EfEnvelope.Kms.Tests.Oci;

/// <summary>A vault of the tests, reached with the session that a configuration file names.</summary>
internal sealed class OciHarness : KmsHarness
{
    public const string First = "ocid1.key.oc1.eu-frankfurt-1.bjqmywdtaafak.first";
    public const string Other = "ocid1.key.oc1.eu-frankfurt-1.bjqmywdtaafak.other";

    private const string NotTold = "OCI answers NotAuthorizedOrNotFound, so that nobody learns by asking which keys there are.";

    private readonly CollectedLog _log = new();
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("efenvelope-oci-");
    private string _token = "";

    private OciHarness(OciServer server)
    {
        Server = server;
        File.WriteAllText(Path.Combine(_directory.FullName, "session.pem"), CallerKey.ExportRSAPrivateKeyPem());
        File.WriteAllText(
            ConfigFile,
            $"""
            [DEFAULT]
            region=eu-frankfurt-1
            tenancy=ocid1.tenancy.oc1..clinic

            # written by 'oci session authenticate'
            [session]
            fingerprint=20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34
            key_file={Path.Combine(_directory.FullName, "session.pem")}
            security_token_file = {TokenFile}
            """);
        NewSession();
        (Wrapper, OtherKey, MissingKey) = (Create(First), Create(Other), Create("ocid1.key.oc1.eu-frankfurt-1.bjqmywdtaafak.missing"));
    }

    public static RSA CallerKey { get; } = RSA.Create(2048);

    public OciServer Server { get; }

    public string ConfigFile => Path.Combine(_directory.FullName, "config");

    public OciTestKey Key => Server.Keys[First];

    public override IReadOnlyDictionary<KmsFact, (KmsErrorKind Kind, string Why)> Deviations { get; } = new Dictionary<KmsFact, (KmsErrorKind, string)>
    {
        [KmsFact.NotFound] = (KmsErrorKind.NotFoundOrDenied, NotTold),
        [KmsFact.Deleted] = (KmsErrorKind.NotFoundOrDenied, NotTold),
        [KmsFact.Denied] = (KmsErrorKind.NotFoundOrDenied, NotTold),
    };

    public override IKeyWrapper Wrapper { get; }

    public override IKeyWrapper OtherKey { get; }

    public override IKeyWrapper MissingKey { get; }

    public override IEnumerable<string> Secrets => [_token, CallerKey.ExportRSAPrivateKeyPem().Split('\n')[5]];

    public override string Log => _log.Text;

    public override int Requests => Server.Requests;

    public override int Renewals => Server.CallersSeen - 1;

    private string TokenFile => Path.Combine(_directory.FullName, "token");

    public static async ValueTask<OciHarness> StartAsync()
    {
        var server = new OciServer();
        server.Keys[First] = new OciTestKey(First);
        server.Keys[Other] = new OciTestKey(Other);
        await server.StartAsync();
        return new OciHarness(server);
    }

    public OciVaultOptions Options() => new()
    {
        ManagementEndpoint = Server.Address, ConfigFile = ConfigFile, Profile = "session", Timeout = Patience,
    };

    public IKeyWrapper Create(string key, IOciRequestSigner? signer = null, OciVaultOptions? options = null)
        => OciVault.CreateKeyWrapper(key, Server.Address.AbsoluteUri, signer, options ?? Options(), new KmsServices(TimeProvider.System, _log));

    public override IKeyWrapper CreateImpatient() => Create(First, options: Options() with { Timeout = Impatience });

    public override ValueTask RotateAsync() => Do(Key.Rotate);

    public override ValueTask DisableAsync() => Do(() => Key.State = "DISABLED");

    public override ValueTask EnableAsync() => Do(() => Key.State = "ENABLED");

    public override ValueTask ScheduleDeletionAsync() => Do(() => Key.State = "PENDING_DELETION");

    public override ValueTask DeleteAsync() => Do(() => Server.Keys.TryRemove(First, out _));

    public override ValueTask DenyAsync() => Do(() => Server.Denied[First] = true);

    public override ValueTask ExpireCredentialsAsync(bool forGood) => Do(() =>
    {
        Server.AcceptNobody();
        if (!forGood)
            NewSession();
    });

    public override ValueTask ThrottleAsync(int requests) => Do(() => Server.Inject(ServerFault.Throttled, requests));

    public override ValueTask FailAsync(int requests) => Do(() => Server.Inject(ServerFault.Failed, requests));

    public override ValueTask HangAsync(int requests) => Do(() => Server.Inject(ServerFault.Hanging, requests));

    public override ValueTask DropAsync(int requests) => Do(() => Server.Inject(ServerFault.Dropped, requests));

    public override async ValueTask StopAsync() => await Server.StopAsync();

    public override async ValueTask DisposeAsync()
    {
        _directory.Delete(recursive: true);
        await Server.DisposeAsync();
    }

    // As 'oci session refresh' does: another token in the same file, the key stays.
    private void NewSession()
    {
        _token = $"eyJraWQiOiJhc3dfMSIsImFsZyI6IlJTMjU2In0.{RandomNumberGenerator.GetHexString(64)}.{RandomNumberGenerator.GetHexString(64)}";
        File.WriteAllText(TokenFile, _token + "\n");
        Server.Accept($"ST${_token}", CallerKey);
    }

    private static ValueTask Do(Action action)
    {
        action();
        return ValueTask.CompletedTask;
    }
}
