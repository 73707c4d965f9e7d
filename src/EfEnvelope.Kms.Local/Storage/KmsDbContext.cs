using EfEnvelope.Kms.Local.Access;
using EfEnvelope.Kms.Local.Audit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>The tables of the KMS, the same in every relational store.</summary>
internal sealed class KmsDbContext(DbContextOptions<KmsDbContext> options) : DbContext(options)
{
    // Rows that were saved, and whether they were removed. The audit trail proves itself.
    private readonly Dictionary<object, bool> _written = new(ReferenceEqualityComparer.Instance);

    public DbSet<MetaRow> Meta => Set<MetaRow>();

    public DbSet<SealRow> Seals => Set<SealRow>();

    public DbSet<KeyRow> Keys => Set<KeyRow>();

    public DbSet<KeyVersionRow> KeyVersions => Set<KeyVersionRow>();

    public DbSet<AliasRow> Aliases => Set<AliasRow>();

    public DbSet<TagRow> Tags => Set<TagRow>();

    public DbSet<ImportRow> Imports => Set<ImportRow>();

    /// <summary>Gets whether anything but events of the audit trail was saved.</summary>
    public bool HasWritten => _written.Count > 0;

    /// <summary>Reads all that was saved again and returns the table whose row is not as it was saved; nothing when all are.</summary>
    public async Task<string?> FindUndoneAsync(CancellationToken cancellationToken)
    {
        foreach (var (row, removed) in _written)
        {
            var entry = Entry(row);
            var stored = await entry.GetDatabaseValuesAsync(cancellationToken).ConfigureAwait(false);
            if (removed ? stored is not null : stored is null || !entry.Metadata.GetProperties().All(IsKept))
                return entry.Metadata.GetTableName();

            bool IsKept(IProperty property) => property.GetValueComparer().Equals(stored[property], entry.Property(property).CurrentValue);
        }

        return null;
    }

    public override int SaveChanges(bool acceptAllChangesOnSuccess)
    {
        NoteWritten();
        return base.SaveChanges(acceptAllChangesOnSuccess);
    }

    public override Task<int> SaveChangesAsync(bool acceptAllChangesOnSuccess, CancellationToken cancellationToken = default)
    {
        NoteWritten();
        return base.SaveChangesAsync(acceptAllChangesOnSuccess, cancellationToken);
    }

    // PostgreSQL takes times of offset 0 alone.
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
        => configurationBuilder.Properties<DateTimeOffset>().HaveConversion<UtcConverter>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<MetaRow>(meta =>
        {
            meta.ToTable("kms_meta").HasKey(m => m.Id);
            meta.Property(m => m.Id).HasColumnName("id").ValueGeneratedNever();
            meta.Property(m => m.FormatVersion).HasColumnName("format_version");
            meta.Property(m => m.KmsId).HasColumnName("kms_id").HasMaxLength(32);
            meta.Property(m => m.KeyCheck).HasColumnName("key_check").HasMaxLength(32);
            meta.Property(m => m.Revision).HasColumnName("revision").IsConcurrencyToken();
            meta.Property(m => m.Created).HasColumnName("created");
        });

        modelBuilder.Entity<SealRow>(seal =>
        {
            seal.ToTable("kms_seals").HasKey(s => s.SealId);
            seal.Property(s => s.SealId).HasColumnName("seal_id").HasMaxLength(32);
            seal.Property(s => s.Kind).HasColumnName("kind").HasMaxLength(50);
            seal.Property(s => s.Parameters).HasColumnName("parameters").HasMaxLength(4000);
            seal.Property(s => s.SealedRootKey).HasColumnName("sealed_root_key").HasMaxLength(4000);
            seal.Property(s => s.Created).HasColumnName("created");
        });

