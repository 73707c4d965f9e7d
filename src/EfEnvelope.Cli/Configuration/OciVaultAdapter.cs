using EfEnvelope.Kms;
using EfEnvelope.Kms.Oci;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>OCI Vault: the endpoints of the vault, and a profile of OCI's own configuration file.</summary>
internal sealed class OciVaultAdapter : IKmsAdapter
{
    public string Type => "oci";

    public string Scheme => "oci-kms";

    public IReadOnlyList<string> Settings { get; } = ["cryptoEndpoint", "managementEndpoint", "configFile", "profile"];

    public IReadOnlyList<string> Secrets { get; } = [];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        key = this.Require(key, "ocid1.key.…");
        var endpoint = settings.FindAddress("cryptoEndpoint") ?? throw this.Missing("cryptoEndpoint");
        this.Guard(() => builder.UseOciVault(key, endpoint.OriginalString, new OciVaultOptions
        {
            ManagementEndpoint = settings.FindAddress("managementEndpoint"),
            ConfigFile = settings.FindFile("configFile"),
            Profile = settings.Find("profile") ?? new OciVaultOptions().Profile,
        }));
        return new ConfiguredKek(new KekUri(Scheme, key));
    }
}
