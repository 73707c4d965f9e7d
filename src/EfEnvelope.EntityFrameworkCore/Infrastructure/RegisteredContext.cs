using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>Uses a context as the application registered it: itself, or its factory.</summary>
internal static class RegisteredContext
{
    public static async Task<T> UseAsync<TContext, T>(IServiceProvider services, Func<TContext, Task<T>> use, CancellationToken cancellationToken)
        where TContext : DbContext
    {
        if (services.GetService<TContext>() is { } scoped)
            return await use(scoped).ConfigureAwait(false);
        var created = await (services.GetService<IDbContextFactory<TContext>>() ?? throw new EnvelopeConfigurationException(EnvelopeMessages.ContextNotRegistered(typeof(TContext).Name)))
            .CreateDbContextAsync(cancellationToken).ConfigureAwait(false);
        await using (created.ConfigureAwait(false))
            return await use(created).ConfigureAwait(false);
    }
}
