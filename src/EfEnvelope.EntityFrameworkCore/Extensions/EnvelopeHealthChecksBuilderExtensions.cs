using EfEnvelope.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Lets an application's health checks tell whether its keys can be used.</summary>
public static class EnvelopeHealthChecksBuilderExtensions
{
    /// <summary>
    /// Adds a check of the key ring of a context: <c>Healthy</c> when it can encrypt and decrypt; <c>Degraded</c> when a KMS does not answer and the keys in
    /// memory are used for their stated time (<see cref="EfEnvelope.EnvelopeOptions.StaleIfErrorFor" />); otherwise the failure status, as when the ring
    /// cannot be loaded, nothing may encrypt, or a version does not open. The data of the result name scope, primary, ages in seconds, and how long the keys in
    /// memory may still be used; no key and no value.
    /// </summary>
    /// <typeparam name="TContext">A context that uses envelope encryption, from the service provider or its <see cref="IDbContextFactory{TContext}" />.</typeparam>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name of the check.</param>
    /// <param name="failureStatus">What a failure is reported as; by default <see cref="HealthStatus.Unhealthy" />.</param>
    /// <param name="tags">Tags of the check.</param>
    /// <param name="timeout">How long the check may take; by default for ever.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>It asks no KMS more often than the application does: it looks at the ring that requests use, and loads it only when that is due.</remarks>
    public static IHealthChecksBuilder AddEnvelopeEncryption<TContext>(
        this IHealthChecksBuilder builder,
        string name = "envelope-encryption",
        HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null,
        TimeSpan? timeout = null)
        where TContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(name, services => new EnvelopeHealthCheck<TContext>(services), failureStatus, tags, timeout));
    }
}
