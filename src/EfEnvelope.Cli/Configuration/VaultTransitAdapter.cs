using EfEnvelope.Kms;
using EfEnvelope.Kms.Vault;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>The transit engine of HashiCorp Vault or OpenBao: mount and key are in the KEK; a token, an AppRole, or what the <c>vault</c> command would use.</summary>
internal sealed class VaultTransitAdapter : IKmsAdapter
{
    public string Type => "vault";

    public string Scheme => "vault-transit";

    public IReadOnlyList<string> Settings { get; } =
        ["address", "namespace", .. KmsSettings.SecretSettings("token"), "roleId", .. KmsSettings.SecretSettings("secretId")];

    public IReadOnlyList<string> Secrets { get; } = ["token", "secretId"];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        key = this.Require(key, "transit/clinic");
        var slash = key.LastIndexOf('/');
        if (slash < 1 || slash == key.Length - 1)
            throw new EnvelopeConfigurationException(CliMessages.KekMissing(Type, $"{Scheme}:transit/clinic"));
        var options = new VaultTransitOptions
        {
            BaseAddress = settings.FindAddress("address") ?? throw this.Missing("address"),
            Namespace = settings.Find("namespace"),
            Mount = key[..slash],
        };
        this.Guard(() => builder.UseVaultTransit(key[(slash + 1)..], TokensOf(settings), options));
        return new ConfiguredKek(new KekUri(Scheme, key));
    }

    private IVaultTokenSource TokensOf(KmsSettings settings)
    {
        switch (settings.Choose([.. KmsSettings.SecretSettings("token"), "roleId"]))
        {
            case null:
                return settings.FindSecret("secretId") is null ? VaultTokens.Default : throw this.Missing("roleId");
            case "roleId":
                return VaultTokens.AppRole(settings.Find("roleId")!, settings.FindSecret("secretId") ?? throw this.Missing("secretId"));
            case "tokenFile":
                // Not its content: an agent may write it anew meanwhile.
                return VaultTokens.FromFile(settings.FindFile("tokenFile")!);
            default:
                return VaultTokens.Fixed(settings.FindSecret("token")!);
        }
    }
}
