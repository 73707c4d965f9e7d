using EfEnvelope;
using EfEnvelope.Kms.Pkcs11;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Adds hardware security modules, through PKCS#11, to envelope encryption.</summary>
public static class Pkcs11EnvelopeOptionsBuilderExtensions
{
    /// <summary>Wraps data keys by an AES key that never leaves a PKCS#11 token. The key must exist: see <see cref="Pkcs11Kms.CreateKeyAsync" />.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="modulePath">The path of the vendor's PKCS#11 module, such as <c>/usr/lib/softhsm/libsofthsm2.so</c>.</param>
    /// <param name="tokenLabel">The token's label.</param>
    /// <param name="keyLabel">The label of the KEK's key objects: with <c>clinic</c> and <c>kek</c> the KEK URI is <c>pkcs11:token=clinic;object=kek</c>.</param>
    /// <param name="pin">The PIN of the token's user, from a secret store or the environment.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">A label, the path or the PIN is malformed.</exception>
    public static EnvelopeOptionsBuilder UsePkcs11(
        this EnvelopeOptionsBuilder builder, string modulePath, string tokenLabel, string keyLabel, string pin)
        => builder.UsePkcs11(modulePath, tokenLabel, keyLabel, Pkcs11Pin.Of(pin));

    /// <summary>Wraps data keys by an AES key that never leaves a PKCS#11 token. The key must exist: see <see cref="Pkcs11Kms.CreateKeyAsync" />.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="modulePath">The path of the vendor's PKCS#11 module, such as <c>/usr/lib/softhsm/libsofthsm2.so</c>.</param>
    /// <param name="tokenLabel">The token's label.</param>
    /// <param name="keyLabel">The label of the KEK's key objects: with <c>clinic</c> and <c>kek</c> the KEK URI is <c>pkcs11:token=clinic;object=kek</c>.</param>
    /// <param name="pin">Where the PIN of the token's user comes from.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">A label or the path is malformed.</exception>
    public static EnvelopeOptionsBuilder UsePkcs11(
        this EnvelopeOptionsBuilder builder, string modulePath, string tokenLabel, string keyLabel, Pkcs11Pin pin)
        => builder.UsePkcs11(keyLabel, new Pkcs11Options { ModulePath = modulePath, TokenLabel = tokenLabel, Pin = pin });

    /// <summary>Wraps data keys by an AES key that never leaves a PKCS#11 token. The key must exist: see <see cref="Pkcs11Kms.CreateKeyAsync" />.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyLabel">The label of the KEK's key objects.</param>
    /// <param name="options">The token, and how it is used.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The label or an option is malformed.</exception>
    public static EnvelopeOptionsBuilder UsePkcs11(this EnvelopeOptionsBuilder builder, string keyLabel, Pkcs11Options options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        Pkcs11Kms.Validate(keyLabel, options);
        var identity = new Pkcs11Identity(keyLabel, options);
        return builder.UseKms(identity, identity.CreateWrapper);
    }
}
