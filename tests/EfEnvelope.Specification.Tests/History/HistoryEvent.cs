using System.Diagnostics;
using System.Text.Json.Serialization;

namespace EfEnvelope.Specification.History;

/// <summary>What a line of a log says.</summary>
public enum HistoryEventKind
{
    /// <summary>A write is about to be sent.</summary>
    Begin,

    /// <summary>A write was answered, or its connection broke.</summary>
    End,

    /// <summary>A query was answered.</summary>
    Query,

    /// <summary>Something failed that must not fail.</summary>
    Alarm,
}

/// <summary>How a write ended.</summary>
public enum WriteOutcome
{
    /// <summary>Nobody knows: the connection broke, or the process was killed.</summary>
    Unknown,

    /// <summary>It was committed.</summary>
    Acknowledged,

    /// <summary>It was not committed, because the unique value is taken.</summary>
    Duplicate,

    /// <summary>It was not committed, for another reason.</summary>
    Failed,
}

/// <summary>One line of a log. Times are those of <see cref="Stopwatch" />, which is one clock for all processes of a machine.</summary>
public sealed record HistoryEvent
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public HistoryEventKind Kind { get; init; }

    /// <summary>Gets the name of the operation, which no other has.</summary>
    public string Op { get; init; } = "";

    /// <summary>Gets when a write or a query was about to be sent.</summary>
    public long Begin { get; init; }

    /// <summary>Gets when its answer was there.</summary>
    public long End { get; init; }

    /// <summary>Gets the row that is written, or asked for by its key.</summary>
    public long? Row { get; init; }

    /// <summary>Gets the revision that a write makes; a delete has one as well.</summary>
    public int Revision { get; init; }

    /// <summary>Gets what the row holds if a write is committed; <see langword="null" /> for a delete.</summary>
    public HistoryState? State { get; init; }

    public WriteOutcome Outcome { get; init; }

    /// <summary>Gets the column that an equality query compares, or <see langword="null" /> for all rows.</summary>
    public string? Column { get; init; }

    /// <summary>Gets the value it is compared with.</summary>
    public string? Value { get; init; }

    /// <summary>Gets what a query returned.</summary>
    public IReadOnlyList<SeenRow>? Rows { get; init; }

    /// <summary>Gets what failed, for whoever reads the log.</summary>
    public string? Message { get; init; }
}
