using EfEnvelope;
using EfEnvelope.Sodium;
using NSec.Cryptography;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Lets libsodium encrypt.</summary>
public static class SodiumEnvelopeOptionsBuilderExtensions
{
    /// <summary>
    /// Encrypts and decrypts randomized values with libsodium instead of the platform: AES-256-GCM in a fraction of the time, and the same bytes, so it can be added to and
    /// taken from an application, or some of its instances, at any time. Deterministic values and blind indexes stay with the platform.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>
    /// libsodium is no validated module of FIPS 140; the platform's OpenSSL or CNG can be one. A process holds at most 4,096 subkeys (one per column and key version of
    /// a scope) in libsodium's guarded memory, 8 KiB each; those beyond are the platform's.
    /// </remarks>
    /// <exception cref="EnvelopeConfigurationException">The processor has no AES instructions, or libsodium has no build for this system.</exception>
    public static EnvelopeOptionsBuilder UseSodium(this EnvelopeOptionsBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        Require(() => AeadAlgorithm.Aes256Gcm);
        return builder.Configure(o => o with { Engine = SodiumGcmEngine.Instance });
    }

    /// <summary>Says at start-up what would else be an error of each value.</summary>
    internal static void Require(Func<Aes256Gcm> find)
    {
        try
        {
            find();
        }
        catch (PlatformNotSupportedException e) when (e.InnerException is null)
        {
            throw new EnvelopeConfigurationException(SodiumMessages.NotAvailable());
        }
        catch (Exception e) when (e is PlatformNotSupportedException or DllNotFoundException or TypeInitializationException or BadImageFormatException or EntryPointNotFoundException)
        {
            throw new EnvelopeConfigurationException(SodiumMessages.NotLoaded());
        }
    }
}
