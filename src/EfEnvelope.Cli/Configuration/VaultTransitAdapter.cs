using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EfEnvelope.Kms;
using EfEnvelope.Kms.Vault;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>
/// The transit engine of HashiCorp Vault or OpenBao: mount and key are in the KEK; a token, an AppRole, a pod's service account, or what
/// the
/// <c>vault</c> command would use. Address, namespace and authority are taken from that command's variables where they are not set;
/// <c>VAULT_SKIP_VERIFY</c> is not obeyed.
/// </summary>
internal sealed class VaultTransitAdapter : IKmsAdapter
{
    public string Type => "vault";

    public string Scheme => "vault-transit";

    public IReadOnlyList<string> Settings { get; } =
    [
        "address", "namespace", "caFile", .. KmsSettings.SecretSettings("token"), "roleId", .. KmsSettings.SecretSettings("secretId"),
        "kubernetesRole", "kubernetesTokenFile", "authMount", .. KmsSettings.HttpSettings,
    ];

    public IReadOnlyList<string> Secrets { get; } = ["token", "secretId"];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        key = this.Require(key, "transit/clinic");
        var slash = key.LastIndexOf('/');
        if (slash < 1 || slash == key.Length - 1)
            throw new EnvelopeConfigurationException(CliMessages.KekMissing(Type, $"{Scheme}:transit/clinic"));
        var (timeout, retries) = settings.FindLimits(new VaultTransitOptions());
        var options = new VaultTransitOptions
        {
            BaseAddress = settings.FindAddress("address", "VAULT_ADDR")
                ?? throw new EnvelopeConfigurationException(CliMessages.VaultAddressMissing()),
            Namespace = settings.Find("namespace") ?? settings.FindVariable("VAULT_NAMESPACE"),
            Mount = key[..slash],
            Handler = AuthoritiesOf(settings) is { } authorities ? Trusting(authorities) : null,
            Timeout = timeout,
            MaxRetries = retries,
        };
        this.Guard(() => builder.UseVaultTransit(key[(slash + 1)..], TokensOf(settings), options));
        return new ConfiguredKek(new KekUri(Scheme, key));
    }

    private IVaultTokenSource TokensOf(KmsSettings settings)
    {
        var mount = settings.Find("authMount");
        switch (settings.Choose([.. KmsSettings.SecretSettings("token"), "roleId", "kubernetesRole"]))
        {
            case "roleId":
                var secret = settings.FindSecret("secretId") ?? throw this.Missing("secretId");
                return VaultTokens.AppRole(settings.Find("roleId")!, secret, mount ?? "approle");
            case "kubernetesRole":
                var (role, file) = (settings.Find("kubernetesRole")!, settings.FindPath("kubernetesTokenFile"));
                mount ??= "kubernetes";
                return file is null ? VaultTokens.Kubernetes(role, mount) : VaultTokens.Kubernetes(role, mount, file);
            case var _ when settings.Find("kubernetesTokenFile") is not null:
                throw this.Missing("kubernetesRole");
            case var _ when mount is not null:
                throw new EnvelopeConfigurationException(CliMessages.VaultRoleMissing());
            case null:
                return settings.FindSecret("secretId") is null ? VaultTokens.Default : throw this.Missing("roleId");
            case "tokenFile":
                // Not its content: an agent may write it again.
                return VaultTokens.FromFile(settings.FindFile("tokenFile")!);
            default:
                return VaultTokens.Fixed(settings.FindSecret("token")!);
        }
    }

    // As the vault command does: a file is stronger than a directory, and either stands in place of the system's authorities.
    private static X509Certificate2Collection? AuthoritiesOf(KmsSettings settings)
    {
        var file = settings.FindPath("caFile") ?? Variable("VAULT_CACERT");
        return file is not null ? Read([file], file)
            : Variable("VAULT_CAPATH") is { } directory ? Read(FilesOf(directory), directory)
            : null;

        string? Variable(string name) => settings.FindVariable(name) is { } path ? Path.GetFullPath(path, settings.Directory) : null;

        static IEnumerable<string> FilesOf(string directory)
            => Directory.Exists(directory)
                ? Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories)
                : throw new EnvelopeConfigurationException(CliMessages.UnreadableFile(directory));

        static X509Certificate2Collection Read(IEnumerable<string> files, string source)
        {
            var certificates = new X509Certificate2Collection();
            try
            {
                foreach (var path in files)
                    certificates.ImportFromPemFile(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new EnvelopeConfigurationException(CliMessages.UnreadableFile(source));
            }
            catch (CryptographicException)
            {
                throw new EnvelopeConfigurationException(CliMessages.NoCertificates(source));
            }

            return certificates.Count > 0 ? certificates : throw new EnvelopeConfigurationException(CliMessages.NoCertificates(source));
        }
    }

    private static SocketsHttpHandler Trusting(X509Certificate2Collection authorities)
    {
        // An authority of one's own has no list of revoked certificates that could be asked for, as a rule.
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(authorities);
        return new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            SslOptions = { CertificateChainPolicy = policy },
        };
    }
}
