using Azure.Identity;
using EfEnvelope.Kms;
using EfEnvelope.Kms.Azure;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>Azure Key Vault and Managed HSM: the vault is in the KEK; credentials are those of the environment, a managed identity, or of who is logged in.</summary>
internal sealed class AzureKeyVaultAdapter : IKmsAdapter
{
    public string Type => "azure";

    public string Scheme => "azure-kv";

    private const StringSplitOptions Trimmed = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;

    private static readonly Dictionary<string, AzureKeyVaultAlgorithm> Algorithms = new()
    {
        ["RSA-OAEP-256"] = AzureKeyVaultAlgorithm.RsaOaep256,
        ["A256GCM"] = AzureKeyVaultAlgorithm.A256Gcm,
    };

    public IReadOnlyList<string> Settings { get; } =
        ["algorithm", "scope", "otherVaultHosts", "endpoint", "apiVersion", .. KmsSettings.HttpSettings];

    public IReadOnlyList<string> Secrets { get; } = [];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        key = this.Require(key, "clinic.vault.azure.net/keys/clinic");
        var options = new AzureKeyVaultOptions();
        var (timeout, retries) = settings.FindLimits(options);
        options = options with
        {
            Algorithm = settings.FindOne("algorithm", Algorithms),
            Scope = settings.Find("scope"),
            OtherVaultHosts = settings.Find("otherVaultHosts")?.Split(',', Trimmed) ?? [],
            BaseAddress = settings.FindAddress("endpoint"),
            ApiVersion = settings.Find("apiVersion") ?? options.ApiVersion,
            Timeout = timeout,
            MaxRetries = retries,
        };
        this.Guard(() => builder.UseAzureKeyVault(key, new DefaultAzureCredential(), options));
        return new ConfiguredKek(new KekUri(Scheme, key));
    }
}
