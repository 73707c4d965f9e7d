using System.Data.Common;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Runs one range of a job, and moves the job on when all of its ranges are done.</summary>
internal sealed class JobRunner(DatabaseSource source, KeyAdministration keys)
{
    private static readonly TimeSpan AbandonedAfter = TimeSpan.FromMinutes(2);

    /// <summary>Claims a range and runs it, or says why there is none.</summary>
    /// <exception cref="EnvelopeConfigurationException">There is no such job.</exception>
    /// <exception cref="KeyUnavailableException">The database or the KMS is out of reach.</exception>
    public async Task<RangeOutcome> RunRangeAsync(long jobId, Action<string?> waits, CancellationToken cancellationToken)
    {
        try
        {
            return await TryRunRangeAsync(jobId, waits, cancellationToken).ConfigureAwait(false);
        }
        catch (DbException e) when (Outages.IsLockWait(e) || Outages.IsOverdue(e))
        {
            return Wait(waits, RotationMessages.WaitsForLocks());
        }
        catch (Exception e) when (Outages.IsOutage(e) && e is not KeyUnavailableException)
        {
            throw new KeyUnavailableException(RotationMessages.DatabaseUnreachable(), e);
        }
        catch (DbException e)
        {
            // The database refuses what the whole job does: rights that it lacks, a table that was changed or dropped. Waiting mends nothing.
            return await source.UseAsync(
                async session =>
                {
                    await new JobStore(session).TryEndAsync(jobId, JobState.Failed, RotationMessages.DatabaseRefusedCommand(session.Dialect.CodeOf(e)), cancellationToken).ConfigureAwait(false);
                    return RangeOutcome.Ended;
                },
                cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<RangeOutcome> TryRunRangeAsync(long jobId, Action<string?> waits, CancellationToken cancellationToken)
    {
        var session = await source.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            var store = new JobStore(session);
            JobRow job;
            try
            {
                job = await JobEngine.RequireAsync(store, jobId, cancellationToken).ConfigureAwait(false);
            }
            catch (EnvelopeConfigurationException e)
            {
                // A job that cannot be read stops, and others go on.
                if (await store.ExistsAsync(cancellationToken).ConfigureAwait(false) && await store.TryEndAsync(jobId, JobState.Failed, e.Message, cancellationToken).ConfigureAwait(false))
                    return RangeOutcome.Ended;
                throw;
            }

            if (job.State is JobState.Cancelled or JobState.Completed or JobState.Failed)
                return RangeOutcome.Ended;
            if (job.State == JobState.Paused)
                return Wait(waits, RotationMessages.JobPaused(jobId));
            var now = await store.ReadTimeAsync(cancellationToken).ConfigureAwait(false);
            if (job.NotBefore > now)
                return Wait(waits, job.Reason);
            if (Brake.OpensAt(job.Throttle, source.TimeProvider.GetUtcNow()) is { } opens)
                return Wait(waits, RotationMessages.WindowClosed(opens));
            if (job.Request.Kind == JobKind.Rotate)
                return await RotateAsync(store, job, cancellationToken).ConfigureAwait(false);

            try
            {
                return await RunRangeAsync(session, store, job, waits, cancellationToken).ConfigureAwait(false);
            }
            catch (RangeStoppedException e)
            {
                return Wait(waits, e.Message);
            }
            catch (EnvelopeConfigurationException e)
            {
                // The table, the map or the model changed under it: waiting does not help.
                return await FailAsync(store, jobId, e.Message, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is FormatException or InvalidCastException or OverflowException or KeyNotFoundException or ArgumentException)
            {
                // Something is stored in the job's own rows, or in the map, that fits no table: this job stops, and others go on.
                return await FailAsync(store, jobId, RotationMessages.JobUnusable(jobId, e.GetType().Name), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task<RangeOutcome> RunRangeAsync(Session session, JobStore store, JobRow job, Action<string?> waits, CancellationToken cancellationToken)
    {
        if (!job.IsAsShown)
            throw new EnvelopeConfigurationException(RotationMessages.JobAltered(job.Id));
        var request = job.Request;
        JobPlanner.Validate(request);
        var map = (await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false)).Require(request.Schema, request.Table);
        var table = await JobPlanner.RequireTableAsync(session, request.Schema, request.Table, cancellationToken).ConfigureAwait(false);
        var (plan, _) = RowPlanner.Make(session.Dialect, request, table, map);
        var passes = new JobPasses(source, keys, session, store, plan);
        if (job.State == JobState.Pending)
        {
            await JobPlanner.RequireSupportedAsync(session, cancellationToken).ConfigureAwait(false);
            if (await passes.FindStartAsync(job, cancellationToken).ConfigureAwait(false) is { } start)
            {
                await store.SetWaitingAsync(job.Id, start.At, start.Reason, cancellationToken).ConfigureAwait(false);
                return Wait(waits, start.Reason);
            }

            if (!await store.TryTakeTableAsync(job.Id, JobPlanner.ActiveName(request), cancellationToken).ConfigureAwait(false))
                return Wait(waits, RotationMessages.WaitsForTable(table.DisplayName));
            await JobPlanner.RequireKeysAsync(session, table, cancellationToken).ConfigureAwait(false);
            var (ranges, rows) = await TableRanges.CutAsync(session, table, request.RangeSize, cancellationToken).ConfigureAwait(false);
            await store.BeginAsync(job.Id, ranges, rows, cancellationToken).ConfigureAwait(false);
            job = await JobEngine.RequireAsync(store, job.Id, cancellationToken).ConfigureAwait(false);
        }

        var outcome = session.Dialect.HasRowLocks
            ? await RunClaimedAsync(session, store, job, plan, waits, cancellationToken).ConfigureAwait(false)
            : await RunUnclaimedAsync(store, job, plan, waits, cancellationToken).ConfigureAwait(false);
        return outcome ?? await passes.AdvanceAsync(job.Id, waits, cancellationToken).ConfigureAwait(false);
    }

    // The claim is the lock of the range's row, so it ends with this connection, however that ends.
    private async Task<RangeOutcome?> RunClaimedAsync(
        Session session, JobStore store, JobRow job, RowPlan plan, Action<string?> waits, CancellationToken cancellationToken)
    {
        var claim = await session.BeginAsync(cancellationToken).ConfigureAwait(false);
        await using (claim.ConfigureAwait(false))
        {
            if (await store.ClaimAsync(job.Id, job.Pass, cancellationToken).ConfigureAwait(false) is not { } range)
                return null;
            await new RangeRunner(source, job, range, plan).RunAsync(waits, cancellationToken).ConfigureAwait(false);
            await store.FinishRangeAsync(job.Id, range.Number, job.Pass, cancellationToken).ConfigureAwait(false);
            await claim.CommitAsync(cancellationToken).ConfigureAwait(false);
            return RangeOutcome.Done;
        }
    }

    private async Task<RangeOutcome?> RunUnclaimedAsync(JobStore store, JobRow job, RowPlan plan, Action<string?> waits, CancellationToken cancellationToken)
    {
        if (await store.ClaimAsync(job.Id, job.Pass, cancellationToken).ConfigureAwait(false) is not { } range)
            return null;
        await new RangeRunner(source, job, range, plan).RunAsync(waits, cancellationToken).ConfigureAwait(false);
        await store.FinishRangeAsync(job.Id, range.Number, job.Pass, cancellationToken).ConfigureAwait(false);
        return RangeOutcome.Done;
    }

    private async Task<RangeOutcome> RotateAsync(JobStore store, JobRow job, CancellationToken cancellationToken)
    {
        // Whoever moves it to 'running' makes the version: twice would be one version too many. What a worker left that died in between is told by the key
        // store: a version that was made since is the one that was asked for.
        if (job.State == JobState.Running)
            return await TakeOverRotationAsync(store, job, cancellationToken).ConfigureAwait(false);
        if (!await store.TryBeginRotationAsync(job.Id, cancellationToken).ConfigureAwait(false))
            return RangeOutcome.Busy;
        try
        {
            if (!(await keys.GetScopesAsync(cancellationToken).ConfigureAwait(false)).Contains(new KeyScope(job.Scope)))
            {
                await store.TryEndAsync(job.Id, JobState.Completed, RotationMessages.NothingToRotate(), cancellationToken).ConfigureAwait(false);
                return RangeOutcome.Ended;
            }

            var version = await keys.RotateAsync(new KeyScope(job.Scope), job.Request.ActivationDelay, job.Request.IncludeSearch, cancellationToken).ConfigureAwait(false);
            await store.TryEndAsync(job.Id, JobState.Completed, RotationMessages.Rotated(version), cancellationToken).ConfigureAwait(false);
        }
        catch (EnvelopeConfigurationException e)
        {
            await store.TryEndAsync(job.Id, JobState.Failed, e.Message, cancellationToken).ConfigureAwait(false);
        }
        catch (EnvelopeException)
        {
            await store.TryChangeStateAsync(job.Id, JobState.Running, JobState.Pending, CancellationToken.None).ConfigureAwait(false);
            throw;
        }

        return RangeOutcome.Ended;
    }

    private async Task<RangeOutcome> TakeOverRotationAsync(JobStore store, JobRow job, CancellationToken cancellationToken)
    {
        if (job.PassStartedAt is not { } began || await store.ReadTimeAsync(cancellationToken).ConfigureAwait(false) - began < AbandonedAfter)
            return RangeOutcome.Busy;
        var made = (await keys.ListAsync(new KeyScope(job.Scope), cancellationToken).ConfigureAwait(false)).LastOrDefault(
            k => k.CreatedAt >= began && k.EncryptsFrom is not null && (!job.Request.IncludeSearch || k.SearchesFrom is not null));
        if (made is not null)
            await store.TryEndAsync(job.Id, JobState.Completed, RotationMessages.Rotated(made.Version), cancellationToken).ConfigureAwait(false);
        else
            await store.TryChangeStateAsync(job.Id, JobState.Running, JobState.Pending, cancellationToken).ConfigureAwait(false);
        return RangeOutcome.Done;
    }

    private static async Task<RangeOutcome> FailAsync(JobStore store, long jobId, string reason, CancellationToken cancellationToken)
    {
        await store.TryEndAsync(jobId, JobState.Failed, reason, cancellationToken).ConfigureAwait(false);
        return RangeOutcome.Ended;
    }

    private static RangeOutcome Wait(Action<string?> waits, string? reason)
    {
        waits(reason);
        return RangeOutcome.Waiting;
    }
}
