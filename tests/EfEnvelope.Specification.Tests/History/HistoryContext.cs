using System.ComponentModel.DataAnnotations;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification.History;

/// <summary>
/// The rows that many processes write and read while jobs convert them. The subclasses differ in how the two text columns are stored.
/// </summary>
public abstract class HistoryContext(DbContextOptions options) : DbContext(options)
{
    public DbSet<HistoryRow> Rows => Set<HistoryRow>();

    /// <summary>Makes the context that an application has while rows are converted, or before, or after.</summary>
    public static HistoryContext Open(HistoryStorage storage, DbContextOptions options)
        => storage switch
        {
            HistoryStorage.Encrypted => new EncryptedHistoryContext(options),
            HistoryStorage.Mixed => new MixedHistoryContext(options),
            HistoryStorage.Plain => new PlainHistoryContext(options),
            _ => throw new ArgumentOutOfRangeException(nameof(storage)),
        };

    /// <summary>Looks for the rows that hold a value, or for all.</summary>
    public IQueryable<HistoryRow> Find(string? column, string? value)
        => (column switch
        {
            null => Rows,
            nameof(HistoryRow.Email) => Rows.Where(r => r.Email == value),
            nameof(HistoryRow.Code) => Rows.Where(r => r.Code == value),
            nameof(HistoryRow.Tag) => Rows.Where(r => r.Tag == value),
            nameof(HistoryRow.Note) => Rows.Where(r => r.Note == value),
            nameof(HistoryRow.Label) => Rows.Where(r => r.Label == value),
            _ => throw new ArgumentOutOfRangeException(nameof(column)),
        }).AsNoTracking();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        var row = modelBuilder.Entity<HistoryRow>();
        row.Property(r => r.Id).ValueGeneratedNever();
        row.Property(r => r.Revision).IsConcurrencyToken();
        row.Property(r => r.Secret).IsEncrypted();
        row.Property(r => r.Amount).IsEncrypted();
        row.Property(r => r.Email).IsEncrypted().HasBlindIndex();
        row.Property(r => r.Code).IsEncrypted().HasBlindIndex(isUnique: true);
        row.Property(r => r.Tag).IsEncrypted(EncryptionMode.Deterministic);
        row.HasIndex(r => r.Tag);
    }

    // Envelopes as text, as they are after a backfill in place.
    private sealed class EncryptedHistoryContext(DbContextOptions options) : HistoryContext(options)
    {
        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            base.OnModelCreating(modelBuilder);
            var row = modelBuilder.Entity<HistoryRow>();
            row.Property(r => r.Note).IsEncrypted(storage: EncryptedStorage.Text).HasBlindIndex().AllowUncheckedWrites();
            row.Property(r => r.Label).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text).AllowUncheckedWrites();
        }
    }

    // Envelopes and plaintexts side by side.
    private sealed class MixedHistoryContext(DbContextOptions options) : HistoryContext(options)
    {
        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            base.OnModelCreating(modelBuilder);
            var row = modelBuilder.Entity<HistoryRow>();
            row.Property(r => r.Note).IsEncrypted(storage: EncryptedStorage.Text).AllowPlaintextWhileBackfilling().HasBlindIndex();
            row.Property(r => r.Label).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text).AllowPlaintextWhileBackfilling();
        }
    }

    // What an application has that never heard of encrypting the two.
    private sealed class PlainHistoryContext(DbContextOptions options) : HistoryContext(options);
}

/// <summary>How the two text columns are stored.</summary>
public enum HistoryStorage
{
    /// <summary>As envelopes.</summary>
    Encrypted,

    /// <summary>As envelopes or plaintexts; what is written is an envelope.</summary>
    Mixed,

    /// <summary>As plaintexts.</summary>
    Plain,
}

/// <summary>A row; <see cref="Op" /> names the operation that wrote it last, and <see cref="Revision" /> tells the order of those.</summary>
public sealed class HistoryRow
{
    public long Id { get; set; }

    public int Revision { get; set; }

    [MaxLength(40)]
    public string Op { get; set; } = "";

    public int Visits { get; set; }

    public string Secret { get; set; } = "";

    public decimal Amount { get; set; }

    public string? Email { get; set; }

    public string Code { get; set; } = "";

    [MaxLength(40)]
    public string Tag { get; set; } = "";

    [MaxLength(40)]
    public string? Note { get; set; }

    [MaxLength(40)]
    public string? Label { get; set; }
}
