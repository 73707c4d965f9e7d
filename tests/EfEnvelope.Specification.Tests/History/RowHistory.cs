namespace EfEnvelope.Specification.History;

/// <summary>A write, with what can be told of it.</summary>
public sealed class Write(HistoryEvent begin)
{
    public string Op => begin.Op;

    public long Row => begin.Row!.Value;

    public int Revision => begin.Revision;

    /// <summary>Gets what the row holds after it; <see langword="null" /> after a delete.</summary>
    public HistoryState? State => begin.State;

    public long Begin => begin.Begin;

    public long End { get; private set; } = long.MaxValue;

    public WriteOutcome Outcome { get; private set; }

    /// <summary>Gets whether it may have been committed.</summary>
    public bool IsPossible => Outcome is WriteOutcome.Acknowledged or WriteOutcome.Unknown;

    /// <summary>Gets the time from which on it certainly was committed: it was acknowledged, or somebody saw it.</summary>
    public long CertainFrom { get; private set; } = long.MaxValue;

    public bool IsCertain => CertainFrom != long.MaxValue;

    public void Ended(HistoryEvent end)
    {
        (End, Outcome) = (end.End, end.Outcome);
        if (Outcome == WriteOutcome.Acknowledged)
            CertainFrom = Math.Min(CertainFrom, end.End);
    }

    public void Seen(long at) => CertainFrom = Math.Min(CertainFrom, at);

    public override string ToString() => $"{Op} ({(State is null ? "delete" : "write")}, revision {Revision}, {Outcome.ToString().ToLowerInvariant()})";
}

/// <summary>What was written into one row, by revision: optimistic concurrency allows one committed write for each.</summary>
public sealed class RowHistory(long row)
{
    private List<Write> _writes = [];

    public long Row => row;

    public IReadOnlyList<Write> Writes => _writes;

    public void Add(Write write) => _writes.Add(write);

    public void Sort() => _writes = [.. _writes.OrderBy(w => w.Revision)];

    /// <summary>Finds the newest write that was certainly committed before a time.</summary>
    public Write? FindCertain(long before) => _writes.LastOrDefault(w => w.CertainFrom < before);

    /// <summary>Finds what may have followed a write before a time.</summary>
    public IEnumerable<Write> FindLater(Write write, long until)
        => _writes.Where(w => w.Revision > write.Revision && w.IsPossible && w.Begin < until);

    /// <summary>Finds the write that a query made certain to be in its answer if it asks for what this condition tells, or <see langword="null" />.</summary>
    public Write? FindUnchanged(long begin, long end, Func<HistoryState, bool> holds)
        => FindCertain(begin) is { State: { } state } certain && holds(state) && FindLater(certain, end).All(w => w.State is { } later && holds(later))
            ? certain
            : null;
}
