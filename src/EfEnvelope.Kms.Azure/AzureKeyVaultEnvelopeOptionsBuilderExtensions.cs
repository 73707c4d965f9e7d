using Azure.Core;
using EfEnvelope;
using EfEnvelope.Kms.Azure;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Adds Azure Key Vault or Managed HSM to envelope encryption.</summary>
public static class AzureKeyVaultEnvelopeOptionsBuilderExtensions
{
    /// <summary>Wraps data keys by a key of Azure Key Vault or Managed HSM.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyId">The key's identifier without a version, such as <c>https://clinic.vault.azure.net/keys/clinic</c>.</param>
    /// <param name="credential">Gets the tokens, such as <c>DefaultAzureCredential</c>: the same one for every context.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The identifier is malformed.</exception>
    public static EnvelopeOptionsBuilder UseAzureKeyVault(this EnvelopeOptionsBuilder builder, string keyId, TokenCredential credential)
        => builder.UseAzureKeyVault(keyId, credential, new AzureKeyVaultOptions());

    /// <summary>Wraps data keys by a key of Azure Key Vault or Managed HSM.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyId">The key's identifier without a version, such as <c>https://clinic.vault.azure.net/keys/clinic</c>.</param>
    /// <param name="credential">Gets the tokens, such as <c>DefaultAzureCredential</c>: the same one for every context.</param>
    /// <param name="options">Algorithm, other vaults, address, handler, timeout and retries.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The identifier or an option is malformed.</exception>
    public static EnvelopeOptionsBuilder UseAzureKeyVault(this EnvelopeOptionsBuilder builder, string keyId, TokenCredential credential, AzureKeyVaultOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var identity = AzureKeyVault.Identify(keyId, credential, options);
        return builder.UseKms(identity, identity.CreateWrapper);
    }

    /// <summary>Wraps data keys by an RSA key of Azure Key Vault or Managed HSM, through the caller's own client.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyId">The key's identifier without a version, such as <c>https://clinic.vault.azure.net/keys/clinic</c>.</param>
    /// <param name="transport">Wraps and unwraps, with its own retries and timeout: the same one for every context.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The identifier is malformed.</exception>
    public static EnvelopeOptionsBuilder UseAzureKeyVault(this EnvelopeOptionsBuilder builder, string keyId, IKeyVaultCryptoTransport transport)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var identity = AzureKeyVault.Identify(keyId, transport);
        return builder.UseKms(identity, identity.CreateWrapper);
    }
}
