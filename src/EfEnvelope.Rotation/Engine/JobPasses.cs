using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>
/// Decides what follows a pass over the table. A job has ended when a pass found nothing to do that began after everybody had stopped writing in the old way: rows
/// that were locked or written meanwhile are found by the next pass, so nothing has to be remembered of them.
/// </summary>
internal sealed class JobPasses(DatabaseSource source, KeyAdministration keys, Session session, JobStore store, RowPlan plan)
{
    // What was sealed just before its version's time was over may still be on its way to the database.
    private static readonly TimeSpan InFlight = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly HashSet<KeyRole> _roles = [.. plan.Tasks.SelectMany(t => t.Roles)];

    /// <summary>Finds when the job may begin, if not now: its version may not encrypt yet.</summary>
    public async Task<(DateTimeOffset At, string Reason)?> FindStartAsync(JobRow job, CancellationToken cancellationToken)
    {
        if (job.Request.Kind is not (JobKind.Reencrypt or JobKind.Reindex))
            return null;
        if (await store.FindRotationBeforeAsync(job.Id, job.Scope, cancellationToken).ConfigureAwait(false) is { } rotation)
            return (await store.ReadTimeAsync(cancellationToken).ConfigureAwait(false), RotationMessages.WaitsForRotation(rotation));
        var snapshot = await source.StoreOf(session).ReadAsync(new KeyScope(job.Scope), cancellationToken).ConfigureAwait(false);
        return snapshot.Keys.LastOrDefault(k => k.EncryptsFrom > snapshot.StoreTime && k.RetiredAt is null) is { EncryptsFrom: { } from } next
            ? (from, RotationMessages.WaitsForPrimary(next.Version, from))
            : null;
    }

    /// <summary>Moves the job on if all ranges of its pass are done.</summary>
    public async Task<RangeOutcome> AdvanceAsync(long jobId, Action<string?> waits, CancellationToken cancellationToken)
    {
        var job = await JobEngine.GetAsync(store, jobId, cancellationToken).ConfigureAwait(false);
        if (job.State != JobState.Running)
            return job.HasEnded ? RangeOutcome.Ended : RangeOutcome.Waiting;
        if (job.RangesDone < job.Ranges)
            return RangeOutcome.Busy;
        if (job.PassWork > 0)
        {
            // If nobody is left who wrote in the old way, or began to, the pass that begins now may be the last one.
            if (job.Pass == 1 && await IsSettledAsync(job, cancellationToken).ConfigureAwait(false)
                && await TryWaitForWritersAsync([plan.Table], waits, cancellationToken).ConfigureAwait(false))
                return await NextAsync(job, null, JobInfo.Fenced, waits, cancellationToken).ConfigureAwait(false);

            // The first pass did the bulk; what later ones find trickles in, and is looked for less and less often.
            var pause = job.Pass == 1 ? TimeSpan.Zero : Min(TimeSpan.FromMilliseconds(250) * Math.Pow(1.5, Math.Min(job.Pass, 20)), LongestPause);
            var from = (await store.ReadTimeAsync(cancellationToken).ConfigureAwait(false)) + pause;
            return await NextAsync(job, pause > TimeSpan.Zero ? from : null, pause > TimeSpan.Zero ? RotationMessages.WaitsForStragglers(job.PassWork) : null, waits, cancellationToken).ConfigureAwait(false);
        }

        var snapshot = await source.StoreOf(session).ReadAsync(new KeyScope(job.Scope), cancellationToken).ConfigureAwait(false);
        if (job.Request.Kind is JobKind.Reencrypt or JobKind.Reindex && job.Request.Into is null)
        {
            if (await MoveUniqueAsync(job, snapshot, waits, cancellationToken).ConfigureAwait(false) is { } moved)
                return moved;
            if (FindSettled(snapshot) is { } settled && !(job.PassStartedAt > settled.At))
                return await NextAsync(job, settled.At > snapshot.StoreTime ? settled.At : null, settled.Reason, waits, cancellationToken).ConfigureAwait(false);
        }

        // What a transaction wrote that is still open would be found by nobody: the last pass begins when none is left that began before it.
        if (!job.IsFenced)
        {
            if (!await TryWaitForWritersAsync([plan.Table], waits, cancellationToken).ConfigureAwait(false))
                return RangeOutcome.Waiting;
            return await NextAsync(job, null, JobInfo.Fenced, waits, cancellationToken).ConfigureAwait(false);
        }

        // Whoever paused or cancelled it in between is obeyed.
        return await store.TryCompleteAsync(job.Id, job.Pass, () => UpdateMapAsync(job, cancellationToken), cancellationToken).ConfigureAwait(false)
            ? RangeOutcome.Ended
            : RangeOutcome.Busy;
    }

