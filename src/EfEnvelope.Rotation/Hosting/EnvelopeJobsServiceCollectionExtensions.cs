using EfEnvelope.Rotation;
using EfEnvelope.Rotation.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Runs the jobs of EfEnvelope inside an application.</summary>
public static class EnvelopeJobsServiceCollectionExtensions
{
    /// <summary>
    /// Adds a hosted service that runs the jobs of a context's database in the background: those that migrations enqueue, and those of the tool. Several
    /// instances of the application share them.
    /// </summary>
    /// <typeparam name="TContext">A context of the database, configured with <c>UseEnvelopeEncryption(…)</c>; by itself, pooled, or by a factory.</typeparam>
    /// <param name="services">The services.</param>
    /// <param name="configure">Changes how jobs are run, or <see langword="null" /> for the defaults.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="EfEnvelope.EnvelopeConfigurationException">An option is out of range.</exception>
    public static IServiceCollection AddEnvelopeJobs<TContext>(this IServiceCollection services, Action<EnvelopeJobsOptions>? configure = null)
        where TContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(services);
        var options = new EnvelopeJobsOptions();
        configure?.Invoke(options);
        options.Validate();
        services.AddSingleton<IHostedService>(
            provider => new EnvelopeJobsService<TContext>(
                provider.GetRequiredService<IServiceScopeFactory>(), options, provider.GetRequiredService<ILoggerFactory>().CreateLogger("EfEnvelope.Rotation")));
        return services;
    }
}
