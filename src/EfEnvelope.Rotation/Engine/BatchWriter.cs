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
    /// <exception cref="RangeStoppedException">The job was paused or has ended, its window closed, or somebody else works on the range.</exception>
    public async Task<(int Written, TimeSpan Busy)> WriteAsync(SealedBatch batch, CancellationToken cancellationToken)
    {
        if (source.BeforeWrite is { } hook)
            await hook().ConfigureAwait(false);
        try
        {
            return await WriteAsync(batch, oneByOne: false, cancellationToken).ConfigureAwait(false);
        }
        catch (DbException e) when (batch.Changes.Count > 0 && session.Dialect.RefusesRow(e) && session.Connection.State == System.Data.ConnectionState.Open)
        {
            // The database refuses some row of it: find which, and write the others.
            return await WriteAsync(batch, oneByOne: true, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<(int Written, TimeSpan Busy)> WriteAsync(SealedBatch batch, bool oneByOne, CancellationToken cancellationToken)
    {
        var transaction = await session.BeginAsync(cancellationToken).ConfigureAwait(false);
        await using (transaction.ConfigureAwait(false))
        {
            var started = source.TimeProvider.GetTimestamp();
            IReadOnlyList<Question> questions = [Control, .. Proof(batch)];
            if (oneByOne || batch.Changes.Count == 0)
            {
                await session.AskAsync(questions, cancellationToken).ConfigureAwait(false);
                questions = [];
            }

            if (oneByOne)
                await session.Dialect.CheckAtOnceAsync(session, cancellationToken).ConfigureAwait(false);
            var refused = batch.Findings.ToList();
            var written = batch.Changes.Count == 0 ? 0
                : oneByOne ? await WriteOneByOneAsync(transaction, batch, refused, cancellationToken).ConfigureAwait(false)
                : await WriteRowsAsync(batch.Changes, questions, cancellationToken).ConfigureAwait(false);
            var lost = batch.Changes.Count - written - (refused.Count - batch.Findings.Count);
            var result = new BatchResult(batch.Position, batch.Read, written, lost, refused.Count);
            if (!await _store.TryMoveCheckpointAsync(job.Id, range, job.Pass, _step, result, cancellationToken).ConfigureAwait(false))
                throw new RangeStoppedException(RotationMessages.RangeTaken(job.Id, range));
            for (var i = 0; i < Math.Min(refused.Count, MaxFindingsPerBatch); i++)
                await _store.AddFindingAsync(job.Id, range, job.Pass, _step, i, refused[i], cancellationToken).ConfigureAwait(false);
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
            _step++;
            return (written, source.TimeProvider.GetElapsedTime(started));
        }
    }

    private ValueTask<int> WriteRowsAsync(IReadOnlyList<RowChange> rows, IReadOnlyList<Question> questions, CancellationToken cancellationToken)
        => session.Dialect.WriteAsync(session, plan.Table, plan.Columns, rows, compares: !source.SkipsCompareAndSet, questions, cancellationToken);

    private async Task<int> WriteOneByOneAsync(IDbContextTransaction transaction, SealedBatch batch, List<JobFinding> refused, CancellationToken cancellationToken)
    {
        var written = 0;
        foreach (var row in batch.Changes)
        {
            await transaction.CreateSavepointAsync("row", cancellationToken).ConfigureAwait(false);
            try
            {
                written += await WriteRowsAsync([row], [], cancellationToken).ConfigureAwait(false);
            }
            catch (DbException e) when (session.Dialect.RefusesRow(e))
            {
                await transaction.RollbackToSavepointAsync("row", cancellationToken).ConfigureAwait(false);
                refused.Add(new JobFinding(RowKey.Display(row.Key), Written(row), RotationMessages.DatabaseRefused(session.Dialect.CodeOf(e))));
            }
        }

        return written;
    }

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
