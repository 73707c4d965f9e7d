using System.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>What is read before anything else: which KMS this is.</summary>
internal sealed record KmsHeader(string KmsId, int Format, byte[] KeyCheck);

/// <summary>Opens the tables of one KMS: a context per call, transactions for whatever writes.</summary>
internal sealed class KmsStore(StorePlace place)
{
    private const int Attempts = 20;

    public StorePlace Place => place;

    /// <summary>Gets what messages call the store.</summary>
    public string Path => place.Name;

    public KmsDbContext CreateContext() => place.CreateContext();

    /// <summary>Reads the header, or nothing when there is no KMS yet. Creates nothing.</summary>
    public async Task<KmsHeader?> ReadHeaderAsync(CancellationToken cancellationToken)
    {
        if (!place.MayExist())
            return null;
        var db = CreateContext();
        await using (db.ConfigureAwait(false))
            return await ReadHeaderAsync(db, cancellationToken).ConfigureAwait(false);
    }

    public async Task<IReadOnlyList<SealRow>> ReadSealsAsync(CancellationToken cancellationToken)
        => await ReadAsync((db, token) => db.Seals.AsNoTracking().OrderBy(s => s.SealId).ToListAsync(token), cancellationToken).ConfigureAwait(false);

    public async Task<T> ReadAsync<T>(Func<KmsDbContext, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        var db = CreateContext();
        await using (db.ConfigureAwait(false))
            return await read(db, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes from the disk what was removed from the tables, as far as the store can.</summary>
    public async Task ForgetRemovedAsync(CancellationToken cancellationToken)
    {
        var db = CreateContext();
        await using (db.ConfigureAwait(false))
            await place.ForgetRemovedAsync(db, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads all of a file once and refuses one that is damaged.</summary>
    public async Task CheckIntegrityAsync(CancellationToken cancellationToken)
    {
        var db = CreateContext();
        await using (db.ConfigureAwait(false))
        {
            if (!await place.IsIntactAsync(db, cancellationToken).ConfigureAwait(false))
                throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(Path));
        }
    }

    /// <summary>Refuses a store in which a trigger, a rule or a view could undo what is written.</summary>
    public async Task RefuseTrapsAsync(CancellationToken cancellationToken)
    {
        var db = CreateContext();
        await using (db.ConfigureAwait(false))
        {
            await db.Database.CreateExecutionStrategy().ExecuteAsync(
                async token =>
                {
                    await db.Database.OpenConnectionAsync(token).ConfigureAwait(false);
                    await RefuseTrapsAsync(db, token).ConfigureAwait(false);
                },
                cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Makes the tables with what <paramref name="fill" /> adds, unless another process did so first; returns whether this call made them. Other
    /// creators wait while <paramref name="fill" /> runs, so that it runs once.
    /// </summary>
    public async Task<bool> CreateAsync(Func<KmsDbContext, CancellationToken, Task> fill, CancellationToken cancellationToken)
    {
        place.MakeRoom();
        var db = CreateContext();
        await using (db.ConfigureAwait(false))
        {
            // Held open, because SQLite lets nobody change the journal inside a transaction, nor two at once.
            await db.Database.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            if (await ReadHeaderAsync(db, cancellationToken).ConfigureAwait(false) is not null)
                return false;
            await place.PrepareAsync(db, cancellationToken).ConfigureAwait(false);
        }

        return await WriteAsync(
            async (db, token) =>
            {
                var dialect = await LockAsync(db, token).ConfigureAwait(false);
                await StoreSchema.CompleteAsync(db, dialect, token).ConfigureAwait(false);
                if (await db.Meta.AnyAsync(token).ConfigureAwait(false))
                    return false;
                await fill(db, token).ConfigureAwait(false);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Brings the tables of an earlier format to the present one, unless another process did so first.</summary>
    public Task UpgradeAsync(Func<KmsDbContext, MetaRow, CancellationToken, Task> convert, CancellationToken cancellationToken)
        => WriteAsync(
            async (db, token) =>
            {
                var dialect = await LockAsync(db, token).ConfigureAwait(false);
                await StoreSchema.CompleteAsync(db, dialect, token).ConfigureAwait(false);
                var meta = await db.Meta.SingleAsync(token).ConfigureAwait(false);
                if (meta.FormatVersion == MetaRow.KnownFormat)
                    return false;
                await convert(db, meta, token).ConfigureAwait(false);
                meta.FormatVersion = MetaRow.KnownFormat;
                return true;
            },
            cancellationToken);

    /// <summary>Runs <paramref name="work" /> in one transaction, anew when somebody else changed the same rows first.</summary>
    public async Task<T> WriteAsync<T>(
        Func<KmsDbContext, CancellationToken, Task<T>> work, CancellationToken cancellationToken, IsolationLevel isolation = IsolationLevel.Unspecified)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await TryWriteAsync(work, isolation, cancellationToken).ConfigureAwait(false);
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

    // Within the provider's own execution strategy, which refuses a transaction outside of it when it retries.
    private async Task<T> TryWriteAsync<T>(
        Func<KmsDbContext, CancellationToken, Task<T>> work, IsolationLevel isolation, CancellationToken cancellationToken)
    {
        var outer = CreateContext();
        await using (outer.ConfigureAwait(false))
        {
            return await outer.Database.CreateExecutionStrategy().ExecuteAsync(
                async token =>
                {
                    var db = CreateContext();
                    await using (db.ConfigureAwait(false))
                    {
                        var transaction = await db.Database.BeginTransactionAsync(isolation, token).ConfigureAwait(false);
                        await using (transaction.ConfigureAwait(false))
                        {
                            var result = await work(db, token).ConfigureAwait(false);
                            await db.SaveChangesAsync(token).ConfigureAwait(false);
                            await RequireKeptAsync(db, token).ConfigureAwait(false);
                            await transaction.CommitAsync(token).ConfigureAwait(false);
                            return result;
                        }
                    }
                },
                cancellationToken).ConfigureAwait(false);
        }
    }

    // A change is reported as done only when the store holds it, and nothing in the store can undo it when it is committed.
    private async Task RequireKeptAsync(KmsDbContext db, CancellationToken cancellationToken)
    {
        if (!db.HasWritten)
            return;
        await RefuseTrapsAsync(db, cancellationToken).ConfigureAwait(false);
        if (await db.FindUndoneAsync(cancellationToken).ConfigureAwait(false) is { } table)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.NotKept(Path, table));
    }

    private async Task RefuseTrapsAsync(KmsDbContext db, CancellationToken cancellationToken)
    {
        var command = db.Database.GetDbConnection().CreateCommand();
        await using (command.ConfigureAwait(false))
        {
            command.CommandText = place.DialectOf(db).TrapsSql(db.Model.GetEntityTypes().Select(t => t.GetTableName()!));
            command.Transaction = db.Database.CurrentTransaction?.GetDbTransaction();
            if (await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is string table)
                throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Trapped(Path, table));
        }
    }

    private async Task<StoreDialect> LockAsync(KmsDbContext db, CancellationToken cancellationToken)
    {
        var dialect = place.DialectOf(db);
        if (dialect.LockSql.Length > 0)
            await db.Database.ExecuteSqlRawAsync(dialect.LockSql, cancellationToken).ConfigureAwait(false);
        return dialect;
    }

    private async Task<KmsHeader?> ReadHeaderAsync(KmsDbContext db, CancellationToken cancellationToken)
    {
        KmsHeader? header;
        try
        {
            header = await db.Meta.Where(m => m.Id == MetaRow.OnlyId).Select(m => new KmsHeader(m.KmsId, m.FormatVersion, m.KeyCheck))
                .SingleOrDefaultAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (StoreErrors.IsMissingTable(e))
        {
            header = await ReadOtherFormatAsync(db, cancellationToken).ConfigureAwait(false);
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
    private async Task<KmsHeader?> ReadOtherFormatAsync(KmsDbContext db, CancellationToken cancellationToken)
    {
        try
        {
            var format = await db.Meta.Where(m => m.Id == MetaRow.OnlyId).Select(m => (int?)m.FormatVersion)
                .SingleOrDefaultAsync(cancellationToken).ConfigureAwait(false)
                ?? throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(Path));
            if (format != MetaRow.FirstFormat)
            {
                throw format == MetaRow.KnownFormat
                    ? new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(Path))
                    : new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.UnknownFormat(Path, format, MetaRow.KnownFormat));
            }

            return await db.Meta.Select(m => new KmsHeader(m.KmsId, m.FormatVersion, Array.Empty<byte>()))
                .SingleAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (StoreErrors.IsMissingTable(e))
        {
            return place.IsForeign(db) ? throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.NotAKms(Path), e) : null;
        }
    }
}
