using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using EfEnvelope.Cli.TestUtilities;

namespace EfEnvelope.Cli;

/// <summary>
/// What the <c>vault</c> command takes from the environment, and whom the tool trusts: against a server with a certificate of an authority
/// of its own.
/// </summary>
public sealed class VaultEnvironmentTests : IAsyncLifetime
{
    private const string Kek = "vault-transit:transit/clinic";

    private readonly string _directory = Directory.CreateTempSubdirectory("efenvelope-cli-").FullName;
    private readonly TlsServer _server = new();
    private readonly Dictionary<string, string> _environment = [];

    public async ValueTask InitializeAsync()
    {
        await File.WriteAllTextAsync(Path.Combine(_directory, "clinic.db"), "");
        await File.WriteAllTextAsync(Path.Combine(_directory, "ca.pem"), _server.Authority);
        await File.WriteAllTextAsync(Path.Combine(_directory, "jwt"), "a.service.account");
        Directory.CreateDirectory(Path.Combine(_directory, "authorities"));
        await File.WriteAllTextAsync(Path.Combine(_directory, "authorities", "ca.pem"), _server.Authority);
        _environment["VAULT_ADDR"] = _server.Address;
        _environment["EFENVELOPE_KMS_KUBERNETES_ROLE"] = "clinic";
        _environment["EFENVELOPE_KMS_AUTH_MOUNT"] = "k8s";
        _environment["EFENVELOPE_KMS_KUBERNETES_TOKEN_FILE"] = "jwt";
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    [Theory]
    [InlineData("VAULT_CACERT", "ca.pem")]
    [InlineData("VAULT_CAPATH", "authorities")]
    [InlineData("EFENVELOPE_KMS_CA_FILE", "ca.pem")]
    public async Task Address_namespace_and_authority_come_from_the_environment_and_a_pod_logs_in(string variable, string path)
    {
        _environment[variable] = path;
        _environment["VAULT_NAMESPACE"] = "clinic/eu";

        (await RunAsync()).FailsAfterPlan(4, "The login at 'auth/k8s/login'", ".");

        var request = _server.Requests[0];
        Assert.StartsWith("POST /v1/auth/k8s/login ", request, StringComparison.Ordinal);
        Assert.Contains("X-Vault-Namespace: clinic/eu", request, StringComparison.Ordinal);
        Assert.Contains("\"role\":\"clinic\"", request, StringComparison.Ordinal);
        Assert.Contains("\"jwt\":\"a.service.account\"", request, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_configured_is_stronger_than_what_the_vault_command_takes()
    {
        _environment["EFENVELOPE_KMS_ADDRESS"] = _environment["VAULT_ADDR"];
        _environment["EFENVELOPE_KMS_NAMESPACE"] = "own";
        _environment["EFENVELOPE_KMS_CA_FILE"] = "ca.pem";
        (_environment["VAULT_ADDR"], _environment["VAULT_NAMESPACE"], _environment["VAULT_CACERT"]) = ("https://127.0.0.1:9", "other", "none.pem");

        await RunAsync();

        Assert.Contains("X-Vault-Namespace: own", _server.Requests[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("true")]
    [InlineData("1")]
    public async Task Server_that_cannot_prove_who_it_is_gets_nothing_whatever_VAULT_SKIP_VERIFY_says(string skip)
    {
        _environment["VAULT_SKIP_VERIFY"] = skip;

        (await RunAsync()).Exits(4);

        Assert.Empty(_server.Requests);
    }

    [Fact]
    public async Task Another_authority_than_the_named_one_is_not_trusted()
    {
        using var key = RSA.Create(2048);
        var other = new CertificateRequest("CN=other", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        await File.WriteAllTextAsync(
            Path.Combine(_directory, "other.pem"),
            other.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1)).ExportCertificatePem(),
            TestContext.Current.CancellationToken);
        _environment["VAULT_CACERT"] = "other.pem";

        (await RunAsync()).Exits(4);

        Assert.Empty(_server.Requests);
    }

    [Theory]
    [InlineData("VAULT_ADDR", "http://vault.example.org:8200", "'VAULT_ADDR' is not an address", "'http://' is for loopback only")]
    [InlineData("VAULT_ADDR", "https://user:hunter2@vault.example.org", "'VAULT_ADDR' is not an address", "without a user")]
    [InlineData("VAULT_ADDR", "unix:///run/vault.sock", "'VAULT_ADDR' is not an address", "https://")]
    [InlineData("VAULT_NAMESPACE", "a b", "The KMS 'vault': 'a b' is not a namespace", "clinic/eu")]
    [InlineData("VAULT_CACERT", "none.pem", "none.pem' could not be read", "Correct the path")]
    [InlineData("VAULT_CACERT", "jwt", "jwt' holds no certificate", "PEM")]
    [InlineData("VAULT_CAPATH", "none", "none' could not be read", "Correct the path")]
    public async Task Unsafe_or_wrong_variable_is_refused_as_a_setting_is(string name, string value, string error, string hint)
    {
        _environment[name] = value;

        var result = (await RunAsync()).Fails(2, error, hint);

        Assert.DoesNotContain("hunter2", result.ToString(), StringComparison.Ordinal);
        Assert.Empty(_server.Requests);
    }

    private Task<ToolResult> RunAsync()
        => Tool.RunAsync(
            _environment,
            _directory,
            CancellationToken.None,
            ["keys", "create", "clinic", "--kek", Kek, "--execute", "--provider", "sqlite", "--connection", "Data Source=clinic.db"]);

    /// <summary>A server with TLS that notes each request and refuses it.</summary>
    private sealed class TlsServer : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly X509Certificate2 _certificate;
        private readonly List<string> _requests = [];
        private readonly Task _accepting;

        public TlsServer()
        {
            var (from, to) = (DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
            using var authorityKey = RSA.Create(2048);
            var authority = new CertificateRequest("CN=clinic authority", authorityKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            authority.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            using var root = authority.CreateSelfSigned(from, to);
            Authority = root.ExportCertificatePem();
            using var key = RSA.Create(2048);
            var own = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            var names = new SubjectAlternativeNameBuilder();
            names.AddIpAddress(IPAddress.Loopback);
            own.CertificateExtensions.Add(names.Build());
            using var certificate = own.Create(root, from, to, [1, 2, 3]);
            using var both = certificate.CopyWithPrivateKey(key);
            _certificate = X509CertificateLoader.LoadPkcs12(both.Export(X509ContentType.Pkcs12), null);
            _listener.Start();
            Address = $"https://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";
            _accepting = AcceptAsync();
        }

        public string Authority { get; }

        public string Address { get; }

        public IReadOnlyList<string> Requests
        {
            get
            {
                lock (_requests)
                    return [.. _requests];
            }
        }

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _accepting;
            _certificate.Dispose();
        }

        private async Task AcceptAsync()
        {
            while (true)
            {
                try
                {
                    using var client = await _listener.AcceptTcpClientAsync();
                    await AnswerAsync(client);
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
                {
                    return;
                }
                catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
                {
                    // The client did not trust this server.
                }
            }
        }

        private async Task AnswerAsync(TcpClient client)
        {
            await using var stream = new SslStream(client.GetStream());
            await stream.AuthenticateAsServerAsync(_certificate);
            var request = new StringBuilder();
            var buffer = new byte[8192];
            int read;
            while (!IsWhole(request.ToString()) && (read = await stream.ReadAsync(buffer)) > 0)
                request.Append(Encoding.UTF8.GetString(buffer, 0, read));
            if (request.Length == 0)
                return;
            lock (_requests)
                _requests.Add(request.ToString());
            const string Body = "{\"errors\":[\"refused\"]}";
            await stream.WriteAsync(Encoding.UTF8.GetBytes(
                $"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\nConnection: "
                    + $"close\r\n\r\n{Body}"));
        }

        private static bool IsWhole(string request)
        {
            var end = request.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            var length = request.Split("\r\n").FirstOrDefault(l => l.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase));
            return end >= 0 && request.Length - end - 4 >= (length is null ? 0 : int.Parse(length[15..], null));
        }
    }
}
