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
    /// <remarks>It logs a warning, event 2900, whenever it is made.</remarks>
    /// <exception cref="ArgumentException">The name is malformed.</exception>
    /// <exception cref="EnvelopeConfigurationException">
    /// <c>DOTNET_ENVIRONMENT</c> or <c>ASPNETCORE_ENVIRONMENT</c> is <c>Production</c> or <c>Staging</c>.
    /// </exception>
    public static EnvelopeOptionsBuilder UseTestKms(this EnvelopeOptionsBuilder builder, string keyName = TestKms.DefaultKeyName)
    {
        ArgumentNullException.ThrowIfNull(builder);
        TestKms.RequireTests(Environment.GetEnvironmentVariable);
        var kek = TestKms.KekOf(keyName);
        return builder.UseKms(kek, services => new TestKms(kek, services.LoggerFactory));
    }
}
