using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Rotation.Sql;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Why a worker left its range before its end.</summary>
internal sealed class RangeStoppedException(string reason) : Exception(reason);

/// <summary>Writes the batches of one range. Rows, checkpoint and findings are one transaction, so that a killed worker's successor counts nothing twice.</summary>
internal sealed class BatchWriter(DatabaseSource source, Session session, RowPlan plan, JobRow job, int range, long step, Brake brake)
{
    private const int MaxFindingsPerBatch = 100;
    private static readonly TimeSpan LongestNap = TimeSpan.FromSeconds(1);

    private readonly JobStore _store = new(session);
    private long _step = step;

    /// <summary>Writes a batch.</summary>
    /// <returns>How many rows were written, and how long the database took.</returns>
    /// <exception cref="RangeStoppedException">
    /// The job was paused or has ended, its window closed, or another worker processes the range.
    /// </exception>
    public async Task<(int Written, TimeSpan Busy)> WriteAsync(SealedBatch batch, CancellationToken cancellationToken)
    {
        if (source.BeforeWrite is { } hook)
            await hook().ConfigureAwait(false);
        var started = source.TimeProvider.GetTimestamp();
        var written = await TryWriteTogetherAsync(batch, cancellationToken).ConfigureAwait(false)
            ?? await TryWriteOneByOneAsync(batch, cancellationToken).ConfigureAwait(false)
            ?? await WriteApartAsync(batch, cancellationToken).ConfigureAwait(false);
        return (written, source.TimeProvider.GetElapsedTime(started));
    }

