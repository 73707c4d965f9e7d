namespace EfEnvelope.Specification.History;

/// <summary>
/// Says what is wrong with what many processes did and saw. Everything is told by intervals on one clock: a write takes effect at one moment
/// between its begin and its acknowledgement, or never if it has none, and a query sees one moment between its begin and its end.
/// </summary>
public sealed class HistoryChecker
{
    private const int MaxFaults = 50;

    private readonly Dictionary<string, Write> _writes = [];
    private readonly Dictionary<long, RowHistory> _rows = [];
    private readonly Dictionary<(string Column, string? Value), HashSet<long>> _holders = [];
    private readonly List<HistoryEvent> _queries = [];
    private readonly List<string> _faults = [];
    private int _more;

    private HistoryChecker(IEnumerable<HistoryEvent> events)
    {
        var all = events.ToList();
        foreach (var e in all.Where(e => e.Kind == HistoryEventKind.Begin))
            Add(new Write(e));
        foreach (var e in all.Where(e => e.Kind == HistoryEventKind.End))
        {
            if (_writes.TryGetValue(e.Op, out var write))
                write.Ended(e);
            else
                Report($"'{e.Op}' ended without having begun.");
        }

        foreach (var e in all.Where(e => e.Kind == HistoryEventKind.Alarm))
            Report($"Alarm: {e.Message}");
        foreach (var row in _rows.Values)
            row.Sort();
        _queries.AddRange(all.Where(e => e.Kind == HistoryEventKind.Query));
        foreach (var (seen, at) in _queries.SelectMany(q => q.Rows!.Select(r => (r, q.End))))
        {
            if (_writes.TryGetValue(seen.State.Op, out var write) && write.Row == seen.Row)
                write.Seen(at);
        }
    }

    /// <summary>Checks a history.</summary>
    /// <returns>What is wrong, one sentence each; empty when nothing is.</returns>
    public static IReadOnlyList<string> Check(IEnumerable<HistoryEvent> events)
    {
        var checker = new HistoryChecker(events);
        checker.CheckOrder();
        checker.CheckUnique();
        checker.CheckRefusals();
        foreach (var query in checker._queries)
            checker.CheckQuery(query);
        if (checker._more > 0)
            checker._faults.Add($"… and {checker._more} more.");
        return checker._faults;
    }

    private void Add(Write write)
    {
        if (!_writes.TryAdd(write.Op, write))
        {
            Report($"Two operations are named '{write.Op}'.");
            return;
        }

        if (!_rows.TryGetValue(write.Row, out var row))
            _rows.Add(write.Row, row = new RowHistory(write.Row));
        row.Add(write);
        if (write.State is not { } state)
            return;
        foreach (var column in HistoryPlan.Searched)
        {
            if (!_holders.TryGetValue((column, state.Get(column)), out var rows))
                _holders.Add((column, state.Get(column)), rows = []);
            rows.Add(write.Row);
        }
    }

    // Each revision of a row is made by one write: two that took effect mean that one was lost.
    private void CheckOrder()
    {
        foreach (var writes in _rows.Values.SelectMany(r => r.Writes.Where(w => w.IsCertain).GroupBy(w => (w.Row, w.Revision))))
        {
            if (writes.Count() > 1)
                Report($"Row {writes.Key.Row}: a write was lost, because two made the same revision: {string.Join(" and ", writes)}.");
        }
    }

    private void CheckUnique()
    {
        foreach (var ((_, value), rows) in _holders.Where(h => h.Key.Column == nameof(HistoryState.Code)))
        {
            var held = rows.Select(id => _rows[id]).SelectMany(r => FindHeld(r, value)).OrderBy(h => h.From).ToList();
            for (var i = 0; i < held.Count; i++)
            {
                foreach (var other in held.Skip(i + 1).TakeWhile(o => o.From < held[i].Until).Where(o => o.Write.Row != held[i].Write.Row).Take(1))
                    Report($"Unique value '{value}' was in row {held[i].Write.Row} by {held[i].Write} and in row {other.Write.Row} by {other.Write} at the same time.");
            }
        }
    }

