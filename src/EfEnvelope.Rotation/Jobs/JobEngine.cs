using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation;

/// <summary>
/// Plans, runs and steers jobs on a live database. Rows are written only if they still hold the bytes that were read, what is sealed is opened again and
/// compared first, and what does not open is listed and left alone. Progress is durable: a killed job goes on where it was.
/// </summary>
public sealed class JobEngine
{
    private readonly DatabaseSource _source;
    private readonly KeyAdministration _keys;

    internal JobEngine(DatabaseSource source, KeyAdministration keys) => (_source, _keys) = (source, keys);

    /// <summary>Says what a job would do. Nothing is changed.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The plan.</returns>
    /// <exception cref="EnvelopeConfigurationException">It cannot be done: no such table, column or scope, no primary key, …</exception>
    /// <exception cref="OperationRefusedException">Another job works on the table.</exception>
    public Task<JobPlan> PlanAsync(JobRequest request, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Plans one job for each table of the encryption map that has columns for it.</summary>
    /// <param name="request">What is asked, without a table.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The plans.</returns>
    /// <exception cref="EnvelopeConfigurationException">It cannot be done.</exception>
    public Task<IReadOnlyList<JobPlan>> PlanAllAsync(JobRequest request, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Changes the table if the plan says so, and stores the job. It runs when somebody runs it.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job.</returns>
    /// <exception cref="OperationRefusedException">Another job works on the table.</exception>
    public Task<JobInfo> EnqueueAsync(JobPlan plan, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Runs jobs to their end, or until they are paused or cancelled. What others run at the same time is shared.</summary>
    /// <param name="jobIds">The jobs; a job that waits does not keep the others from going on.</param>
    /// <param name="options">How to run them, or <see langword="null" /> for the defaults.</param>
    /// <param name="progress">Is told where they stand.</param>
    /// <param name="cancellationToken">Stops after the present batch. The jobs go on when they are run again.</param>
    /// <returns>The jobs as they are then.</returns>
    public Task<IReadOnlyList<JobInfo>> RunAsync(
        IReadOnlyList<long> jobIds, RunOptions? options = null, IProgress<JobProgress>? progress = null, CancellationToken cancellationToken = default)
        => throw new NotImplementedException();

    /// <summary>Claims one free range of a job and runs it, so that a scheduler of the caller's own can distribute ranges over machines.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="cancellationToken">Stops after the present batch; the range is free again then.</param>
    /// <returns>How it ended.</returns>
    public Task<RangeOutcome> RunRangeAsync(long jobId, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Lists jobs, the newest first.</summary>
    /// <param name="includeEnded">Whether to list those that have ended.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The jobs.</returns>
    public Task<IReadOnlyList<JobInfo>> ListAsync(bool includeEnded = true, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Finds a job.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such job.</exception>
    public Task<JobInfo> GetAsync(long jobId, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Lists rows that a job could not convert.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="count">How many, at most.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The rows, in the order they were found.</returns>
    public Task<IReadOnlyList<JobFinding>> GetFindingsAsync(long jobId, int count = 1000, CancellationToken cancellationToken = default)
        => throw new NotImplementedException();

    /// <summary>Pauses a job. Its workers stop before their next batch.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job.</returns>
    /// <exception cref="OperationRefusedException">It has ended.</exception>
    public Task<JobInfo> PauseAsync(long jobId, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Lets a paused or failed job go on.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job.</returns>
    /// <exception cref="OperationRefusedException">It was cancelled or is completed.</exception>
    public Task<JobInfo> ResumeAsync(long jobId, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Ends a job. What it wrote stays.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job.</returns>
    /// <exception cref="OperationRefusedException">It has ended.</exception>
    public Task<JobInfo> CancelAsync(long jobId, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Changes the brake. Workers obey it from their next batch on.</summary>
    /// <param name="jobId">Its number.</param>
    /// <param name="throttle">The new brake.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The job.</returns>
    public Task<JobInfo> ThrottleAsync(long jobId, Throttle throttle, CancellationToken cancellationToken = default) => throw new NotImplementedException();
}