    private async Task<bool> IsSettledAsync(JobInfo job, CancellationToken cancellationToken)
    {
        var snapshot = await source.StoreOf(session).ReadAsync(new KeyScope(job.Scope), cancellationToken).ConfigureAwait(false);
        return FindSettled(snapshot) is not { } settled || settled.At + InFlight < snapshot.StoreTime;
    }

    // Until when instances may write under the versions before, that have not loaded the newest one.
    private (DateTimeOffset At, string Reason)? FindSettled(KeyStoreSnapshot snapshot)
    {
        var live = snapshot.Keys.Where(k => k is { EncryptsFrom: not null, RetiredAt: null, Status: not KeyVersionStatus.Destroyed }).ToList();
        if (live.Count < 2)
            return null;
        var (newest, times) = (live[^1], new List<DateTimeOffset>());
        if (_roles.Contains(KeyRole.Primary))
            times.AddRange(live.SkipLast(1).Select(k => k.EncryptsUntil ?? newest.EncryptsFrom!.Value + Interval(live)));
        if (live.Where(KeyRing.IsSearched).ToList() is { Count: > 1 } searched)
        {
            if (_roles.Contains(KeyRole.Search))
                times.Add(searched[^1].SearchesFrom!.Value + Interval(live));
            if (_roles.Contains(KeyRole.Unique) && searched[^1].UniqueFrom is { } unique)
                times.Add(unique + Interval(live));
        }

        return times.Count == 0 ? null : (times.Max(), RotationMessages.WaitsForInstances(newest.Version, times.Max()));
    }

    // Unique values move when every row of every table has its second value under the new version: then neither of two writers can miss the other.
    private async Task<RangeOutcome?> MoveUniqueAsync(JobInfo job, KeyStoreSnapshot snapshot, Action<string?> waits, CancellationToken cancellationToken)
    {
        var searched = snapshot.Keys.Where(KeyRing.IsSearched).ToList();
        if (!_roles.Overlaps([KeyRole.Search, KeyRole.Unique]) || searched is not [_, { UniqueFrom: null } next])
            return null;
        var known = next.SearchesFrom!.Value + Interval(snapshot.Keys) + TimeSpan.FromMilliseconds(1);
        if (known >= snapshot.StoreTime)
            return await NextAsync(job, known, RotationMessages.WaitsForInstances(next.Version, known), waits, cancellationToken).ConfigureAwait(false);
        var columns = await FindNextsAsync(cancellationToken).ConfigureAwait(false);
        List<TableInfo> tables = [.. columns.Select(c => c.Table).Append(plan.Table).DistinctBy(t => (t.Schema, t.Name))];
        if (!await TryWaitForWritersAsync(tables, waits, cancellationToken).ConfigureAwait(false))
            return RangeOutcome.Waiting;
        if (await FindUnfilledAsync(columns, snapshot, (uint)next.Version.Number, cancellationToken).ConfigureAwait(false) is { } unfilled)
        {
            var pause = (await store.ReadTimeAsync(cancellationToken).ConfigureAwait(false)) + TimeSpan.FromSeconds(1);
            return await NextAsync(job, pause, RotationMessages.WaitsForUnique(unfilled), waits, cancellationToken).ConfigureAwait(false);
        }

        await keys.SetUniqueFromAsync(next.Version, cancellationToken).ConfigureAwait(false);
        return await NextAsync(job, null, null, waits, cancellationToken).ConfigureAwait(false);
    }

