using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Vault;

/// <summary>KEKs in a transit engine of Vault or OpenBao, outside of a context: for tools.</summary>
public static class VaultTransit
{
    /// <summary>Makes a client of one KEK. It is safe for concurrent use; dispose of it when it is not used any more.</summary>
    /// <param name="keyName">The transit key's name.</param>
    /// <param name="tokens">Where tokens come from.</param>
    /// <param name="options">The server.</param>
    /// <param name="services">The host's clock and logs; <see langword="null" /> for the system's clock and no logs.</param>
    /// <returns>The client. The server is first asked when it is used.</returns>
    /// <exception cref="ArgumentException">The name or an option is malformed.</exception>
    public static IKeyWrapper CreateKeyWrapper(string keyName, IVaultTokenSource tokens, VaultTransitOptions options, KmsServices? services = null)
    {
        Validate(keyName, tokens, options);
        return new VaultIdentity(keyName, tokens, options).CreateWrapper(services ?? new KmsServices(TimeProvider.System, NullLoggerFactory.Instance));
    }

    internal static void Validate(string keyName, IVaultTokenSource tokens, VaultTransitOptions options)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (!VaultKeyName.IsName(keyName))
            throw new ArgumentException(VaultMessages.MalformedKeyName(keyName), nameof(keyName));
    }
}
