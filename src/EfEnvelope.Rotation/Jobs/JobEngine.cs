using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation;

/// <summary>
/// Plans, runs and steers jobs on a live database. Rows are written only if they still hold the bytes that were read, what is sealed is opened again and
/// compared first, and what does not open is listed and left alone. Progress is durable: a killed job goes on where it was.
/// </summary>
public sealed class JobEngine
{
    private readonly DatabaseSource _source;
    private readonly JobPlanner _planner;
    private readonly JobRunner _runner;

    internal JobEngine(DatabaseSource source, KeyAdministration keys)
        => (_source, _planner, _runner) = (source, new JobPlanner(source, keys), new JobRunner(source, keys));

    /// <summary>Says what a job would do. Nothing is changed.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The plan.</returns>
    /// <exception cref="EnvelopeConfigurationException">It cannot be done: no such table, column or scope, no primary key, …</exception>
    /// <exception cref="OperationRefusedException">Another job works on the table.</exception>
    public Task<JobPlan> PlanAsync(JobRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _source.UseAsync(session => _planner.PlanAsync(session, request, cancellationToken), cancellationToken);
    }

    /// <summary>Plans one job for each table of the encryption map that has columns for it.</summary>
    /// <param name="request">What is asked, without a table.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The plans, in the order of the tables.</returns>
    /// <exception cref="EnvelopeConfigurationException">It cannot be done.</exception>
    /// <exception cref="OperationRefusedException">Another job works on one of the tables.</exception>
    public Task<IReadOnlyList<JobPlan>> PlanAllAsync(JobRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _source.UseAsync(session => PlanAllAsync(session, request, cancellationToken), cancellationToken);
    }

