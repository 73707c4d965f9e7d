using System.Data;
using System.Data.Common;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>What is read before anything else: which KMS this is.</summary>
internal sealed record KmsHeader(string KmsId, int Format, byte[] KeyCheck);

/// <summary>Opens the tables of one KMS: a context per call, transactions for whatever writes.</summary>
internal sealed class KmsStore(StorePlace place)
{
    private const int Attempts = 20;

    private static readonly (KmsTable<KmsHeader> Table, Where[] Where) HeaderQuery = (KmsTables.Header, [Where.Is("id", MetaRow.OnlyId)]);
    private static readonly string MetaOnly = $"kms_meta WHERE id = {MetaRow.OnlyId}";

    public StorePlace Place => place;

    /// <summary>Gets what messages call the store.</summary>
    public string Path => place.Name;

    /// <summary>Opens a connection for what only reads.</summary>
    public KmsSession OpenReader() => place.Open(tracks: false);

    /// <summary>Reads the header, or nothing when there is no KMS yet. Creates nothing.</summary>
    public async Task<KmsHeader?> ReadHeaderAsync(CancellationToken cancellationToken)
    {
        if (!place.MayExist())
            return null;
        var db = place.Open(tracks: false, fresh: true);
        await using (db.ConfigureAwait(false))
            return await ReadHeaderAsync(db, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads the header over a connection whose file may exist.</summary>
    public Task<KmsHeader?> ReadHeaderAsync(KmsSession db, CancellationToken cancellationToken)
        => ReadHeaderAsync(db, again: true, cancellationToken);

    /// <summary>Reads the header, and what else the next queries ask for, in one command; nothing when it cannot be read so.</summary>
    public Task ReadHeaderAheadAsync(KmsSession db, IEnumerable<Query> queries, CancellationToken cancellationToken)
        => place.MayExist()
            ? ReadAheadAsync(db, [new Query(HeaderQuery.Table, HeaderQuery.Where), .. queries], cancellationToken)
            : Task.CompletedTask;

    /// <summary>Reads what the next queries ask for in one command; nothing when it cannot be read so.</summary>
    public static async Task ReadAheadAsync(KmsSession db, IReadOnlyList<Query> queries, CancellationToken cancellationToken)
    {
        try
        {
            await db.ReadAheadAsync(queries, cancellationToken).ConfigureAwait(false);
        }
        catch (DbException e) when (StoreErrors.IsMissingTable(e))
        {
            // The KMS is not made yet, or is of another format.
        }
        catch (Exception e) when (e is InvalidCastException or FormatException or OverflowException)
        {
            // A row was altered. The query that needs it reads it again, and refuses it.
        }
    }

    public async Task<IReadOnlyList<SealRow>> ReadSealsAsync(CancellationToken cancellationToken)
        => await ReadAsync((db, token) => db.ListAsync(KmsTables.Seals, [], "seal_id", cancellationToken: token), cancellationToken)
            .ConfigureAwait(false);

    public async Task<T> ReadAsync<T>(Func<KmsSession, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        var db = OpenReader();
        await using (db.ConfigureAwait(false))
            return await read(db, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes from the disk what was removed from the tables, as far as the store can.</summary>
    public async Task ForgetRemovedAsync(CancellationToken cancellationToken)
    {
        var db = OpenReader();
        await using (db.ConfigureAwait(false))
            await place.ForgetRemovedAsync(db, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads all of a file once and refuses one that is damaged.</summary>
    public async Task CheckIntegrityAsync(CancellationToken cancellationToken)
    {
        var db = OpenReader();
        await using (db.ConfigureAwait(false))
        {
            if (!await place.IsIntactAsync(db, cancellationToken).ConfigureAwait(false))
                throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(Path));
        }
    }

    /// <summary>Refuses a store in which a trigger, a rule or a view could undo what is written.</summary>
    public async Task RefuseTrapsAsync(CancellationToken cancellationToken)
    {
        var db = OpenReader();
        await using (db.ConfigureAwait(false))
            await RefuseTrapsAsync(db, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes the tables with what <paramref name="fill" /> adds, unless another process did so first; returns whether this call made them. Other
    /// creators wait while <paramref name="fill" /> runs, so that it runs once.
    /// </summary>
    public async Task<bool> CreateAsync(Func<KmsSession, CancellationToken, Task> fill, CancellationToken cancellationToken)
    {
        place.MakeRoom();
        var db = OpenReader();
        await using (db.ConfigureAwait(false))
        {
            // Over one connection, because SQLite changes the journal neither inside a transaction nor for two connections at once.
            if (await ReadHeaderAsync(db, cancellationToken).ConfigureAwait(false) is not null)
                return false;
            await place.PrepareAsync(db, cancellationToken).ConfigureAwait(false);
        }

        return await WriteAsync(
            async (db, token) =>
            {
                await LockAsync(db, token).ConfigureAwait(false);
                await StoreSchema.CompleteAsync(db, token).ConfigureAwait(false);
                if (await db.NumberAsync(KmsTables.Meta, "COUNT(*)", [], token).ConfigureAwait(false) > 0)
                    return false;
                await fill(db, token).ConfigureAwait(false);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Brings the tables of an earlier format to the present one, unless another process did so first.</summary>
    public Task UpgradeAsync(Func<KmsSession, MetaRow, CancellationToken, Task> convert, CancellationToken cancellationToken)
        => WriteAsync(
            async (db, token) =>
            {
                await LockAsync(db, token).ConfigureAwait(false);
                await StoreSchema.CompleteAsync(db, token).ConfigureAwait(false);
                var meta = await db.GetOnlyAsync(KmsTables.Meta, token).ConfigureAwait(false);
                if (meta.FormatVersion == MetaRow.KnownFormat)
                    return false;
                await convert(db, meta, token).ConfigureAwait(false);
                meta.FormatVersion = MetaRow.KnownFormat;
                return true;
            },
            cancellationToken);

    /// <summary>Runs <paramref name="work" /> in one transaction, anew when somebody else changed the same rows first.</summary>
    public Task<T> WriteAsync<T>(
        Func<KmsSession, CancellationToken, Task<T>> work, CancellationToken cancellationToken, IsolationLevel isolation = IsolationLevel.Unspecified)
        => WriteAsync(work, fresh: true, isolation, cancellationToken);

    /// <summary>Appends to the trail alone, in one transaction, over a connection that may have served another call.</summary>
    public Task AppendAsync(Func<KmsSession, CancellationToken, Task> work, CancellationToken cancellationToken)
        => WriteAsync(
            async (db, token) =>
            {
                await work(db, token).ConfigureAwait(false);
                return true;
            },
            fresh: false,
            IsolationLevel.Unspecified,
            cancellationToken);

    private async Task<T> WriteAsync<T>(
        Func<KmsSession, CancellationToken, Task<T>> work, bool fresh, IsolationLevel isolation, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await TryWriteAsync(work, fresh, isolation, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (StoreErrors.IsRace(e))
            {
                // A row that a trigger keeps as it is looks like one that another caller changed.
                if (attempt is 1 or Attempts)
                    await RefuseTrapsAsync(cancellationToken).ConfigureAwait(false);
                if (attempt == Attempts)
                    throw;

                // SQLite has waited already. A server sends both of two that deadlocked back at once.
                var pause = place.FilePath is null ? System.Security.Cryptography.RandomNumberGenerator.GetInt32(5 * attempt) : 0;
                await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private Task<T> TryWriteAsync<T>(
        Func<KmsSession, CancellationToken, Task<T>> work, bool fresh, IsolationLevel isolation, CancellationToken cancellationToken)
        => KmsSession.TransactAsync(
            () => place.Open(tracks: true, fresh),
            async (db, token) =>
            {
                var result = await work(db, token).ConfigureAwait(false);
                await db.SaveAsync(token).ConfigureAwait(false);
                await RequireKeptAsync(db, token).ConfigureAwait(false);
                return result;
            },
            isolation,
            cancellationToken);

    // A change is reported as done only when the store holds it, and nothing in the store can undo it when it is committed.
    private async Task RequireKeptAsync(KmsSession db, CancellationToken cancellationToken)
    {
        if (!db.HasWritten)
            return;
        await RefuseTrapsAsync(db, cancellationToken).ConfigureAwait(false);
        if (await db.FindUndoneAsync(cancellationToken).ConfigureAwait(false) is { } table)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.NotKept(Path, table));
    }

    private async Task RefuseTrapsAsync(KmsSession db, CancellationToken cancellationToken)
    {
        var sql = db.Dialect.TrapsSql(KmsTables.All.Select(t => t.Name));
        if (await db.QueryAsync(sql, static r => r.GetString(0), cancellationToken).ConfigureAwait(false) is [var table, ..])
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Trapped(Path, table));
    }

    private static async Task LockAsync(KmsSession db, CancellationToken cancellationToken)
    {
        if (db.Dialect.LockSql is { Length: > 0 } sql)
            await db.ExecuteAsync(sql, cancellationToken).ConfigureAwait(false);
    }

    private async Task<KmsHeader?> ReadHeaderAsync(KmsSession db, bool again, CancellationToken cancellationToken)
    {
        KmsHeader? header;
        try
        {
            var found = await db.ListAsync(HeaderQuery.Table, HeaderQuery.Where, cancellationToken: cancellationToken)
                .ConfigureAwait(false);
            header = found is [var only] ? only : null;
        }
        catch (Exception e) when (StoreErrors.IsMissingTable(e))
        {
            try
            {
                header = await ReadOtherFormatAsync(db, cancellationToken).ConfigureAwait(false);
            }
            catch (KmsException) when (again)
            {
                // Another process may have made the KMS since the first statement.
                return await ReadHeaderAsync(db, again: false, cancellationToken).ConfigureAwait(false);
            }

            if (header is null)
                return null;
        }

        if (header is null)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(Path));
        if (header.Format is < MetaRow.FirstFormat or > MetaRow.KnownFormat)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.UnknownFormat(Path, header.Format, MetaRow.KnownFormat));
        return header;
    }

    // The columns may differ in another format; its number and its id do not.
    private async Task<KmsHeader?> ReadOtherFormatAsync(KmsSession db, CancellationToken cancellationToken)
    {
        try
        {
            var formats = await db.QueryAsync($"SELECT format_version FROM {MetaOnly}", static r => r.GetInt32(0), cancellationToken)
                .ConfigureAwait(false);
            if (formats is not [var format])
                throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(Path));
            if (format != MetaRow.FirstFormat)
            {
                throw format == MetaRow.KnownFormat
                    ? new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(Path))
                    : new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.UnknownFormat(Path, format, MetaRow.KnownFormat));
            }

            return (await db.QueryAsync($"SELECT kms_id FROM {MetaOnly}", r => new KmsHeader(r.GetString(0), format, []), cancellationToken)
                .ConfigureAwait(false))
                .Single();
        }
        catch (Exception e) when (StoreErrors.IsMissingTable(e))
        {
            return await place.IsForeignAsync(db, cancellationToken).ConfigureAwait(false)
                ? throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.NotAKms(Path), e)
                : null;
        }
    }
}
