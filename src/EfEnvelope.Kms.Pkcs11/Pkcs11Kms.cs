using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Pkcs11;

/// <summary>KEKs on a PKCS#11 token, outside of a context: to make one, and for tools.</summary>
public static class Pkcs11Kms
{
    /// <summary>Makes a client of one KEK. It is safe for concurrent use; dispose of it when it is not used any more.</summary>
    /// <param name="keyLabel">The label of the KEK's key objects.</param>
    /// <param name="options">The token.</param>
    /// <param name="services">The host's clock and logs; <see langword="null" /> for the system's clock and no logs.</param>
    /// <returns>The client. The token is first asked when it is used.</returns>
    /// <exception cref="ArgumentException">The label or an option is malformed.</exception>
    public static IKeyWrapper CreateKeyWrapper(string keyLabel, Pkcs11Options options, KmsServices? services = null)
    {
        Validate(keyLabel, options);
        return new Pkcs11Identity(keyLabel, options).CreateWrapper(services ?? new KmsServices(TimeProvider.System, NullLoggerFactory.Instance));
    }

    /// <summary>
    /// Makes a key object on the token: AES-256, sensitive, not extractable. It is the first version of its KEK, or rotates it: from now on it wraps, and what the
    /// others wrapped still unwraps.
    /// </summary>
    /// <param name="keyLabel">The label of the KEK's key objects.</param>
    /// <param name="options">The token.</param>
    /// <param name="cancellationToken">Cancels the call before it begins.</param>
    /// <returns>The new version: its id (CKA_ID) in hexadecimal.</returns>
    /// <exception cref="ArgumentException">The label or an option is malformed.</exception>
    /// <exception cref="KmsException">The token refused, or could not serve, the request.</exception>
    public static async Task<string> CreateKeyAsync(string keyLabel, Pkcs11Options options, CancellationToken cancellationToken = default)
    {
        Validate(keyLabel, options);
        using var wrapper = new Pkcs11KeyWrapper(keyLabel, options, TimeProvider.System, NullLogger.Instance);
        return await wrapper.CreateKeyAsync(cancellationToken).ConfigureAwait(false);
    }

    internal static void Validate(string keyLabel, Pkcs11Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        Pkcs11KeyName.ValidateLabel(keyLabel);
    }
}
