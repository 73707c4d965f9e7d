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

    public IReadOnlyList<string> Settings { get; } = [];

    public IReadOnlyList<string> Secrets { get; } = [];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        key = this.Require(key, "clinic.vault.azure.net/keys/clinic");
        this.Guard(() => builder.UseAzureKeyVault(key, new DefaultAzureCredential(), new AzureKeyVaultOptions()));
        return new ConfiguredKek(new KekUri(Scheme, key));
    }
}
