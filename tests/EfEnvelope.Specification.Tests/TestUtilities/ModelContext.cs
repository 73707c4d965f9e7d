using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>A context whose model is given from outside, so that one type can have a model today and a changed one tomorrow.</summary>
public sealed class ModelContext(
    DbContextOptions<ModelContext> options, Action<ModelBuilder> build, Action<ModelConfigurationBuilder>? conventions = null)
    : DbContext(options)
{
    public Action<ModelBuilder> Build => build;

    protected override void OnModelCreating(ModelBuilder modelBuilder) => build(modelBuilder);

    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder) => conventions?.Invoke(configurationBuilder);

    /// <summary>One model per way to build it.</summary>
    public sealed class CacheKeyFactory : IModelCacheKeyFactory
    {
        public object Create(DbContext context, bool designTime) => (context.GetType(), (context as ModelContext)?.Build, designTime);
    }
}
