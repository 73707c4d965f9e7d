namespace EfEnvelope.Rotation;

/// <summary>Where a job stands.</summary>
public enum JobState
{
    /// <summary>Nobody has begun it.</summary>
    Pending,

    /// <summary>It runs, or waits for a worker.</summary>
    Running,

    /// <summary>It was paused, and goes on when it is resumed.</summary>
    Paused,

    /// <summary>It was cancelled. What it wrote stays.</summary>
    Cancelled,

    /// <summary>It has ended, and nothing is left but what its findings list.</summary>
    Completed,

    /// <summary>It has ended because it cannot go on; its reason says why.</summary>
    Failed,
}

/// <summary>A job as the database has it.</summary>
public sealed record JobInfo
{
    /// <summary>Gets its number.</summary>
    public required long Id { get; init; }

    /// <summary>Gets what was asked.</summary>
    public required JobRequest Request { get; init; }

    /// <summary>Gets the key scope it works in.</summary>
    public required string Scope { get; init; }

    /// <summary>Gets where it stands.</summary>
    public required JobState State { get; init; }

    /// <summary>Gets why it waits or failed, or <see langword="null" />.</summary>
    public string? Reason { get; init; }

    /// <summary>Gets the time, in UTC, before which it does not go on, or <see langword="null" />.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>Gets which pass over the table this is, from 1. The first does the work; each later one looks for what was locked or written meanwhile.</summary>
    public int Pass { get; init; }

    /// <summary>Gets how many ranges the table was cut into.</summary>
    public int Ranges { get; init; }

    /// <summary>Gets how many ranges of this pass are done.</summary>
    public int RangesDone { get; init; }

    /// <summary>Gets how many rows the table had when the job began.</summary>
    public long EstimatedRows { get; init; }

    /// <summary>Gets how many rows were read; a row that is visited again counts again.</summary>
    public long RowsRead { get; init; }

    /// <summary>Gets how many rows were written.</summary>
    public long RowsWritten { get; init; }

    /// <summary>Gets how often a row was not written because the application was writing it; such rows are visited again.</summary>
    public long RowsLost { get; init; }

    /// <summary>Gets how many rows of this pass could not be converted, and were left untouched; the findings list them.</summary>
    public long RowsRefused { get; init; }

    /// <summary>Gets the brake.</summary>
    public required Throttle Throttle { get; init; }

    /// <summary>Gets when it was made, in the database's time.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Gets when a worker began it.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>Gets when it ended.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Gets whether it has ended.</summary>
    public bool HasEnded => State is JobState.Cancelled or JobState.Completed or JobState.Failed;

    internal const string Fenced = "looking once more at what open transactions wrote";

    internal bool IsFenced => Reason == Fenced;

    internal DateTimeOffset? PassStartedAt { get; init; }

    internal long PassWork { get; init; }
}

/// <summary>A row that a job could not convert, and left untouched.</summary>
/// <param name="Key">The row's primary key, as text.</param>
/// <param name="Column">The column.</param>
/// <param name="Reason">What is wrong with it; never its value.</param>
public sealed record JobFinding(string Key, string Column, string Reason);

/// <summary>What a job would do; nothing has been changed.</summary>
public sealed record JobPlan
{
    /// <summary>Gets what was asked.</summary>
    public required JobRequest Request { get; init; }

    /// <summary>Gets the key scope.</summary>
    public required string Scope { get; init; }

    /// <summary>Gets how many rows the table has.</summary>
    public long Rows { get; init; }

    /// <summary>Gets what happens to each column, one line each.</summary>
    public IReadOnlyList<string> Columns { get; init; } = [];

    /// <summary>Gets the statements that change the table itself first, if any.</summary>
    public IReadOnlyList<string> SchemaChanges { get; init; } = [];

    /// <summary>Gets what should be known before it is begun.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Gets the time, in UTC, before which it does not begin, because its key version does not encrypt yet; or <see langword="null" />.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    internal IReadOnlyList<MapColumn> MapRows { get; init; } = [];
}

/// <summary>How a call that runs one range ended.</summary>
public enum RangeOutcome
{
    /// <summary>A range was done.</summary>
    Done,

    /// <summary>No range is free: other workers have them.</summary>
    Busy,

    /// <summary>The job waits, is paused, or its window is closed: its reason says for what, and its time until when.</summary>
    Waiting,

    /// <summary>The job has ended.</summary>
    Ended,
}