    // From when until when a row certainly held a unique value.
    private static IEnumerable<(long From, long Until, Write Write)> FindHeld(RowHistory row, string? value)
        => from write in row.Writes
           where write.IsCertain && write.State?.Code == value
           select (write.CertainFrom, row.FindLater(write, long.MaxValue).Where(w => w.State?.Code != value).Select(w => w.Begin).DefaultIfEmpty(long.MaxValue).Min(), write);

    // A write may be refused as a duplicate only if another row may have held its value meanwhile.
    private void CheckRefusals()
    {
        foreach (var write in _writes.Values.Where(w => w.Outcome == WriteOutcome.Duplicate))
        {
            var value = write.State!.Code;
            if (!_holders[(nameof(HistoryState.Code), value)].Where(id => id != write.Row).Any(id => MayHold(_rows[id], value, write.Begin, write.End)))
                Report($"Row {write.Row}: {write} was refused as a duplicate, but no other row held '{value}'.");
        }
    }

    private static bool MayHold(RowHistory row, string value, long begin, long end)
        => row.Writes.Any(
            w => w.IsPossible && w.State?.Code == value && w.Begin < end
                && !row.Writes.Any(l => l.Revision > w.Revision && l.CertainFrom < begin));

    private void CheckQuery(HistoryEvent query)
    {
        var seen = new HashSet<long>();
        foreach (var row in query.Rows!)
        {
            if (!seen.Add(row.Row))
                Report($"Row {row.Row} was returned twice by {Describe(query)}.");
            CheckSeen(row, query);
        }

        var asked = query.Row is { } id ? [id]
            : query.Column is { } column ? _holders.GetValueOrDefault((column, query.Value)) ?? []
            : (IEnumerable<long>)_rows.Keys;
        foreach (var row in asked.Where(r => !seen.Contains(r)))
        {
            if (_rows.GetValueOrDefault(row)?.FindUnchanged(query.Begin, query.End, s => query.Column is null || s.Get(query.Column) == query.Value) is { } unchanged)
                Report($"Row {row} was missed by {Describe(query)}: {unchanged} had put it there, and nothing changed it.");
        }
    }

    private void CheckSeen(SeenRow seen, HistoryEvent query)
    {
        var state = seen.State;
        if (query.Column is { } column && state.Get(column) != query.Value)
            Report($"Row {seen.Row} was returned by {Describe(query)}, but holds '{state.Get(column)}'.");
        if (query.Row is { } asked && asked != seen.Row)
            Report($"Row {seen.Row} was returned by {Describe(query)}.");
        if (!_writes.TryGetValue(state.Op, out var write) || write.Row != seen.Row || write.State is null)
        {
            Report($"Row {seen.Row} holds what nobody wrote: '{state.Op}'.");
            return;
        }

        var differences = write.State.Differences(state);
        if (differences.Count > 0)
            Report($"Row {seen.Row} is torn: {write} wrote it last, but {string.Join(", ", differences)} {Origin(write, state, differences)}, seen by {Describe(query)}.");
        if (!write.IsPossible)
            Report($"Row {seen.Row} holds what {write} wrote, seen by {Describe(query)}.");
        if (write.Begin > query.End)
            Report($"Row {seen.Row} was seen by {Describe(query)} before {write} began.");
        if (_rows[seen.Row].FindCertain(query.Begin) is { } certain && certain.Revision > write.Revision)
            Report($"Row {seen.Row} is stale: {Describe(query)} saw {write}, but {certain} came before.");
    }

    private string Origin(Write write, HistoryState state, IReadOnlyList<string> differences)
        => _rows[write.Row].Writes.LastOrDefault(w => w != write && w.State is { } other && !other.Differences(state).Intersect(differences).Any()) is { } origin
            ? $"came from {origin}"
            : "came from no other write of this row";

    private static string Describe(HistoryEvent query)
        => query.Row is { } row ? $"a read of row {row}" : query.Column is { } column ? $"a query for {column} = '{query.Value}'" : "a read of all rows";

    private void Report(string fault)
    {
        if (_faults.Count < MaxFaults)
            _faults.Add(fault);
        else
            _more++;
    }
}
