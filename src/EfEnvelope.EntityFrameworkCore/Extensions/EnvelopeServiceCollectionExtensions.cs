using EfEnvelope.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Loads an application's keys when it starts.</summary>
public static class EnvelopeServiceCollectionExtensions
{
    /// <summary>
    /// Loads the key ring of a context when the host starts, making its first key version if there is none, so that no request waits for keys. A synchronous
    /// call that finds no keys loaded waits for them on its thread; with a KMS in the network it fails when every thread of the pool waits so.
    /// </summary>
    /// <typeparam name="TContext">A context that uses envelope encryption, from the service provider or its <see cref="IDbContextFactory{TContext}" />.</typeparam>
    /// <param name="services">The services.</param>
    /// <returns>The same services.</returns>
    /// <remarks>
    /// Call it after whatever migrates the database when the host starts. If the key store or the KMS cannot be reached, that is logged and the host starts: the
    /// first request tries again. A fault of the configuration keeps the host from starting.
    /// </remarks>
    public static IServiceCollection AddEnvelopeWarmUp<TContext>(this IServiceCollection services)
        where TContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(services);
        return services.AddHostedService<EnvelopeWarmUp<TContext>>();
    }
}
