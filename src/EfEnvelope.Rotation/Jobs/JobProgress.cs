namespace EfEnvelope.Rotation;

/// <summary>Where a running job stands, about once in half a second.</summary>
/// <param name="Job">The job.</param>
/// <param name="RowsPerSecond">How many rows were written in a second lately.</param>
/// <param name="Remaining">How much longer the present pass will take at that rate, or <see langword="null" /> while that cannot be told.</param>
/// <param name="WaitsFor">Why it waits, or <see langword="null" /> while it works.</param>
public sealed record JobProgress(JobInfo Job, double RowsPerSecond, TimeSpan? Remaining, string? WaitsFor);

/// <summary>How jobs are run.</summary>
public sealed record RunOptions
{
    /// <summary>Gets how many workers run side by side.</summary>
    /// <value>The default is 1. SQLite has one writer, so more are of no use there.</value>
    public int Workers { get; init; } = 1;

    /// <summary>Gets whether to wait when a job is paused, or waits for its time; otherwise the call returns then.</summary>
    /// <value>The default is <see langword="true" />.</value>
    public bool WaitsForTime { get; init; } = true;

    /// <summary>Gets how long a database or a KMS that is out of reach is waited for, before the call fails; the job itself stays as it is.</summary>
    /// <value>The default is 10 minutes.</value>
    public TimeSpan OutageTolerance { get; init; } = TimeSpan.FromMinutes(10);
}
