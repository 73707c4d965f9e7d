using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>A context whose model a test describes in a lambda.</summary>
public sealed class AdHocContext(DbContextOptions<AdHocContext> options, AdHocModel model) : DbContext(options)
{
    public AdHocModel Description => model;

    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
        => model.Conventions?.Invoke(configurationBuilder);

    protected override void OnModelCreating(ModelBuilder modelBuilder) => model.Build(modelBuilder);

    /// <summary>One model per description; EF Core itself would keep one per context type.</summary>
    public sealed class DescriptionCacheKeyFactory : IModelCacheKeyFactory
    {
        public object Create(DbContext context, bool designTime)
            => context is AdHocContext { Description: var description } ? (description, designTime) : (context.GetType(), designTime);
    }
}

/// <summary>What a test describes; compared by reference.</summary>
public sealed class AdHocModel(Action<ModelBuilder> build, Action<ModelConfigurationBuilder>? conventions = null)
{
    public Action<ModelBuilder> Build => build;

    public Action<ModelConfigurationBuilder>? Conventions => conventions;
}
