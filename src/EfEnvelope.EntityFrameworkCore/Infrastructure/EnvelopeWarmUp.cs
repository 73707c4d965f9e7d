using EfEnvelope.Diagnostics;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>Loads the keys of a context before the host serves its first request.</summary>
internal sealed class EnvelopeWarmUp<TContext>(IServiceScopeFactory scopes, ILoggerFactory? loggers = null) : IHostedService
    where TContext : DbContext
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            var scope = scopes.CreateAsyncScope();
            await using (scope.ConfigureAwait(false))
            {
                await RegisteredContext.UseAsync<TContext, bool>(
                    scope.ServiceProvider,
                    async context =>
                    {
                        await context.Database.LoadEnvelopeKeysAsync(cancellationToken).ConfigureAwait(false);
                        return true;
                    },
                    cancellationToken).ConfigureAwait(false);
            }
        }
        catch (KeyUnavailableException e)
        {
            // An outage must not keep the host from starting: the requests try again, and the health check tells.
            loggers?.CreateLogger("EfEnvelope.Keys").WarmUpFailed(typeof(TContext).Name, e);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
