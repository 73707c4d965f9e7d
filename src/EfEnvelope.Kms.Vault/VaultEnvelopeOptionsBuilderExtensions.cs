using EfEnvelope;
using EfEnvelope.Kms.Vault;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Adds the transit engine of HashiCorp Vault or OpenBao to envelope encryption.</summary>
public static class VaultEnvelopeOptionsBuilderExtensions
{
    /// <summary>Wraps data keys by a transit key that never leaves Vault or OpenBao, with the token that the <c>vault</c> command would use.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="address">The server, such as <c>https://vault.example.org:8200</c>.</param>
    /// <param name="keyName">The transit key's name: with <c>clinic</c> the KEK URI is <c>vault-transit:transit/clinic</c>. It must exist.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The address or the name is malformed.</exception>
    public static EnvelopeOptionsBuilder UseVaultTransit(this EnvelopeOptionsBuilder builder, string address, string keyName)
        => builder.UseVaultTransit(address, keyName, VaultTokens.Default);

    /// <summary>Wraps data keys by a transit key that never leaves Vault or OpenBao.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="address">The server, such as <c>https://vault.example.org:8200</c>.</param>
    /// <param name="keyName">The transit key's name: with <c>clinic</c> the KEK URI is <c>vault-transit:transit/clinic</c>. It must exist.</param>
    /// <param name="tokens">Where tokens come from, such as <c>VaultTokens.AppRole(roleId, secretId)</c>.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The address or the name is malformed.</exception>
    public static EnvelopeOptionsBuilder UseVaultTransit(
        this EnvelopeOptionsBuilder builder, string address, string keyName, IVaultTokenSource tokens)
        => builder.UseVaultTransit(
            keyName, tokens, new VaultTransitOptions { BaseAddress = Uri.TryCreate(address, UriKind.Absolute, out var uri) ? uri : null });

    /// <summary>Wraps data keys by a transit key that never leaves Vault or OpenBao.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyName">The transit key's name: with <c>clinic</c> the KEK URI is <c>vault-transit:transit/clinic</c>. It must exist.</param>
    /// <param name="tokens">Where tokens come from, such as <c>VaultTokens.AppRole(roleId, secretId)</c>.</param>
    /// <param name="options">The server, its namespace, the engine's mount, and how they are reached.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The name or an option is malformed.</exception>
    public static EnvelopeOptionsBuilder UseVaultTransit(
        this EnvelopeOptionsBuilder builder, string keyName, IVaultTokenSource tokens, VaultTransitOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        VaultTransit.Validate(keyName, tokens, options);
        var identity = new VaultIdentity(keyName, tokens, options);
        return builder.UseKms(identity, identity.CreateWrapper);
    }
}
