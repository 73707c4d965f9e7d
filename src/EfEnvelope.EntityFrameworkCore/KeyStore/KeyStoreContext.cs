using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Row = System.Collections.Generic.Dictionary<string, object>;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>Reads and writes the key store's tables with the provider of the user's context.</summary>
internal sealed class KeyStoreContext(DbContextOptions<KeyStoreContext> options, string? schema) : DbContext(options)
{
    public string? Schema => schema;

    public DbSet<Row> Keys => Set<Row>(EnvelopeTables.Keys);

    public DbSet<Row> Usage => Set<Row>(EnvelopeTables.Usage);

    protected override void OnModelCreating(ModelBuilder modelBuilder) => EnvelopeTables.AddTo(modelBuilder.Model, schema);

    // One model per schema.
    internal sealed class SchemaCacheKeyFactory : IModelCacheKeyFactory
    {
        public object Create(DbContext context, bool designTime)
            => (context.GetType(), (context as KeyStoreContext)?.Schema, designTime);
    }
}
