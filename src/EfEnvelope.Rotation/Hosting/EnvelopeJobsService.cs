using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Rotation.Hosting;

/// <summary>Asks the database for jobs and runs them, until the application stops. A job that it leaves goes on elsewhere, or here after the next start.</summary>
internal sealed class EnvelopeJobsService<TContext>(IServiceScopeFactory scopes, EnvelopeJobsOptions options, ILogger logger) : BackgroundService
    where TContext : DbContext
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The host's start must not wait for a database.
        await Task.Yield();
        var database = await OpenAsync().ConfigureAwait(false);
        await using (database.ConfigureAwait(false))
        {
            var told = new HashSet<object>();
            while (!stoppingToken.IsCancellationRequested)
            {
                try
                {
                    await RunAsync(database, told, stoppingToken).ConfigureAwait(false);
                    await Task.Delay(options.PollInterval, stoppingToken).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
                {
                    return;
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // An application must not stop because a job cannot run now.
                    logger.JobsUnavailable(e);
                    await Task.Delay(options.PollInterval, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
    }

    private async Task RunAsync(EncryptedDatabase database, HashSet<object> told, CancellationToken cancellationToken)
    {
        var (jobs, malformed) = await database.Jobs.ListAllAsync(includeEnded: false, cancellationToken).ConfigureAwait(false);
        foreach (var row in malformed.Where(told.Add))
            logger.JobMalformed(row.Key, row.Table, row.Reason);
        foreach (var job in jobs.Where(j => j.Request.IsSensitive && !options.RunsSensitiveJobs && told.Add(j.Id)))
            logger.JobLeft(job.Id, job.Request.Kind.ToString(), job.Request.Table);
        List<long> ids =
            [.. jobs.Where(j => j.State is JobState.Pending or JobState.Running && (options.RunsSensitiveJobs || !j.Request.IsSensitive)).Select(j => j.Id).Order()];
        if (ids.Count == 0)
            return;
        foreach (var job in jobs.Where(j => ids.Contains(j.Id) && told.Add(j.Id)))
            logger.JobTaken(job.Id, job.Request.Kind.ToString(), job.Request.Table);
        var after = await database.Jobs.RunAsync(
            ids, new RunOptions { Workers = options.Workers, WaitsForTime = false }, cancellationToken: cancellationToken).ConfigureAwait(false);
        foreach (var job in after.Where(j => j.HasEnded))
        {
            logger.JobEnded(
                job.State == JobState.Failed || job.RowsRefused > 0 ? LogLevel.Warning : LogLevel.Information,
                job.Id, job.State.ToString(), job.RowsWritten, job.RowsRefused, job.Reason ?? "");
        }
    }

    private async Task<EncryptedDatabase> OpenAsync()
    {
        var scope = scopes.CreateAsyncScope();
        await using (scope.ConfigureAwait(false))
        {
            var factory = scope.ServiceProvider.GetService<IDbContextFactory<TContext>>();
            var context = factory is null ? scope.ServiceProvider.GetRequiredService<TContext>() : await factory.CreateDbContextAsync().ConfigureAwait(false);
            await using (context.ConfigureAwait(false))
                return EncryptedDatabase.Open(context);
        }
    }
}
