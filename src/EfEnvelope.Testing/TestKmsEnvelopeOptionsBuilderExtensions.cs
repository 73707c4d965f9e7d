using EfEnvelope;
using EfEnvelope.Testing;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Adds a KMS for tests to envelope encryption.</summary>
public static class TestKmsEnvelopeOptionsBuilderExtensions
{
    /// <summary>
    /// For tests alone: wraps data keys by a KMS in memory whose key everybody has, because it is part of this package. It makes no file, and protects
    /// nothing.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyName">The KEK, <c>test</c> by default. Each name is another key, the same in every process.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>
    /// It logs a warning, event 2900, whenever it is made. It sets <see cref="EnvelopeOptions.UsesIntermediateKey" /> to <see langword="false" />, so that a new
    /// database is made sooner; call <c>Configure</c> behind it to use one.
    /// </remarks>
    /// <exception cref="ArgumentException">The name is malformed.</exception>
    /// <exception cref="EnvelopeConfigurationException">
    /// <c>DOTNET_ENVIRONMENT</c> or <c>ASPNETCORE_ENVIRONMENT</c> is <c>Production</c> or <c>Staging</c>.
    /// </exception>
    public static EnvelopeOptionsBuilder UseTestKms(this EnvelopeOptionsBuilder builder, string keyName = TestKms.DefaultKeyName)
    {
        ArgumentNullException.ThrowIfNull(builder);
        TestKms.RequireTests(Environment.GetEnvironmentVariable);
        var kek = TestKms.KekOf(keyName);

        // A key between this KMS and the data keys would save requests that cost nothing here, and cost each new database eight statements.
        return builder.Configure(o => o with { UsesIntermediateKey = false }).UseKms(kek, services => new TestKms(kek, services.LoggerFactory));
    }
}
