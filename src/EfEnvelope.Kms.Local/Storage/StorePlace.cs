using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>Where a KMS lies: one SQLite file of its own, or tables in a database of a server.</summary>
internal abstract class StorePlace
{
    private readonly ConnectionPool _pool;

    protected StorePlace() => _pool = new ConnectionPool(Connect);

    /// <summary>Gets the full path of the file; <see langword="null" /> for a server.</summary>
    public virtual string? FilePath => null;

    /// <summary>Gets what messages call it: the full path, or the server and the database; never a credential.</summary>
    public abstract string Name { get; }

    /// <summary>Gets what tells it from another place, for equality alone: it may hold a password.</summary>
    public abstract object Identity { get; }

    protected abstract StoreDialect Dialect { get; }

    /// <summary>Takes a connection, which opens at its first command.</summary>
    /// <param name="tracks">Whether what is changed in its rows can be saved.</param>
    /// <param name="fresh">Whether the connection is a new one.</param>
    public KmsSession Open(bool tracks, bool fresh = false) => new(_pool, Dialect, tracks, fresh);

    /// <summary>Closes what is open and not in use.</summary>
    public void Release() => _pool.Release();

    /// <summary>Whether there may be a KMS, without asking a database.</summary>
    public virtual bool MayExist() => true;

    /// <summary>Makes a place that can be connected to, before anything else.</summary>
    public virtual void MakeRoom()
    {
    }

    /// <summary>Prepares the place for a new KMS, outside of any transaction.</summary>
    public virtual Task PrepareAsync(KmsSession db, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Whether a database without the tables of a KMS is some other application's, and so is left alone.</summary>
    public virtual Task<bool> IsForeignAsync(KmsSession db, CancellationToken cancellationToken) => Task.FromResult(false);

    public virtual Task<bool> IsIntactAsync(KmsSession db, CancellationToken cancellationToken) => Task.FromResult(true);

    public virtual Task ForgetRemovedAsync(KmsSession db, CancellationToken cancellationToken) => Task.CompletedTask;

    public override string ToString() => Name;

    protected abstract StoreConnection Connect();
}

/// <summary>A SQLite file of its own.</summary>
internal sealed class FilePlace(LocalKmsFile file) : StorePlace
{
    public override string FilePath => file.Path;

    public override string Name => file.Path;

    public override object Identity => file.ConnectionString;

    protected override StoreDialect Dialect => StoreDialect.Sqlite;

    public override bool MayExist() => file.Exists();

    public override void MakeRoom() => file.CreateEmpty();

    public override Task PrepareAsync(KmsSession db, CancellationToken cancellationToken)
        => SqlitePragmas.UseWriteAheadLogAsync(db, cancellationToken);

    public override async Task<bool> IsForeignAsync(KmsSession db, CancellationToken cancellationToken)
        => (await db.QueryAsync("SELECT 1 FROM sqlite_master LIMIT 1", static _ => true, cancellationToken)
            .ConfigureAwait(false)).Count > 0;

    public override Task<bool> IsIntactAsync(KmsSession db, CancellationToken cancellationToken)
        => SqlitePragmas.IsIntactAsync(db, cancellationToken);

    public override Task ForgetRemovedAsync(KmsSession db, CancellationToken cancellationToken)
        => SqlitePragmas.EmptyLogAsync(db, cancellationToken);

    protected override StoreConnection Connect() => new FileConnection(file);
}

/// <summary>Tables in a database of a server, beside those of others, for several nodes.</summary>
internal sealed class ServerPlace : StorePlace
{
    private readonly Lazy<string> _name;
    private readonly StoreDialect _dialect;

    public ServerPlace(Action<DbContextOptionsBuilder> store)
    {
        ArgumentNullException.ThrowIfNull(store);
        var builder = new DbContextOptionsBuilder<KmsDbContext>();
        store(builder);

        // How many configurations an application has is told by its own contexts; a KMS must not fail for it.
        Options = builder.ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)).Options;
        var relational = Options.Extensions.OfType<RelationalOptionsExtension>().FirstOrDefault()
            ?? throw new ArgumentException(LocalKmsMessages.UnknownProvider(null), nameof(store));

        // Named by its connection string, so that a delegate that is made anew for each context is still the same KMS.
        Identity = relational.ConnectionString is { } connectionString ? (relational.GetType(), connectionString) : store;
        var provider = relational.GetType().Assembly.GetName().Name;
        _dialect = StoreDialect.Of(provider) ?? throw new ArgumentException(LocalKmsMessages.UnknownProvider(provider), nameof(store));
        _name = new(() =>
        {
            using var db = new KmsDbContext(Options);
            return NameOf(db.Database.GetDbConnection());
        });
    }

    public override string Name => _name.Value;

    public override object Identity { get; }

    public DbContextOptions<KmsDbContext> Options { get; }

    protected override StoreDialect Dialect => _dialect;

    protected override StoreConnection Connect() => new ServerConnection(new KmsDbContext(Options));

    private static string NameOf(DbConnection connection)
        => connection.Database is { Length: > 0 } database ? $"{connection.DataSource}/{database}" : connection.DataSource;
}