    private async Task<IReadOnlyList<JobPlan>> PlanAllAsync(Session session, JobRequest request, CancellationToken cancellationToken)
    {
        var map = await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false);
        map.RequireReadable();
        var plans = new List<JobPlan>();
        foreach (var (schema, table) in map.Columns.Where(c => request.Kind != JobKind.Reindex || c.IsCompared).Select(c => (c.Schema, c.Table)).Distinct())
            plans.Add(await _planner.PlanAsync(session, request with { Schema = schema, Table = table }, cancellationToken).ConfigureAwait(false));
        return plans.Count > 0 ? plans : throw new EnvelopeConfigurationException(RotationMessages.MapEmpty(request.Kind));
    }

    /// <summary>Changes the table if the plan says so, and stores the job. It runs when somebody runs it.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job.</returns>
    /// <exception cref="OperationRefusedException">Another job works on the table.</exception>
    public Task<JobInfo> EnqueueAsync(JobPlan plan, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return _source.UseAsync(session => EnqueueAsync(session, plan, cancellationToken), cancellationToken);
    }

    private async Task<JobInfo> EnqueueAsync(Session session, JobPlan plan, CancellationToken cancellationToken)
    {
        var store = new JobStore(session);
        await store.CreateTablesAsync(cancellationToken).ConfigureAwait(false);
        var active = JobPlanner.ActiveName(plan.Request);
        await _planner.RequireFreeAsync(session, active, cancellationToken).ConfigureAwait(false);
        if (plan.MapRows.Count > 0)
            await EnvelopeSchema.EnsureAsync(session, cancellationToken).ConfigureAwait(false);
        var id = await store.TryAddAsync(
            plan.Request,
            plan.Scope,
            active.Length == 0 ? null : active,
            async () =>
            {
                if (plan.SchemaChanges.Count > 0)
                    await session.Dialect.LimitWaitsAsync(session, cancellationToken).ConfigureAwait(false);
                foreach (var change in plan.SchemaChanges)
                    await session.ExecuteAsync(change, [], cancellationToken).ConfigureAwait(false);
                foreach (var row in plan.MapRows)
                    await MapStore.PutAsync(session, row, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken).ConfigureAwait(false);
        if (id is null)
            await _planner.RequireFreeAsync(session, active, cancellationToken).ConfigureAwait(false);
        return await GetAsync(store, id ?? throw new OperationRefusedException(RotationMessages.TableTaken(plan.Request.Table, "?")), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs jobs to their end, or until they are paused or cancelled. What others run at the same time is shared.</summary>
    /// <param name="jobIds">The jobs; a job that waits does not keep the others from going on.</param>
    /// <param name="options">How to run them, or <see langword="null" /> for the defaults.</param>
    /// <param name="progress">Is told where they stand.</param>
    /// <param name="cancellationToken">Stops at once; what was not committed is done again when the jobs are run again.</param>
    /// <returns>The jobs as they are then.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such job.</exception>
    /// <exception cref="KeyUnavailableException">The database or the KMS was out of reach for longer than is tolerated; the jobs stay as they are.</exception>
    public async Task<IReadOnlyList<JobInfo>> RunAsync(
        IReadOnlyList<long> jobIds, RunOptions? options = null, IProgress<JobProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jobIds);
        await new JobCrew(_source, this, _runner, options ?? new RunOptions(), progress).RunAsync(jobIds, cancellationToken).ConfigureAwait(false);
        var jobs = new List<JobInfo>();
        foreach (var id in jobIds)
            jobs.Add(await GetAsync(id, cancellationToken).ConfigureAwait(false));
        return jobs;
    }

    /// <summary>Claims one free range of a job and runs it, so that a scheduler of the caller's own can distribute ranges over machines.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="cancellationToken">Stops at once; the range is free again then, and goes on from its last batch.</param>
    /// <returns>How it ended.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such job.</exception>
    /// <exception cref="KeyUnavailableException">The database or the KMS is out of reach. Retry.</exception>
    public Task<RangeOutcome> RunRangeAsync(long jobId, CancellationToken cancellationToken = default)
        => _runner.RunRangeAsync(jobId, static _ => { }, cancellationToken);

    /// <summary>Lists jobs, the newest first.</summary>
    /// <param name="includeEnded">Whether to list those that have ended.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The jobs; those whose rows cannot be read are left out, and <see cref="EnvelopeScans.FindMalformedRowsAsync" /> lists them.</returns>
    public async Task<IReadOnlyList<JobInfo>> ListAsync(bool includeEnded = true, CancellationToken cancellationToken = default)
        => (await ListAllAsync(includeEnded, cancellationToken).ConfigureAwait(false)).Rows;

    internal Task<(IReadOnlyList<JobInfo> Rows, IReadOnlyList<MalformedRow> Malformed)> ListAllAsync(bool includeEnded, CancellationToken cancellationToken)
        => _source.UseAsync(
            async session =>
            {
                var store = new JobStore(session);
                return await store.ExistsAsync(cancellationToken).ConfigureAwait(false)
                    ? await store.ListAsync(null, includeEnded, cancellationToken).ConfigureAwait(false)
                    : ([], []);
            },
            cancellationToken);

    /// <summary>Finds a job.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such job.</exception>
    public Task<JobInfo> GetAsync(long jobId, CancellationToken cancellationToken = default)
        => _source.UseAsync(session => GetAsync(new JobStore(session), jobId, cancellationToken), cancellationToken);

    /// <summary>Lists rows that a job could not convert.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="count">How many, at most.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The rows of the last pass, in the order of their keys' ranges; of one batch 100 at most.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such job.</exception>
    public Task<IReadOnlyList<JobFinding>> GetFindingsAsync(long jobId, int count = 1000, CancellationToken cancellationToken = default)
        => _source.UseAsync(
            async session =>
            {
                var store = new JobStore(session);
                await GetAsync(store, jobId, cancellationToken).ConfigureAwait(false);
                return await store.ListFindingsAsync(jobId, count, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);

    /// <summary>Pauses a job. Its workers stop before their next batch.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such job.</exception>
    /// <exception cref="OperationRefusedException">It has ended.</exception>
    public Task<JobInfo> PauseAsync(long jobId, CancellationToken cancellationToken = default)
        => ChangeAsync(
            jobId,
            async (store, job) =>
            {
                if (job.HasEnded)
                    throw new OperationRefusedException(RotationMessages.JobHasEnded(jobId, job.State));
                return job.State == JobState.Paused || await store.TryChangeStateAsync(jobId, job.State, JobState.Paused, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);

    /// <summary>Lets a paused or failed job go on.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such job.</exception>
    /// <exception cref="OperationRefusedException">It was cancelled or is completed, or another job works on its table by now.</exception>
    public Task<JobInfo> ResumeAsync(long jobId, CancellationToken cancellationToken = default)
        => ChangeAsync(
            jobId,
            async (store, job) =>
            {
                switch (job.State)
                {
                    case JobState.Completed or JobState.Cancelled:
                        throw new OperationRefusedException(RotationMessages.JobHasEnded(jobId, job.State));
                    case JobState.Failed:
                        var active = JobPlanner.ActiveName(job.Request);
                        if (active.Length > 0 && await store.FindActiveAsync(active, cancellationToken).ConfigureAwait(false) is { } other)
                            throw new OperationRefusedException(RotationMessages.TableTaken(job.Request.Table, other));
                        return await store.TryReviveAsync(jobId, active.Length == 0 ? null : active, cancellationToken).ConfigureAwait(false);
                    case JobState.Paused:
                        return await store.TryChangeStateAsync(
                            jobId, JobState.Paused, job.StartedAt is null ? JobState.Pending : JobState.Running, cancellationToken).ConfigureAwait(false);
                    default:
                        return true;
                }
            },
            cancellationToken);

    /// <summary>Ends a job. What it wrote stays. A job whose row cannot be read is removed.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job, or <see langword="null" /> if its row could not be read, and was removed.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such job.</exception>
    /// <exception cref="OperationRefusedException">It has ended.</exception>
    public Task<JobInfo?> CancelAsync(long jobId, CancellationToken cancellationToken = default)
        => _source.UseAsync(
            async session =>
            {
                var store = new JobStore(session);
                while (await store.ExistsAsync(cancellationToken).ConfigureAwait(false))
                {
                    var (jobs, malformed) = await store.ListAsync(jobId, includeEnded: true, cancellationToken).ConfigureAwait(false);
                    if (malformed.Count > 0)
                    {
                        await store.RemoveAsync(jobId, cancellationToken).ConfigureAwait(false);
                        return null;
                    }

                    if (jobs is [{ HasEnded: true } ended])
                        throw new OperationRefusedException(RotationMessages.JobHasEnded(jobId, ended.State));
                    if (jobs.Count == 0)
                        break;
                    if (await store.TryEndAsync(jobId, JobState.Cancelled, null, cancellationToken).ConfigureAwait(false))
                        return await GetAsync(store, jobId, cancellationToken).ConfigureAwait(false);
                }

                throw new EnvelopeConfigurationException(RotationMessages.JobMissing(jobId));
            },
            cancellationToken);

    /// <summary>Changes the brake. Workers obey it from their next batch on.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="throttle">The new brake.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such job, or the brake is out of range.</exception>
    /// <exception cref="OperationRefusedException">It has ended.</exception>
    public Task<JobInfo> ThrottleAsync(long jobId, Throttle throttle, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(throttle);
        throttle.Validate();
        return ChangeAsync(
            jobId,
            async (store, job) =>
            {
                if (job.HasEnded)
                    throw new OperationRefusedException(RotationMessages.JobHasEnded(jobId, job.State));
                await store.SetThrottleAsync(jobId, throttle, cancellationToken).ConfigureAwait(false);
                return true;
            },
            cancellationToken);
    }

    internal static async Task<JobRow> RequireAsync(JobStore store, long jobId, CancellationToken cancellationToken)
        => (await store.ExistsAsync(cancellationToken).ConfigureAwait(false) ? await store.FindAsync(jobId, cancellationToken).ConfigureAwait(false) : null)
            ?? throw new EnvelopeConfigurationException(RotationMessages.JobMissing(jobId));

    internal static async Task<JobInfo> GetAsync(JobStore store, long jobId, CancellationToken cancellationToken)
        => await store.ExistsAsync(cancellationToken).ConfigureAwait(false)
            ? await store.ListAsync(jobId, includeEnded: true, cancellationToken).ConfigureAwait(false) switch
            {
                ([var job], _) => job,
                (_, [var malformed]) => throw new EnvelopeConfigurationException(RotationMessages.RowMalformed(malformed)),
                _ => throw new EnvelopeConfigurationException(RotationMessages.JobMissing(jobId)),
            }
            : throw new EnvelopeConfigurationException(RotationMessages.JobMissing(jobId));

    // Whoever changes it at the same moment is seen, and obeyed or refused.
    private Task<JobInfo> ChangeAsync(long jobId, Func<JobStore, JobInfo, Task<bool>> tryChange, CancellationToken cancellationToken)
        => _source.UseAsync(
            async session =>
            {
                var store = new JobStore(session);
                while (!await tryChange(store, await GetAsync(store, jobId, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false))
                    cancellationToken.ThrowIfCancellationRequested();
                return await GetAsync(store, jobId, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);
}
