using System.Data.Common;
using System.Globalization;
using EfEnvelope.Rotation.Sql;
using Microsoft.EntityFrameworkCore.Storage;
using static EfEnvelope.Rotation.Engine.JobRows;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Reads and writes the tables of jobs over one connection.</summary>
internal sealed class JobStore(Session session)
{
    private readonly Dialect _dialect = session.Dialect;

    private string Jobs => _dialect.Table(session.Schema, JobTables.Jobs);

    private string Ranges => _dialect.Table(session.Schema, JobTables.Ranges);

    private string Checkpoints => _dialect.Table(session.Schema, JobTables.Checkpoints);

    private string Findings => _dialect.Table(session.Schema, JobTables.Findings);

    public async Task<bool> ExistsAsync(CancellationToken cancellationToken)
        => await MapStore.ExistsAsync(session, JobTables.Findings, cancellationToken).ConfigureAwait(false);

    public async Task CreateTablesAsync(CancellationToken cancellationToken)
    {
        if (await ExistsAsync(cancellationToken).ConfigureAwait(false))
        {
            if (JobTables.ChangeNames(_dialect, session.Schema) is { } change)
                await session.ExecuteAsync(change, [], cancellationToken).ConfigureAwait(false);
            return;
        }

        try
        {
            var transaction = await session.BeginAsync(cancellationToken).ConfigureAwait(false);
            await using (transaction.ConfigureAwait(false))
            {
                foreach (var statement in _dialect.CreateJobTables(session.Schema))
                    await session.ExecuteAsync(statement, [], cancellationToken).ConfigureAwait(false);
                await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        catch (DbException)
        {
            // Somebody else created them at the same moment.
            if (!await ExistsAsync(cancellationToken).ConfigureAwait(false))
                throw;
        }
    }

    public async Task<DateTimeOffset> ReadTimeAsync(CancellationToken cancellationToken)
        => ParseTime((string?)await session.ScalarAsync(_dialect.Clock, [], cancellationToken).ConfigureAwait(false))!.Value;

    /// <summary>Stores a job and what goes with it in one transaction, unless another one is active on the same table.</summary>
    public async Task<long?> TryAddAsync(JobRequest request, string scope, string? active, Func<Task> with, CancellationToken cancellationToken)
    {
        var now = await ReadTimeAsync(cancellationToken).ConfigureAwait(false);
        for (var attempt = 1; ; attempt++)
        {
            if (active is not null && await FindActiveAsync(active, cancellationToken).ConfigureAwait(false) is not null)
                return null;
            var id = ToLong(await session.ScalarAsync(Q($"SELECT COALESCE(MAX([Id]), 0) + 1 FROM {Jobs} WHERE [Id] BETWEEN 0 AND {MaxId - 1}"), [], cancellationToken).ConfigureAwait(false));
            var isAdded = false;
            try
            {
                var transaction = await session.BeginAsync(cancellationToken).ConfigureAwait(false);
                await using (transaction.ConfigureAwait(false))
                {
                    await session.ExecuteAsync(
                        Q($"INSERT INTO {Jobs} ([Id], [Kind], [State], [Active], [Scope], [Request], [Throttle], [Pass], [EstimatedRows], [CreatedAt]) VALUES (@p0, @p1, 'pending', @p2, @p3, @p4, @p5, 0, 0, @p6)"),
                        [id, request.Kind.ToString().ToLowerInvariant(), active, scope, Format(request), request.Throttle.Format(), FormatTime(now)],
                        cancellationToken).ConfigureAwait(false);
                    isAdded = true;
                    await with().ConfigureAwait(false);
                    await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
                    return id;
                }
            }
            catch (DbException e) when (!isAdded && attempt < 100 && !_dialect.IsTransient(e))
            {
                // Somebody else took the number or the table at the same moment; anything else fails again, and is not caught then.
                if (await session.ScalarAsync(Q($"SELECT [Id] FROM {Jobs} WHERE [Id] = @p0 OR [Active] = @p1"), [id, active ?? ""], cancellationToken).ConfigureAwait(false) is null)
                    throw;
            }
        }
    }

    /// <summary>Makes the statement that stores a job whose table is free or not: it waits until it is.</summary>
    public static string InsertStatement(Dialect dialect, string? schema, JobRequest request, string scope)
    {
        static string Text(string value) => $"'{value.Replace("'", "''", StringComparison.Ordinal)}'";
        var jobs = dialect.Table(schema, JobTables.Jobs);
        string[] columns = ["Id", "Kind", "State", "Scope", "Request", "Throttle", "Pass", "EstimatedRows", "CreatedAt"];
        var now = dialect.Clock;
        return $"INSERT INTO {jobs} ({string.Join(", ", columns.Select(dialect.Quote))}) SELECT COALESCE(MAX({dialect.Quote("Id")}), 0) + 1, {Text(request.Kind.ToString().ToLowerInvariant())}, 'pending', "
            + $"{Text(scope)}, {(dialect is SqlServerDialect ? "N" : "")}{Text(Format(request))}, {Text(request.Throttle.Format())}, 0, 0, ({now}) FROM {jobs} "
            + $"WHERE {dialect.Quote("Id")} BETWEEN 0 AND {MaxId - 1}";
    }

    /// <summary>Takes the table for a job that waits for it, unless another one has it.</summary>
    public async Task<bool> TryTakeTableAsync(long id, string active, CancellationToken cancellationToken)
        => await session.ExecuteAsync(
            Q($"UPDATE {Jobs} SET [Active] = @p1 WHERE [Id] = @p0 AND [State] = 'pending' AND ([Active] IS NULL OR [Active] = @p1) AND NOT EXISTS (SELECT 1 FROM {Jobs} o WHERE o.[Active] = @p1 AND o.[Id] <> @p0)"),
            [id, active], cancellationToken).ConfigureAwait(false) == 1;

    /// <summary>Finds a rotation of a scope that was enqueued before a job and has not been made yet.</summary>
    public async Task<long?> FindRotationBeforeAsync(long id, string scope, CancellationToken cancellationToken)
        => await session.ScalarAsync(
            Q($"SELECT MIN([Id]) FROM {Jobs} WHERE [Kind] = 'rotate' AND [EndedAt] IS NULL AND {_dialect.IsName("Scope", "@p1")} AND [Id] < @p0"), [id, scope], cancellationToken).ConfigureAwait(false) is { } first
            ? ToLong(first)
            : null;

    public async Task<(IReadOnlyList<JobInfo> Rows, IReadOnlyList<MalformedRow> Malformed)> ListAsync(long? id, bool includeEnded, CancellationToken cancellationToken)
    {
        var rows = await session.QueryAsync(
            Q($"""
            SELECT j.[Id], j.[Request], j.[Scope], j.[State], j.[Reason], j.[NotBefore], j.[Pass], j.[EstimatedRows], j.[Throttle], j.[CreatedAt], j.[StartedAt], j.[EndedAt], j.[PassStartedAt],
                (SELECT {_dialect.Count()} FROM {Ranges} r WHERE r.[JobId] = j.[Id]), (SELECT {_dialect.Count()} FROM {Ranges} r WHERE r.[JobId] = j.[Id] AND r.[PassDone] >= j.[Pass]),
                {Sum("RowsRead")}, {Sum("RowsWritten")}, {Sum("RowsLost")}, {Sum("RowsRefused")}, {Sum("PassWork")}
            FROM {Jobs} j WHERE {(id is null ? "1 = 1" : Q($"j.[Id] = @p0"))}{(includeEnded ? "" : Q($" AND j.[EndedAt] IS NULL"))} ORDER BY j.[Id] DESC
            """),
            id is null ? [] : [id], cancellationToken).ConfigureAwait(false);
        return StoredRows.ReadAll(JobTables.Jobs, rows, r => StoredRows.Display(r[0]), ToInfo);
    }

    // A count that no range can have would be too much for the sum, which would fail for all jobs; below zero, it is read as a fault of its own job.
    private string Sum(string column)
        => Q($"(SELECT COALESCE(SUM(CASE WHEN c.{_dialect.Quote(column)} BETWEEN 0 AND 1000000000000 THEN c.{_dialect.Quote(column)} ELSE -1000000000000 END), 0) FROM {Checkpoints} c WHERE c.[JobId] = j.[Id])");

    public async Task<JobRow?> FindAsync(long id, CancellationToken cancellationToken)
    {
        var rows = await session.QueryAsync(
            Q($"SELECT [Id], [Request], [Scope], [State], [Pass], [PassStartedAt], [NotBefore], [Reason], [Throttle], [Kind] FROM {Jobs} WHERE [Id] = @p0"), [id], cancellationToken).ConfigureAwait(false);
        return rows is [var r] ? ReadJob(id, () => ToRow(r)) : null;
    }

    /// <summary>Asks for what a worker obeys between batches; there is nothing to obey when the job is gone.</summary>
    public Question AskControl(long id, Action<(JobState State, int Pass, string Throttle)?> obey)
        => new(
            Q($"SELECT [State], [Pass], [Throttle] FROM {Jobs} WHERE [Id] = @p0"), [id],
            rows => obey(rows is [var r] ? ReadJob(id, () => (ParseState(r[0]), StoredRows.Int("Pass", r[1]), StoredRows.Value("Throttle", r[2], v => ParseThrottle((string)v).Format()))) : null));

    /// <summary>Begins a job with the ranges of its table, unless somebody else has begun it.</summary>
    public async Task BeginAsync(long id, IReadOnlyList<(string? Lower, string? Upper)> ranges, long rows, CancellationToken cancellationToken)
    {
        var transaction = await session.BeginAsync(cancellationToken).ConfigureAwait(false);
        await using (transaction.ConfigureAwait(false))
        {
            var now = FormatTime(await ReadTimeAsync(cancellationToken).ConfigureAwait(false));
            if (await session.ExecuteAsync(
                Q($"UPDATE {Jobs} SET [State] = 'running', [Pass] = 1, [StartedAt] = @p1, [PassStartedAt] = @p1, [EstimatedRows] = @p2, [NotBefore] = NULL, [Reason] = NULL WHERE [Id] = @p0 AND [State] = 'pending'"),
                [id, now, rows], cancellationToken).ConfigureAwait(false) == 1)
            {
                for (var number = 1; number <= ranges.Count; number++)
                {
                    await session.ExecuteAsync(
                        Q($"INSERT INTO {Ranges} ([JobId], [Number], [LowerKey], [UpperKey], [PassDone]) VALUES (@p0, @p1, @p2, @p3, 0)"),
                        [id, number, ranges[number - 1].Lower, ranges[number - 1].Upper], cancellationToken).ConfigureAwait(false);
                    await session.ExecuteAsync(
                        Q($"INSERT INTO {Checkpoints} ([JobId], [Number], [Pass], [Step], [RowsRead], [RowsWritten], [RowsLost], [RowsRefused], [PassWork]) VALUES (@p0, @p1, 1, 0, 0, 0, 0, 0, 0)"),
                        [id, number], cancellationToken).ConfigureAwait(false);
                }
            }

            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Claims a range in the transaction that is open; the claim lasts as long as that does.</summary>
    public async Task<RangeRow?> ClaimAsync(long id, int pass, CancellationToken cancellationToken)
        => await session.QueryAsync(_dialect.ClaimRange(Ranges), [id, pass], cancellationToken).ConfigureAwait(false) is [var r]
            ? StoredRows.Read(JobTables.Ranges, $"{id}, {StoredRows.Display(r[0])}", () => ToRange(r))
            : null;

    public async Task FinishRangeAsync(long id, int number, int pass, CancellationToken cancellationToken)
        => await session.ExecuteAsync(
            Q($"UPDATE {Ranges} SET [PassDone] = @p2 WHERE [JobId] = @p0 AND [Number] = @p1 AND [PassDone] < @p2"), [id, number, pass], cancellationToken).ConfigureAwait(false);

    public async Task<CheckpointRow?> FindCheckpointAsync(long id, int number, int pass, CancellationToken cancellationToken)
        => await session.QueryAsync(
            Q($"SELECT [Step], [Position] FROM {Checkpoints} WHERE [JobId] = @p0 AND [Number] = @p1 AND [Pass] = @p2"), [id, number, pass], cancellationToken).ConfigureAwait(false) is [var r]
            ? StoredRows.Read(JobTables.Checkpoints, $"{id}, {number}", () => ToCheckpoint(r))
            : null;

    /// <summary>Moves a checkpoint on, if nobody else has.</summary>
    public async Task<bool> TryMoveCheckpointAsync(long id, int number, int pass, long step, BatchResult result, CancellationToken cancellationToken)
        => await session.ExecutePreparedAsync(
            Q($"""
            UPDATE {Checkpoints} SET [Step] = [Step] + 1, [Position] = CASE WHEN @p4 = '' THEN [Position] ELSE @p4 END, [RowsRead] = [RowsRead] + @p5,
                [RowsWritten] = [RowsWritten] + @p6, [RowsLost] = [RowsLost] + @p7, [RowsRefused] = [RowsRefused] + @p8, [PassWork] = [PassWork] + @p6 + @p7
            WHERE [JobId] = @p0 AND [Number] = @p1 AND [Pass] = @p2 AND [Step] = @p3
            """),
            [
                id, number, pass, step, result.Position is { } position ? RowKey.Format(position) : "",
                (long)result.Read, (long)result.Written, (long)result.Lost, (long)result.Refused,
            ],
            cancellationToken).ConfigureAwait(false) == 1;

    public async Task AddFindingAsync(long id, int number, int pass, long step, int entry, JobFinding finding, CancellationToken cancellationToken)
        => await session.ExecuteAsync(
            Q($"INSERT INTO {Findings} ([JobId], [Number], [Pass], [Step], [Entry], [RowKey], [ColumnName], [Reason]) VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7)"),
            [id, number, pass, step, entry, finding.Key, finding.Column.Length <= 128 ? finding.Column : $"{finding.Column[..127]}…", finding.Reason], cancellationToken).ConfigureAwait(false);

    public async Task<IReadOnlyList<JobFinding>> ListFindingsAsync(long id, int count, CancellationToken cancellationToken)
        => [.. (await session.QueryAsync(
                _dialect.Page(
                    Q($"SELECT f.[RowKey], f.[ColumnName], f.[Reason] FROM {Findings} f JOIN {Jobs} j ON j.[Id] = f.[JobId] WHERE f.[JobId] = @p0 AND f.[Pass] = j.[Pass] ORDER BY f.[Number], f.[Step], f.[Entry]"), 0, count),
                [id], cancellationToken).ConfigureAwait(false))
            .Select(r => new JobFinding(StoredRows.Display(r[0]), StoredRows.Display(r[1]), StoredRows.Display(r[2])))];

    /// <summary>Begins the next pass, if this one is still the present one and all of its ranges are done.</summary>
    public async Task<bool> TryNextPassAsync(long id, int pass, DateTimeOffset? notBefore, string? reason, CancellationToken cancellationToken)
        => await ChangeAsync(
            Q($"UPDATE {Jobs} SET [Pass] = [Pass] + 1, [PassStartedAt] = @p2, [NotBefore] = @p3, [Reason] = @p4 WHERE [Id] = @p0 AND [Pass] = @p1 AND [State] = 'running'"),
            [id, pass, FormatTime(Later(await ReadTimeAsync(cancellationToken).ConfigureAwait(false), notBefore)), FormatTime(notBefore), reason],
            [
                (Q($"UPDATE {Checkpoints} SET [Pass] = @p1, [Step] = 0, [Position] = NULL, [PassWork] = 0, [RowsRefused] = 0 WHERE [JobId] = @p0"), [id, pass + 1]),
                (Q($"DELETE FROM {Findings} WHERE [JobId] = @p0"), [id]),
            ],
            cancellationToken).ConfigureAwait(false);

    /// <summary>Says until when a job waits that nobody has begun.</summary>
    public async Task SetWaitingAsync(long id, DateTimeOffset notBefore, string reason, CancellationToken cancellationToken)
        => await session.ExecuteAsync(
            Q($"UPDATE {Jobs} SET [NotBefore] = @p1, [Reason] = @p2 WHERE [Id] = @p0 AND [State] = 'pending'"), [id, FormatTime(notBefore), reason], cancellationToken).ConfigureAwait(false);

    /// <summary>Completes a job that still runs, in the pass that found nothing more to do, and what goes with it in one transaction.</summary>
    public async Task<bool> TryCompleteAsync(long id, int pass, Func<Task> with, CancellationToken cancellationToken)
    {
        var now = FormatTime(await ReadTimeAsync(cancellationToken).ConfigureAwait(false));
        var transaction = await session.BeginAsync(cancellationToken).ConfigureAwait(false);
        await using (transaction.ConfigureAwait(false))
        {
            if (await session.ExecuteAsync(
                Q($"UPDATE {Jobs} SET [State] = 'completed', [Reason] = NULL, [Active] = NULL, [NotBefore] = NULL, [EndedAt] = @p2 WHERE [Id] = @p0 AND [Pass] = @p1 AND [State] = 'running'"),
                [id, pass, now], cancellationToken).ConfigureAwait(false) != 1)
                return false;
            await with().ConfigureAwait(false);
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
            return true;
        }
    }

    /// <summary>Ends a job.</summary>
    public async Task<bool> TryEndAsync(long id, JobState state, string? reason, CancellationToken cancellationToken)
        => await ChangeAsync(
            Q($"UPDATE {Jobs} SET [State] = @p1, [Reason] = @p2, [Active] = NULL, [NotBefore] = NULL, [EndedAt] = @p3 WHERE [Id] = @p0 AND [EndedAt] IS NULL"),
            [id, Name(state), reason, FormatTime(await ReadTimeAsync(cancellationToken).ConfigureAwait(false))], [], cancellationToken).ConfigureAwait(false);

    /// <summary>Removes a job that cannot be read, and all that is stored of it.</summary>
    public async Task RemoveAsync(long id, CancellationToken cancellationToken)
        => await ChangeAsync(
            Q($"DELETE FROM {Jobs} WHERE [Id] = @p0"), [id],
            [.. new[] { Ranges, Checkpoints, Findings }.Select(table => (Q($"DELETE FROM {table} WHERE [JobId] = @p0"), new object?[] { id }))],
            cancellationToken).ConfigureAwait(false);

    /// <summary>Begins a rotation, unless somebody else has begun it.</summary>
    public async Task<bool> TryBeginRotationAsync(long id, CancellationToken cancellationToken)
        => await session.ExecuteAsync(
            Q($"UPDATE {Jobs} SET [State] = 'running', [StartedAt] = @p1, [PassStartedAt] = @p1, [Reason] = NULL WHERE [Id] = @p0 AND [State] = 'pending'"),
            [id, FormatTime(await ReadTimeAsync(cancellationToken).ConfigureAwait(false))], cancellationToken).ConfigureAwait(false) == 1;

    /// <summary>Lets a failed job go on, unless another one is active on its table.</summary>
    public async Task<bool> TryReviveAsync(long id, string? active, CancellationToken cancellationToken)
        => await session.ExecuteAsync(
            Q($"UPDATE {Jobs} SET [State] = CASE WHEN [StartedAt] IS NULL THEN 'pending' ELSE 'running' END, [Reason] = NULL, [EndedAt] = NULL, [Active] = @p1 WHERE [Id] = @p0 AND [State] = 'failed'"),
            [id, active], cancellationToken).ConfigureAwait(false) == 1;

    /// <summary>Changes where a job stands, if it stands where it is said to.</summary>
    public async Task<bool> TryChangeStateAsync(long id, JobState from, JobState to, CancellationToken cancellationToken)
        => await session.ExecuteAsync(Q($"UPDATE {Jobs} SET [State] = @p2, [Reason] = NULL WHERE [Id] = @p0 AND [State] = @p1"), [id, Name(from), Name(to)], cancellationToken).ConfigureAwait(false) == 1;

    public async Task SetThrottleAsync(long id, Throttle throttle, CancellationToken cancellationToken)
        => await session.ExecuteAsync(Q($"UPDATE {Jobs} SET [Throttle] = @p1 WHERE [Id] = @p0"), [id, throttle.Format()], cancellationToken).ConfigureAwait(false);

    public async Task<string?> FindActiveAsync(string active, CancellationToken cancellationToken)
        => await session.ScalarAsync(Q($"SELECT [Id] FROM {Jobs} WHERE [Active] = @p0"), [active], cancellationToken).ConfigureAwait(false) is { } id
            ? Convert.ToString(id, CultureInfo.InvariantCulture)
            : null;

    private async Task<bool> ChangeAsync(string condition, object?[] values, IReadOnlyList<(string Sql, object?[] Values)> then, CancellationToken cancellationToken)
    {
        var transaction = await session.BeginAsync(cancellationToken).ConfigureAwait(false);
        await using (transaction.ConfigureAwait(false))
        {
            if (await session.ExecuteAsync(condition, values, cancellationToken).ConfigureAwait(false) != 1)
                return false;
            foreach (var (sql, more) in then)
                await session.ExecuteAsync(sql, more, cancellationToken).ConfigureAwait(false);
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
            return true;
        }
    }

    private static T ReadJob<T>(long id, Func<T> read) => StoredRows.Read(JobTables.Jobs, id.ToString(CultureInfo.InvariantCulture), read);

    private string Q(FormattableString statement) => _dialect.Sql(statement);
}
