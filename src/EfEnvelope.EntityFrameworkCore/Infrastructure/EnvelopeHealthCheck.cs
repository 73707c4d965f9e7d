using System.Data.Common;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>Judges the key ring that the requests of a context use.</summary>
internal sealed class EnvelopeHealthCheck<TContext>(IServiceProvider services) : IHealthCheck
    where TContext : DbContext
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var failure = context.Registration.FailureStatus;
        try
        {
            return await RegisteredContext.UseAsync<TContext, HealthCheckResult>(
                services, scoped => CheckAsync(scoped, failure, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is EnvelopeException or DbException)
        {
            return new HealthCheckResult(failure, e.Message, e);
        }
    }

    private static async Task<HealthCheckResult> CheckAsync(TContext context, HealthStatus failure, CancellationToken cancellationToken)
    {
        var options = context.GetService<IDbContextOptions>().FindExtension<EnvelopeOptionsExtension>()?.Configuration.Options
            ?? throw new EnvelopeConfigurationException(EnvelopeMessages.NotConfigured(typeof(TContext).Name));
        var ring = await EnvelopeSession.Of(context).LoadRingAsync(RingUse.Read, cancellationToken).ConfigureAwait(false);
        var primary = ring.FindPrimary();
        var left = options.RefreshInterval + options.StaleIfErrorFor - ring.Unverified;
        var data = new Dictionary<string, object>
        {
            ["scope"] = ring.Scope.Name,
            ["primary"] = primary?.Stored.Version.ToString() ?? "",
            ["ring_age_seconds"] = (long)ring.Age.TotalSeconds,
            ["unverified_seconds"] = (long)ring.Unverified.TotalSeconds,
            ["usable_seconds"] = (long)Math.Max(0, left.TotalSeconds),
        };
        if (ring.Keys.Count == 0)
            return HealthCheckResult.Healthy(EnvelopeMessages.HealthNoKeyYet(ring.Scope), data);
        if (primary is null)
            return new HealthCheckResult(failure, EnvelopeMessages.HealthNoPrimary(ring.Scope), FailureOf(ring), data);
        if (ring.Keys.FirstOrDefault(k => k is { Key: null, Failure: not null }) is { } closed)
            return new HealthCheckResult(failure, EnvelopeMessages.HealthVersionDoesNotOpen(closed.Stored.Version), closed.Failure, data);
        return FailureOf(ring) is { } outage
            ? HealthCheckResult.Degraded(EnvelopeMessages.HealthKmsOut(ring.Scope, (outage as KmsException)?.Kind, left), outage, data)
            : HealthCheckResult.Healthy(EnvelopeMessages.HealthReady(primary.Stored.Version), data);
    }

    private static EnvelopeException? FailureOf(KeyRing ring) => ring.Keys.LastOrDefault(k => k.Failure is not null)?.Failure;
}
