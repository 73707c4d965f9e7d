using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Vault;

/// <summary>What tells one configured transit key from another. Prints no secret, whatever the token source prints.</summary>
internal sealed record VaultIdentity(string KeyName, IVaultTokenSource Tokens, VaultTransitOptions Options)
{
    public IKeyWrapper CreateWrapper(KmsServices services)
        => new VaultKeyWrapper(KeyName, Tokens, Options, services.TimeProvider, services.LoggerFactory.CreateLogger("EfEnvelope.Kms.Vault"));

    public override string ToString() => $"VaultIdentity({Options.BaseAddress}, {Options.Namespace}, {Options.Mount}/{KeyName})";
}
