using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>The tables of the KMS. Nothing here is SQLite's own, so that another relational store can hold them.</summary>
internal sealed class KmsDbContext(DbContextOptions<KmsDbContext> options) : DbContext(options)
{
    public DbSet<MetaRow> Meta => Set<MetaRow>();

    public DbSet<SealRow> Seals => Set<SealRow>();

    public DbSet<KeyRow> Keys => Set<KeyRow>();

    public DbSet<KeyVersionRow> KeyVersions => Set<KeyVersionRow>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<MetaRow>(meta =>
        {
            meta.ToTable("kms_meta").HasKey(m => m.Id);
            meta.Property(m => m.Id).HasColumnName("id").ValueGeneratedNever();
            meta.Property(m => m.FormatVersion).HasColumnName("format_version");
            meta.Property(m => m.KmsId).HasColumnName("kms_id").HasMaxLength(32);
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

        modelBuilder.Entity<KeyRow>(key =>
        {
            key.ToTable("kms_keys").HasKey(k => k.KeyId);
            key.HasIndex(k => k.Name).IsUnique();
            key.HasMany(k => k.Versions).WithOne().HasForeignKey(v => v.KeyId).OnDelete(DeleteBehavior.Restrict);
            key.Property(k => k.KeyId).HasColumnName("key_id").HasMaxLength(32);
            key.Property(k => k.Name).HasColumnName("name").HasMaxLength(200);
            key.Property(k => k.Purpose).HasColumnName("purpose").HasMaxLength(50);
            key.Property(k => k.State).HasColumnName("state").HasMaxLength(50);
            key.Property(k => k.PrimaryVersion).HasColumnName("primary_version");
            key.Property(k => k.Revision).HasColumnName("revision").IsConcurrencyToken();
            key.Property(k => k.Created).HasColumnName("created");
        });

        modelBuilder.Entity<KeyVersionRow>(version =>
        {
            version.ToTable("kms_key_versions").HasKey(v => new { v.KeyId, v.Version });
            version.Property(v => v.KeyId).HasColumnName("key_id").HasMaxLength(32);
            version.Property(v => v.Version).HasColumnName("version").ValueGeneratedNever();
            version.Property(v => v.State).HasColumnName("state").HasMaxLength(50);
            version.Property(v => v.SealedMaterial).HasColumnName("sealed_material").HasMaxLength(4000);
            version.Property(v => v.Created).HasColumnName("created");
        });
    }
}
