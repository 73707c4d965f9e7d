using EfEnvelope.EntityFrameworkCore.KeyStore;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Row = System.Collections.Generic.Dictionary<string, object>;

namespace EfEnvelope.Rotation.Sql;

/// <summary>The tables of EfEnvelope that migrations bring, seen without an application's model: key store, budgets and encryption map.</summary>
internal sealed class RotationContext(DbContextOptions<RotationContext> options, string? schema) : DbContext(options)
{
    public string? Schema => schema;

    public DbSet<Row> Map => Set<Row>(EnvelopeTables.Map);

    public DbSet<Row> Keys => Set<Row>(EnvelopeTables.Keys);

    public DbSet<Row> Usage => Set<Row>(EnvelopeTables.Usage);

    protected override void OnModelCreating(ModelBuilder modelBuilder) => EnvelopeTables.AddTo(modelBuilder.Model, schema);

    // One model per schema.
    internal sealed class SchemaCacheKeyFactory : IModelCacheKeyFactory
    {
        public object Create(DbContext context, bool designTime)
            => (context.GetType(), (context as RotationContext)?.Schema, designTime);
    }
}
