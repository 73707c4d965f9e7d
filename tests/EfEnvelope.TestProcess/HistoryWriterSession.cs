using EfEnvelope.Specification.History;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.TestProcess;

/// <summary>One sequence of writes, chosen by chance from a seed.</summary>
internal sealed class HistoryWriterSession(HistoryRun run, int number, HistoryLog log, Func<HistoryContext> open)
{
    private readonly Random _random = new(run.SeedOf(number));
    private readonly List<long> _own = [.. OwnRows(run, number)];
    private readonly List<(long Row, int Revision)> _deleted = [];
    private long _next = run.NewRowsFrom + number;
    private int _operations;

    /// <summary>Does one operation and says how long to rest after it, in milliseconds.</summary>
    public async Task<int> StepAsync()
    {
        var op = $"{run.Name}.{number}-{++_operations}";
        try
        {
            await using var db = open();
            switch (_random.Next(100))
            {
                case var _ when run.Hammers:
                    await UpdateAsync(db, op, 1 + _random.NextInt64(run.Rows));
                    break;
                case < 20:
                    await InsertAsync(db, op);
                    break;
                case < 30 when _own.Count > 3:
                    await DeleteAsync(db, op, _own[_random.Next(_own.Count)]);
                    break;
                case < 50:
                    await TouchAsync(db, op, 1 + _random.NextInt64(run.Rows));
                    break;
                case < 70:
                    await UpdateAsync(db, op, ChooseShared());
                    break;
                default:
                    await UpdateAsync(db, op, _own.Count == 0 ? ChooseShared() : _own[_random.Next(_own.Count)]);
                    break;
            }
        }
        catch (Exception e)
        {
            // Reading failed, or opening a connection did: no write was begun.
            HistoryFaults.Judge(e, out var isAlarm);
            if (isAlarm)
                log.Alarm($"{op}: {e}");
            return 50 + _random.Next(50);
        }

        return _random.Next((2 * run.Pause) + 1);
    }

    private static IEnumerable<long> OwnRows(HistoryRun run, int number)
        => from id in Enumerable.Range(1, run.Rows).Select(i => (long)i)
           where !HistoryPlan.IsStable(id) && !HistoryPlan.IsShared(id)
               && HistoryPlan.OwnerOf(id, run.Writers * run.Sessions) == run.Index * run.Sessions + number
           select id;

    private long ChooseShared() => 1 + (5 * _random.NextInt64(Math.Max(1, run.Rows / 5)));

    private async Task InsertAsync(HistoryContext db, string op)
    {
        var (row, revision) = (_next, 0);
        if (_deleted.Count > 0 && _random.Next(3) == 0)
        {
            (row, revision) = _deleted[^1];
            _deleted.RemoveAt(_deleted.Count - 1);
        }
        else
        {
            _next += run.Sessions;
        }

        var state = new HistoryState(
            revision + 1, op, _random.Next(100), $"secret of {op}", NewAmount(), NewMail(), NewCode(), NewTag(), NewNote(), NewLabel());
        var entity = state.ToRow(row);
        db.Add(entity);
        var outcome = await WriteAsync(op, row, revision + 1, state, () => db.SaveChangesAsync());
        if (outcome is WriteOutcome.Acknowledged or WriteOutcome.Unknown)
            _own.Add(row);
        else if (revision > 0)
            _deleted.Add((row, revision));
    }

    private async Task DeleteAsync(HistoryContext db, string op, long row)
    {
        if (await ReadAsync(db, row) is not { } entity)
        {
            _own.Remove(row);
            return;
        }

        db.Remove(entity);
        if (await WriteAsync(op, row, entity.Revision + 1, null, () => db.SaveChangesAsync()) == WriteOutcome.Acknowledged)
        {
            _own.Remove(row);
            _deleted.Add((row, entity.Revision + 1));
        }
    }

    // Changes the plain column alone: whoever converts the row meanwhile may write it all the same.
    private async Task TouchAsync(HistoryContext db, string op, long row)
    {
        if (await ReadAsync(db.Rows.AsNoTracking(), row) is not { } entity)
            return;
        var before = HistoryState.Of(entity);
        var state = before with { Revision = before.Revision + 1, Op = op, Visits = before.Visits + 1 };
        await WriteAsync(
            op, row, state.Revision, state,
            () => db.Rows.Where(r => r.Id == row && r.Revision == before.Revision).ExecuteUpdateAsync(
                s => s.SetProperty(r => r.Revision, state.Revision).SetProperty(r => r.Op, op).SetProperty(r => r.Visits, state.Visits)));
    }

    private async Task UpdateAsync(HistoryContext db, string op, long row)
    {
        if (await ReadAsync(db, row) is not { } entity)
            return;
        var before = HistoryState.Of(entity);
        var state = before with
        {
            Revision = before.Revision + 1,
            Op = op,
            Visits = Maybe(before.Visits, () => _random.Next(100)),
            Secret = Maybe(before.Secret, () => $"secret of {op}"),
            Amount = Maybe(before.Amount, NewAmount),
            Email = Maybe(before.Email, NewMail),
            Code = Maybe(before.Code, NewCode),
            Tag = Maybe(before.Tag, NewTag),
            Note = Maybe(before.Note, NewNote),
            Label = Maybe(before.Label, NewLabel),
        };
        state.CopyTo(entity);
        await WriteAsync(op, row, state.Revision, state, () => db.SaveChangesAsync());
    }

    private async Task<WriteOutcome> WriteAsync(string op, long row, int revision, HistoryState? state, Func<Task<int>> send)
    {
        log.Begin(op, HistoryLog.Now(), row, revision, state);
        try
        {
            var written = await send();
            var outcome = written == 1 ? WriteOutcome.Acknowledged : WriteOutcome.Failed;
            log.End(op, outcome);
            return outcome;
        }
        catch (Exception e)
        {
            var outcome = HistoryFaults.Judge(e, out var isAlarm);
            log.End(op, outcome, e.GetBaseException().Message);
            if (isAlarm)
                log.Alarm($"{op}: {e}");
            return outcome;
        }
    }

    private Task<HistoryRow?> ReadAsync(HistoryContext db, long row) => ReadAsync(db.Rows, row);

    private async Task<HistoryRow?> ReadAsync(IQueryable<HistoryRow> rows, long row)
    {
        var begin = HistoryLog.Now();
        var entity = await rows.SingleOrDefaultAsync(r => r.Id == row);
        log.Query(begin, entity is null ? [] : [entity], row);
        return entity;
    }

    private T Maybe<T>(T before, Func<T> change) => _random.Next(3) == 0 ? change() : before;

    private decimal NewAmount() => _random.Next(1_000_000) / 100m;

    private string? NewMail() => _random.Next(10) == 0 ? null : HistoryPlan.MailOf(_random.Next(40));

    // Some are taken for sure, by rows that keep theirs; many are taken by chance.
    private string NewCode()
        => HistoryPlan.CodeOf(_random.Next(6) == 0 ? 5 * (1 + _random.Next(Math.Max(1, run.Rows / 5))) : _random.Next(4 * run.Rows));

    private string NewTag() => HistoryPlan.TagOf(_random.Next(20));

    private string? NewNote() => _random.Next(10) == 0 ? null : HistoryPlan.NoteOf(_random.Next(40));

    private string? NewLabel() => _random.Next(10) == 0 ? null : HistoryPlan.LabelOf(_random.Next(20));
}
