using EfEnvelope.Kms;
using EfEnvelope.Kms.Oci;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>
/// OCI Vault: the endpoints of the vault, and a profile of OCI's own configuration file, or the principal of the instance or resource
/// that the tool runs in.
/// </summary>
internal sealed class OciVaultAdapter : IKmsAdapter
{
    public string Type => "oci";

    public string Scheme => "oci-kms";

    private static readonly Dictionary<string, bool> Principals = new() { ["instance"] = true, ["resource"] = false };

    public IReadOnlyList<string> Settings { get; } =
        ["cryptoEndpoint", "managementEndpoint", "configFile", "profile", "principal", .. KmsSettings.HttpSettings];

    public IReadOnlyList<string> Secrets { get; } = [];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        key = this.Require(key, "ocid1.key.…");
        var endpoint = settings.FindAddress("cryptoEndpoint") ?? throw this.Missing("cryptoEndpoint");
        var options = new OciVaultOptions();
        var (timeout, retries) = settings.FindLimits(options);
        var principal = settings.Choose("principal", "configFile") == "principal" & settings.Choose("principal", "profile") == "principal";
        IOciRequestSigner? signer = !principal ? null
            : settings.FindOne("principal", Principals) == true ? OciVault.CreateInstancePrincipalSigner()
            : OciVault.CreateResourcePrincipalSigner();
        options = options with
        {
            ManagementEndpoint = settings.FindAddress("managementEndpoint"),
            ConfigFile = principal ? null : settings.FindFile("configFile"),
            Profile = (principal ? null : settings.Find("profile")) ?? options.Profile,
            Timeout = timeout,
            MaxRetries = retries,
        };
        this.Guard(() => _ = signer is null
            ? builder.UseOciVault(key, endpoint.OriginalString, options)
            : builder.UseOciVault(key, endpoint.OriginalString, signer, options));
        return new ConfiguredKek(new KekUri(Scheme, key));
    }
}
