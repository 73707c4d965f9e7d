using EfEnvelope.Kms.Local.Storage;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>Reads and writes the tables of a KMS behind its back, by Entity Framework, which knows nothing of the KMS's own
/// commands.</summary>
internal sealed class TamperContext(DbContextOptions options) : DbContext(options)
{
    public DbSet<MetaRow> Meta => Set<MetaRow>();

    public DbSet<KeyRow> Keys => Set<KeyRow>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        foreach (var table in KmsTables.All)
        {
            var type = modelBuilder.Entity(table.RowType).ToTable(table.Name);
            foreach (var column in table.Columns)
                type.Property(NameOf(column)).HasColumnName(column.Name).ValueGeneratedNever();
            type.HasKey([.. table.Key.Select(NameOf)]);
        }

        static string NameOf(KmsColumn column) => string.Concat(column.Name.Split('_').Select(part => char.ToUpperInvariant(part[0]) + part[1..]));
    }
}

internal static class TamperExtensions
{
    public static TamperContext CreateContext(this StorePlace place)
    {
        var options = new DbContextOptionsBuilder<TamperContext>();
        if (place is ServerPlace server)
            options.UseNpgsql(RelationalOptionsExtension.Extract(server.Options).ConnectionString);
        else
            options.UseSqlite(new SqliteConnectionStringBuilder { DataSource = place.FilePath }.ConnectionString);
        return new(options.Options);
    }
}