    private async Task<bool> TryWaitForWritersAsync(
        IReadOnlyList<TableInfo> tables, Action<string?> waits, CancellationToken cancellationToken)
    {
        waits(RotationMessages.WaitsForTransactions());
        try
        {
            await session.Dialect.WaitForWritersAsync(session, tables, source.TimeProvider, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (OperationRefusedException)
        {
            return false;
        }
    }

    private async Task<IReadOnlyList<(MapColumn Column, TableInfo Table)>> FindNextsAsync(CancellationToken cancellationToken)
    {
        var map = await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false);
        map.RequireReadable();
        var columns = new List<(MapColumn Column, TableInfo Table)>();
        foreach (var column in map.Columns.Where(c => c.NextOf is not null))
        {
            var table = await JobPlanner.RequireTableAsync(session, column.Schema, column.Table, cancellationToken).ConfigureAwait(false);
            columns.Add((column, table));
        }

        return columns;
    }

    private async Task<string?> FindUnfilledAsync(
        IReadOnlyList<(MapColumn Column, TableInfo Table)> columns, KeyStoreSnapshot snapshot, uint number,
        CancellationToken cancellationToken)
    {
        var dialect = session.Dialect;
        var numbers = snapshot.Keys.Select(k => (uint)k.Version.Number).Where(n => n >= number).ToList();
        foreach (var (column, table) in columns)
        {
            var (main, next) = ($"t.{dialect.Quote(column.NextOf!)}", $"t.{dialect.Quote(column.Column)}");
            var algorithm = column.Kind == MapColumnKind.BlindIndex ? EnvelopeAlgorithm.BlindIndex : EnvelopeAlgorithm.Aes256Siv;
            var fine = dialect.HasHeader(next, column.IsText ? StoredForm.Text : StoredForm.Binary, numbers.Select(n => new EnvelopeHeader(algorithm, n)));
            var unfilled = $"SELECT 1 FROM {dialect.Table(table)} AS t{dialect.ScanHint(table)}"
                + $" WHERE {main} IS NOT NULL AND ({next} IS NULL OR NOT ({fine})) ORDER BY 1";
            if (await session.QueryAsync(dialect.Page(unfilled, 0, 1), [], cancellationToken).ConfigureAwait(false) is { Count: > 0 })
                return column.Name;
        }

        return null;
    }

    private async Task UpdateMapAsync(JobInfo job, CancellationToken cancellationToken)
    {
        var request = job.Request;
        var map = (await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false)).Of(request.Schema, request.Table);
        var indexed = map.SelectMany(c => c.Sources).Concat(map.Select(c => c.NextOf).OfType<string>()).ToHashSet();
        foreach (var column in map.Where(c => c.Kind == MapColumnKind.Value && request.Columns.Contains(c.Column) && request.Into is null))
        {
            if (request.Kind == JobKind.Backfill && job.RowsRefused == 0 && column.AllowsPlaintext && !await HoldsAsync(column, isSealed: false, cancellationToken).ConfigureAwait(false))
                await MapStore.PutAsync(session, column with { AllowsPlaintext = false, Definition = null, EndedBy = column.IsDeclared ? job.Id : null }, cancellationToken).ConfigureAwait(false);

            // What a blind index is computed from, or a second column is a copy of, stays in the map for as long as that does.
            if (request.Kind == JobKind.Decrypt && job.RowsRefused == 0 && !indexed.Contains(column.Column)
                && !await HoldsAsync(column, isSealed: true, cancellationToken).ConfigureAwait(false))
            {
                // What a migration brought into the map, the migration that ends encryption takes out of it.
                if (column.IsDeclared)
                    await MapStore.PutAsync(session, column with { Definition = null, EndedBy = job.Id }, cancellationToken).ConfigureAwait(false);
                else
                    await MapStore.RemoveAsync(session, column.Schema, column.Table, column.Column, cancellationToken).ConfigureAwait(false);
            }

            if (request is { Kind: JobKind.Reencrypt, Mode: { } mode } && mode != column.Mode)
                await MapStore.PutAsync(session, column with { Mode = mode }, cancellationToken).ConfigureAwait(false);
        }
    }

    // By one look at the whole table: what an application wrote behind the last pass, or a row whose key was changed and passed it, would be forgotten.
    private async Task<bool> HoldsAsync(MapColumn column, bool isSealed, CancellationToken cancellationToken)
    {
        var dialect = session.Dialect;
        var name = $"t.{dialect.Quote(column.Column)}";
        var condition = isSealed ? dialect.LooksLikeText(name) : $"{name} IS NOT NULL AND NOT {dialect.LooksLikeText(name)}";
        var held = $"SELECT 1 FROM {dialect.Table(plan.Table)} AS t{dialect.ScanHint(plan.Table)} WHERE {condition}";
        return await session.ScalarAsync(dialect.Sample(held, 1), [], cancellationToken).ConfigureAwait(false) is not null;
    }

    private async Task<RangeOutcome> NextAsync(JobInfo job, DateTimeOffset? notBefore, string? reason, Action<string?> waits, CancellationToken cancellationToken)
    {
        waits(notBefore is null ? null : reason);
        await store.TryNextPassAsync(job.Id, job.Pass, notBefore, reason, cancellationToken).ConfigureAwait(false);
        return notBefore is null ? RangeOutcome.Done : RangeOutcome.Waiting;
    }

    // How long an instance may go on with the ring that it has: as this process is configured, and as those were that rotated.
    private TimeSpan Interval(IReadOnlyList<StoredKey> versions)
    {
        var implied = versions.Zip(versions.Skip(1)).Max(p => p.First.EncryptsUntil - p.Second.EncryptsFrom) ?? TimeSpan.Zero;
        return implied > source.Options.RefreshInterval ? implied : source.Options.RefreshInterval;
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
