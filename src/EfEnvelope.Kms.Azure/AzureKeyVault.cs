using Azure.Core;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Azure;

/// <summary>Makes clients of Key Vault and Managed HSM where there is no context to configure: in tools and tests.</summary>
public static class AzureKeyVault
{
    /// <summary>Makes a key wrapper. Dispose it when it is no longer needed: it is an <see cref="IDisposable" />.</summary>
    /// <param name="keyId">The key's identifier without a version, such as <c>https://clinic.vault.azure.net/keys/clinic</c>.</param>
    /// <param name="credential">Gets the tokens, such as <c>DefaultAzureCredential</c>.</param>
    /// <param name="options">How the vault is reached; the defaults when <see langword="null" />.</param>
    /// <param name="services">The clock and the logs; the system's clock and no logs when <see langword="null" />.</param>
    /// <returns>The key wrapper.</returns>
    /// <exception cref="ArgumentException">The identifier or an option is malformed.</exception>
    public static IKeyWrapper CreateKeyWrapper(string keyId, TokenCredential credential, AzureKeyVaultOptions? options = null, KmsServices? services = null)
        => Identify(keyId, credential, options ?? new AzureKeyVaultOptions()).CreateWrapper(services ?? Defaults());

    /// <summary>Makes a key wrapper over the caller's own client.</summary>
    /// <param name="keyId">The key's identifier without a version, such as <c>https://clinic.vault.azure.net/keys/clinic</c>.</param>
    /// <param name="transport">Wraps and unwraps, with its own retries and timeout.</param>
    /// <param name="services">The clock and the logs; the system's clock and no logs when <see langword="null" />.</param>
    /// <returns>The key wrapper.</returns>
    /// <exception cref="ArgumentException">The identifier is malformed.</exception>
    public static IKeyWrapper CreateKeyWrapper(string keyId, IKeyVaultCryptoTransport transport, KmsServices? services = null)
        => Identify(keyId, transport).CreateWrapper(services ?? Defaults());

    internal static AzureKeyVaultIdentity Identify(string keyId, TokenCredential credential, AzureKeyVaultOptions options)
    {
        ArgumentNullException.ThrowIfNull(credential);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(nameof(options));
        return new AzureKeyVaultIdentity(AzureKeyId.Parse(keyId, nameof(keyId)), options, credential, Transport: null);
    }

    internal static AzureKeyVaultIdentity Identify(string keyId, IKeyVaultCryptoTransport transport)
    {
        ArgumentNullException.ThrowIfNull(transport);
        return new AzureKeyVaultIdentity(AzureKeyId.Parse(keyId, nameof(keyId)), new AzureKeyVaultOptions(), Credential: null, transport);
    }

    private static KmsServices Defaults() => new(TimeProvider.System, NullLoggerFactory.Instance);
}