        ConfigureKeys(modelBuilder);
        AccessModel.Configure(modelBuilder);
        AuditModel.Configure(modelBuilder);
        StoreDialect.Of(Database.ProviderName)?.CompareExactly(modelBuilder);
    }

    private void NoteWritten()
    {
        foreach (var entry in ChangeTracker.Entries())
        {
            if (entry.State is EntityState.Added or EntityState.Modified or EntityState.Deleted
                && entry.Entity is not (AuditEventRow or AuditHeadRow or AuditCheckpointRow or AuditKeyRow))
            {
                _written[entry.Entity] = entry.State == EntityState.Deleted;
            }
        }
    }

    private static void ConfigureKeys(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<KeyRow>(key =>
        {
            key.ToTable("kms_keys").HasKey(k => k.KeyId);
            key.HasIndex(k => k.Name).IsUnique();
            key.HasMany(k => k.Versions).WithOne().HasForeignKey(v => v.KeyId).OnDelete(DeleteBehavior.Restrict);
            key.Property(k => k.KeyId).HasColumnName("key_id").HasMaxLength(32);
            key.Property(k => k.Name).HasColumnName("name").HasMaxLength(200);
            key.Property(k => k.Purpose).HasColumnName("purpose").HasMaxLength(50);
            key.Property(k => k.Algorithm).HasColumnName("algorithm").HasMaxLength(50);
            key.Property(k => k.State).HasColumnName("state").HasMaxLength(50);
            key.Property(k => k.PrimaryVersion).HasColumnName("primary_version");
            key.Property(k => k.Origin).HasColumnName("origin").HasMaxLength(50);
            key.Property(k => k.Description).HasColumnName("description").HasMaxLength(1000);
            key.Property(k => k.RotationPeriod).HasColumnName("rotation_period");
            key.Property(k => k.NextRotation).HasColumnName("next_rotation");
            key.Property(k => k.DeletionAt).HasColumnName("deletion_at");
            key.Property(k => k.Aliases).HasColumnName("aliases").HasMaxLength(32);
            key.Property(k => k.Revision).HasColumnName("revision").IsConcurrencyToken();
            key.Property(k => k.Created).HasColumnName("created");
            key.Property(k => k.Mac).HasColumnName("mac").HasMaxLength(32);
        });

        modelBuilder.Entity<KeyVersionRow>(version =>
        {
            version.ToTable("kms_key_versions").HasKey(v => new { v.KeyId, v.Version });
            version.Property(v => v.KeyId).HasColumnName("key_id").HasMaxLength(32);
            version.Property(v => v.Version).HasColumnName("version").ValueGeneratedNever();
            version.Property(v => v.State).HasColumnName("state").HasMaxLength(50);
            version.Property(v => v.SealedMaterial).HasColumnName("sealed_material").HasMaxLength(4000);
            version.Property(v => v.PublicKey).HasColumnName("public_key").HasMaxLength(1000);
            version.Property(v => v.Created).HasColumnName("created");
            version.Property(v => v.Mac).HasColumnName("mac").HasMaxLength(32);
        });

        modelBuilder.Entity<AliasRow>(alias =>
        {
            alias.ToTable("kms_aliases").HasKey(a => a.Alias);
            alias.HasOne<KeyRow>().WithMany().HasForeignKey(a => a.KeyId).OnDelete(DeleteBehavior.Restrict);
            alias.Property(a => a.Alias).HasColumnName("alias").HasMaxLength(200);
            alias.Property(a => a.KeyId).HasColumnName("key_id").HasMaxLength(32);
            alias.Property(a => a.Revision).HasColumnName("revision").IsConcurrencyToken();
            alias.Property(a => a.Mac).HasColumnName("mac").HasMaxLength(32);
        });

        modelBuilder.Entity<TagRow>(tag =>
        {
            tag.ToTable("kms_tags").HasKey(t => new { t.KeyId, t.Name });
            tag.HasOne<KeyRow>().WithMany().HasForeignKey(t => t.KeyId).OnDelete(DeleteBehavior.Restrict);
            tag.Property(t => t.KeyId).HasColumnName("key_id").HasMaxLength(32);
            tag.Property(t => t.Name).HasColumnName("name").HasMaxLength(128);
            tag.Property(t => t.Value).HasColumnName("value").HasMaxLength(256);
        });

        modelBuilder.Entity<ImportRow>(import =>
        {
            import.ToTable("kms_imports").HasKey(i => i.Token);
            import.Property(i => i.Token).HasColumnName("token").HasMaxLength(32);
            import.Property(i => i.SealedPrivateKey).HasColumnName("sealed_private_key").HasMaxLength(4000);
            import.Property(i => i.Expires).HasColumnName("expires");
        });
    }

    private sealed class UtcConverter() : ValueConverter<DateTimeOffset, DateTimeOffset>(time => time.ToUniversalTime(), time => time.ToUniversalTime());
}
