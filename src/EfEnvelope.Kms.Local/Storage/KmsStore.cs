using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>What is read before anything else: which KMS this is, and its seals.</summary>
internal sealed record KmsHeader(string KmsId, IReadOnlyList<SealRow> Seals);

/// <summary>Opens the tables of one KMS: a context per call, transactions for whatever writes.</summary>
internal sealed class KmsStore
{
    private const int Attempts = 10;

    private readonly LocalKmsFile _file;
    private readonly DbContextOptions<KmsDbContext> _options;

    public KmsStore(LocalKmsFile file)
    {
        _file = file;

        // Built once. No logger factory here: Entity Framework would keep a service provider for each one.
        _options = new DbContextOptionsBuilder<KmsDbContext>()
            .UseSqlite(file.ConnectionString, sqlite => sqlite.CommandTimeout(file.TimeoutSeconds))
            .AddInterceptors(new SqlitePragmas(file.TimeoutSeconds))
            .Options;
    }

    public string Path => _file.Path;

    public KmsDbContext CreateContext() => new(_options);

    /// <summary>Reads the header, or nothing when there is no KMS yet. Creates nothing.</summary>
    public async Task<KmsHeader?> ReadHeaderAsync(CancellationToken cancellationToken)
    {
        if (!_file.Exists())
            return null;
        var db = CreateContext();
        await using (db.ConfigureAwait(false))
            return await ReadHeaderAsync(db, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads all of the store once and refuses one that is damaged.</summary>
    public async Task CheckIntegrityAsync(CancellationToken cancellationToken)
    {
        var db = CreateContext();
        await using (db.ConfigureAwait(false))
        {
            if (!await SqlitePragmas.IsIntactAsync(db, cancellationToken).ConfigureAwait(false))
                throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(Path));
        }
    }

    /// <summary>
    /// Makes the file and its tables with what <paramref name="make" /> returns, unless another process did so first; returns the
    /// header that is in the file then. The file is locked while <paramref name="make" /> runs, so that it runs once.
    /// </summary>
    public async Task<KmsHeader> CreateAsync(Func<(MetaRow Meta, SealRow Seal)> make, CancellationToken cancellationToken)
    {
        _file.CreateEmpty();
        var db = CreateContext();
        await using (db.ConfigureAwait(false))
        {
            // Held open, because SQLite lets nobody change the journal inside a transaction, nor two at once.
            await db.Database.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            if (await ReadHeaderAsync(db, cancellationToken).ConfigureAwait(false) is { } present)
                return present;
            await SqlitePragmas.UseWriteAheadLogAsync(db, cancellationToken).ConfigureAwait(false);

            var transaction = await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
            await using (transaction.ConfigureAwait(false))
            {
                if (await ReadHeaderAsync(db, cancellationToken).ConfigureAwait(false) is { } theirs)
                    return theirs;
                var (meta, seal) = make();
                await db.GetService<IRelationalDatabaseCreator>().CreateTablesAsync(cancellationToken).ConfigureAwait(false);
                db.AddRange(meta, seal);
                await db.SaveChangesAsync(cancellationToken).ConfigureAwait(false);
                await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
                return new KmsHeader(meta.KmsId, [seal]);
            }
        }
    }

    /// <summary>Runs <paramref name="work" /> in one transaction, anew when somebody else changed the same rows first.</summary>
    public async Task<T> WriteAsync<T>(Func<KmsDbContext, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var db = CreateContext();
            await using (db.ConfigureAwait(false))
            {
                try
                {
                    var transaction = await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
                    await using (transaction.ConfigureAwait(false))
                    {
                        var result = await work(db, cancellationToken).ConfigureAwait(false);
                        await db.SaveChangesAsync(cancellationToken).ConfigureAwait(false);
                        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
                        return result;
                    }
                }
                catch (DbUpdateException e) when (attempt < Attempts && StoreErrors.IsRace(e))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                }
            }
        }
    }

    private async Task<KmsHeader?> ReadHeaderAsync(KmsDbContext db, CancellationToken cancellationToken)
    {
        if (!await db.GetService<IRelationalDatabaseCreator>().HasTablesAsync(cancellationToken).ConfigureAwait(false))
            return null;

        int? format;
        try
        {
            // Alone and first: the other columns may differ in a format that is not known here.
            format = await db.Meta.Where(m => m.Id == MetaRow.OnlyId).Select(m => (int?)m.FormatVersion)
                .SingleOrDefaultAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (StoreErrors.IsMissingTable(e))
        {
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.NotAKms(Path), e);
        }

        if (format is null)
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(Path));
        if (format != MetaRow.KnownFormat)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.UnknownFormat(Path, format.Value, MetaRow.KnownFormat));

        var kmsId = await db.Meta.Select(m => m.KmsId).SingleAsync(cancellationToken).ConfigureAwait(false);
        var seals = await db.Seals.AsNoTracking().OrderBy(s => s.SealId).ToListAsync(cancellationToken).ConfigureAwait(false);
        return new KmsHeader(kmsId, seals);
    }
}