    // By one statement. Nothing is written if the database refuses some row, or would store another value than the one that was decrypted.
    private async Task<int?> TryWriteTogetherAsync(SealedBatch batch, CancellationToken cancellationToken)
    {
        try
        {
            return await session.RunAsync<int?>(
                async transaction =>
                {
                    IReadOnlyList<Question> questions = [Control, .. Proof(batch)];
                    if (batch.Changes.Count == 0)
                        await session.AskAsync(questions, cancellationToken).ConfigureAwait(false);
                    var written = batch.Changes.Count == 0 ? 0
                        : await WriteRowsAsync(batch.Changes, questions, cancellationToken).ConfigureAwait(false);
                    if (written > 0 && plan.ReadBack.Count > 0)
                        await session.Dialect.CheckAtOnceAsync(session, cancellationToken).ConfigureAwait(false);
                    if (written > 0 && await FindAlteredAsync(batch.Changes, written, cancellationToken).ConfigureAwait(false) is not null)
                        return null;
                    var result = ResultOf(batch, written, batch.Findings);
                    await FinishAsync(transaction, result, batch.Findings, cancellationToken).ConfigureAwait(false);
                    return written;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (DbException e) when (batch.Changes.Count > 0 && RefusesRow(e))
        {
            return null;
        }
    }

    // Finds which rows are refused, and writes the others, unless one of them ends the transaction.
    private async Task<int?> TryWriteOneByOneAsync(SealedBatch batch, CancellationToken cancellationToken)
    {
        try
        {
            return await session.RunAsync<int?>(
                async transaction =>
                {
                    await session.AskAsync([Control, .. Proof(batch)], cancellationToken).ConfigureAwait(false);
                    await session.Dialect.CheckAtOnceAsync(session, cancellationToken).ConfigureAwait(false);
                    var (written, findings) = (0, batch.Findings.ToList());
                    foreach (var row in batch.Changes)
                    {
                        await transaction.CreateSavepointAsync("row", cancellationToken).ConfigureAwait(false);
                        var (isWritten, finding) = await WriteRowAsync(row, cancellationToken).ConfigureAwait(false);
                        written += isWritten ? 1 : 0;
                        if (finding is null)
                            continue;
                        if (!await TryUndoAsync(transaction, cancellationToken).ConfigureAwait(false))
                            return null;
                        findings.Add(finding);
                    }

                    await FinishAsync(transaction, ResultOf(batch, written, findings), findings, cancellationToken).ConfigureAwait(false);
                    return written;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (DbException e) when (RefusesRow(e))
        {
            return null;
        }
    }

    // Each row in a transaction of its own, because a refusal ends the transaction that it is in. Until all are written, the checkpoint
    // counts rows and does not move, so that a successor of a killed worker visits the refused ones again.
    private async Task<int> WriteApartAsync(SealedBatch batch, CancellationToken cancellationToken)
    {
        var (written, findings) = (0, batch.Findings.ToList());
        foreach (var row in batch.Changes)
        {
            try
            {
                var (isWritten, finding) = await session.RunAsync(
                    async transaction =>
                    {
                        await session.AskAsync([Control, .. Proof(batch)], cancellationToken).ConfigureAwait(false);
                        await session.Dialect.CheckAtOnceAsync(session, cancellationToken).ConfigureAwait(false);
                        var result = await WriteRowAsync(row, cancellationToken).ConfigureAwait(false);
                        if (result.IsWritten)
                            await FinishAsync(transaction, new BatchResult(null, 0, 1, 0, 0), [], cancellationToken).ConfigureAwait(false);
                        return result;
                    },
                    cancellationToken).ConfigureAwait(false);
                written += isWritten ? 1 : 0;
                if (finding is not null)
                    findings.Add(finding);
            }
            catch (DbException e) when (RefusesRow(e))
            {
                findings.Add(FindingOf(row, e));
            }
        }

        await session.RunAsync(
            async transaction =>
            {
                await session.AskAsync([Control], cancellationToken).ConfigureAwait(false);
                var result = ResultOf(batch, written, findings) with { Written = 0 };
                await FinishAsync(transaction, result, findings, cancellationToken).ConfigureAwait(false);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
        return written;
    }

    private async Task FinishAsync(
        IDbContextTransaction transaction, BatchResult result, IReadOnlyList<JobFinding> findings, CancellationToken cancellationToken)
    {
        if (!await _store.TryMoveCheckpointAsync(job.Id, range, job.Pass, _step, result, cancellationToken).ConfigureAwait(false))
            throw new RangeStoppedException(RotationMessages.RangeTaken(job.Id, range));
        for (var i = 0; i < Math.Min(findings.Count, MaxFindingsPerBatch); i++)
            await _store.AddFindingAsync(job.Id, range, job.Pass, _step, i, findings[i], cancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        _step++;
    }

    private static BatchResult ResultOf(SealedBatch batch, int written, IReadOnlyList<JobFinding> findings)
        => new(
            batch.Position, batch.Read, written, batch.Changes.Count - written - (findings.Count - batch.Findings.Count), findings.Count);

    private ValueTask<int> WriteRowsAsync(IReadOnlyList<RowChange> rows, IReadOnlyList<Question> questions, CancellationToken cancellationToken)
        => session.Dialect.WriteAsync(session, plan.Table, plan.Columns, rows, compares: !source.SkipsCompareAndSet, questions, cancellationToken);

    private async Task<(bool IsWritten, JobFinding? Finding)> WriteRowAsync(RowChange row, CancellationToken cancellationToken)
    {
        try
        {
            if (await WriteRowsAsync([row], [], cancellationToken).ConfigureAwait(false) == 0)
                return (false, null);
            return await FindAlteredAsync([row], 1, cancellationToken).ConfigureAwait(false) is { } altered
                ? (false, new JobFinding(RowKey.Display(row.Key), altered.Name, RotationMessages.ValueWouldChange(altered.StoreType)))
                : (true, null);
        }
        catch (DbException e) when (RefusesRow(e))
        {
            return (false, FindingOf(row, e));
        }
    }

    // The column of a row that does not hold the plaintext that was written. A row that was lost holds what it held, or what the
    // application wrote: then the batch may be looked at one by one in vain.
    private async Task<RowColumn?> FindAlteredAsync(IReadOnlyList<RowChange> rows, int written, CancellationToken cancellationToken)
    {
        if (plan.ReadBack.Count == 0)
            return null;
        List<RowColumn> columns = [.. plan.ReadBack.Select(at => plan.Columns[at])];
        var (same, unchanged) = (0, (RowColumn?)null);
        var read = await session.Dialect.ReadBackAsync(session, plan.Table, columns, rows, cancellationToken).ConfigureAwait(false);
        foreach (var (place, stored) in read)
        {
            var (row, isSame) = (rows[place], true);
            for (var i = 0; i < columns.Count; i++)
            {
                var (old, expected) = (row.Old[plan.ReadBack[i]], row.New[plan.ReadBack[i]]);
                if (Equals(old, expected) || session.Dialect.IsSameStored(columns[i], expected!, stored[i]))
                    continue;
                if (!Equals(old, stored[i]))
                    return columns[i];
                (isSame, unchanged) = (false, columns[i]);
            }

            same += isSame ? 1 : 0;
        }

        return same < written ? unchanged ?? columns[0] : null;
    }

    // A savepoint is lost with the transaction that it is in, which a trigger or a failed conversion may end.
    private async Task<bool> TryUndoAsync(IDbContextTransaction transaction, CancellationToken cancellationToken)
    {
        try
        {
            await transaction.RollbackToSavepointAsync("row", cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (
            IsOpen && (e is InvalidOperationException || (e is DbException failure && !session.Dialect.IsTransient(failure))))
        {
            return false;
        }
    }

    private bool IsOpen => session.Connection.State == System.Data.ConnectionState.Open;

    private bool RefusesRow(DbException e) => IsOpen && session.Dialect.RefusesRow(e);

    private JobFinding FindingOf(RowChange row, DbException e)
        => new(RowKey.Display(row.Key), Written(row), RotationMessages.DatabaseRefused(session.Dialect.CodeOf(e)));

    private string Written(RowChange row)
        => string.Join(", ", plan.Columns.Where((c, i) => c.IsWritten && !Equals(row.Old[i], row.New[i])).Select(c => c.Name));

    /// <summary>Rests, for as long as the brake that it rests for is not changed.</summary>
    /// <exception cref="RangeStoppedException">The job was paused or has ended, or its window closed.</exception>
    public async Task RestAsync(TimeSpan rest, CancellationToken cancellationToken)
    {
        var throttle = brake.Throttle;
        for (var left = rest; left > TimeSpan.Zero && brake.Throttle == throttle; left -= LongestNap)
        {
            await Task.Delay(left < LongestNap ? left : LongestNap, source.TimeProvider, cancellationToken).ConfigureAwait(false);
            if (left > LongestNap)
                await session.AskAsync([Control], cancellationToken).ConfigureAwait(false);
        }
    }

    private Question Control => _store.AskControl(
        job.Id,
        control =>
        {
            if (control is not var (state, pass, throttle) || state != JobState.Running || pass != job.Pass)
                throw new RangeStoppedException(RotationMessages.JobStopped(job.Id));
            brake.Follow(throttle);
            if (Brake.OpensAt(brake.Throttle, source.TimeProvider.GetUtcNow()) is { } opens)
                throw new RangeStoppedException(RotationMessages.WindowClosed(opens));
        });

    // Beside the rows, in their transaction: what was sealed under a version that was disabled, retired or exchanged since must not be written.
    private IEnumerable<Question> Proof(SealedBatch batch)
    {
        if (batch.Changes.Count == 0 || batch.Keys.Count == 0)
            yield break;
        var scope = batch.Keys[0].Version.Scope;
        yield return new Question(
            KeyProof.Query(session.Context, session.Dialect.ScopeParameter("@p0")), [scope.Name],
            rows =>
            {
                if (!KeyProof.Holds(rows.Select(KeyProof.Read), batch.Keys, newest: int.MaxValue))
                    throw new KeyUnavailableException(RotationMessages.KeyChangedMeanwhile(scope));
            });
    }
}
