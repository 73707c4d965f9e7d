using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>Where a KMS lies: one SQLite file of its own, or tables in a database of a server.</summary>
internal abstract class StorePlace
{
    /// <summary>Gets the full path of the file; <see langword="null" /> for a server.</summary>
    public virtual string? FilePath => null;

    /// <summary>Gets what messages call it: the full path, or the server and the database; never a credential.</summary>
    public abstract string Name { get; }

    /// <summary>Gets what tells it from another place, for equality alone: it may hold a password.</summary>
    public abstract object Identity { get; }

    protected abstract DbContextOptions<KmsDbContext> Options { get; }

    public KmsDbContext CreateContext() => new(Options);

    public StoreDialect DialectOf(KmsDbContext db)
        => StoreDialect.Of(db.Database.ProviderName)
            ?? throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.UnknownProvider(db.Database.ProviderName));

    /// <summary>Whether there may be a KMS, without asking a database.</summary>
    public virtual bool MayExist() => true;

    /// <summary>Makes a place that can be connected to, before anything else.</summary>
    public virtual void MakeRoom()
    {
    }

    /// <summary>Prepares the place for a new KMS, outside of any transaction.</summary>
    public virtual Task PrepareAsync(KmsDbContext db, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Whether a database without the tables of a KMS is some other application's, and so is left alone.</summary>
    public virtual bool IsForeign(KmsDbContext db) => false;

    public virtual Task<bool> IsIntactAsync(KmsDbContext db, CancellationToken cancellationToken) => Task.FromResult(true);

    public virtual Task ForgetRemovedAsync(KmsDbContext db, CancellationToken cancellationToken) => Task.CompletedTask;

    public override string ToString() => Name;

    // How many configurations an application has is told by its own contexts; a KMS must not fail for it.
    protected static DbContextOptions<KmsDbContext> Forbearing(DbContextOptionsBuilder<KmsDbContext> builder)
        => builder.ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)).Options;
}

/// <summary>A SQLite file of its own.</summary>
internal sealed class FilePlace : StorePlace
{
    private readonly LocalKmsFile _file;
    private readonly Lazy<DbContextOptions<KmsDbContext>> _options;

    public FilePlace(LocalKmsFile file)
    {
        _file = file;

        // Built once. No logger factory here: Entity Framework would keep a service provider for each one.
        _options = new(() => Forbearing(new DbContextOptionsBuilder<KmsDbContext>()
            .UseSqlite(file.ConnectionString, sqlite => sqlite.CommandTimeout(file.TimeoutSeconds))
            .AddInterceptors(new SqlitePragmas(file.TimeoutSeconds))));
    }

    public override string FilePath => _file.Path;

    public override string Name => _file.Path;

    public override object Identity => _file.ConnectionString;

    protected override DbContextOptions<KmsDbContext> Options => _options.Value;

    public override bool MayExist() => _file.Exists();

    public override void MakeRoom() => _file.CreateEmpty();

    public override Task PrepareAsync(KmsDbContext db, CancellationToken cancellationToken)
        => SqlitePragmas.UseWriteAheadLogAsync(db, cancellationToken);

    public override bool IsForeign(KmsDbContext db) => db.GetService<Microsoft.EntityFrameworkCore.Storage.IRelationalDatabaseCreator>().HasTables();

    public override Task<bool> IsIntactAsync(KmsDbContext db, CancellationToken cancellationToken) => SqlitePragmas.IsIntactAsync(db, cancellationToken);

    public override Task ForgetRemovedAsync(KmsDbContext db, CancellationToken cancellationToken) => SqlitePragmas.EmptyLogAsync(db, cancellationToken);
}

/// <summary>Tables in a database of a server, beside those of others, for several nodes.</summary>
internal sealed class ServerPlace : StorePlace
{
    private readonly Lazy<string> _name;

    public ServerPlace(Action<DbContextOptionsBuilder> store)
    {
        ArgumentNullException.ThrowIfNull(store);
        var builder = new DbContextOptionsBuilder<KmsDbContext>();
        store(builder);
        Options = Forbearing(builder);
        var relational = Options.Extensions.OfType<RelationalOptionsExtension>().FirstOrDefault()
            ?? throw new ArgumentException(LocalKmsMessages.UnknownProvider(null), nameof(store));

        // Named by its connection string, so that a delegate that is made anew for each context is still the same KMS.
        Identity = relational.ConnectionString is { } connectionString ? (relational.GetType(), connectionString) : store;
        var provider = relational.GetType().Assembly.GetName().Name;
        if (StoreDialect.Of(provider) is not { LockSql.Length: > 0 })
            throw new ArgumentException(LocalKmsMessages.UnknownProvider(provider), nameof(store));
        _name = new(() =>
        {
            using var db = CreateContext();
            return NameOf(db.Database.GetDbConnection());
        });
    }

    public override string Name => _name.Value;

    public override object Identity { get; }

    protected override DbContextOptions<KmsDbContext> Options { get; }

    private static string NameOf(DbConnection connection)
        => connection.Database is { Length: > 0 } database ? $"{connection.DataSource}/{database}" : connection.DataSource;
}
