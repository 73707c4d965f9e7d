using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Migrations;
using EfEnvelope.EntityFrameworkCore.Query;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.EntityFrameworkCore.Update;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Conventions.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>Plugs EfEnvelope into a context. Nothing that belongs to a provider is replaced.</summary>
internal sealed class EnvelopeOptionsExtension(EnvelopeOptionsBuilder configuration) : IDbContextOptionsExtension
{
    public EnvelopeOptionsBuilder Configuration => configuration;

    /// <summary>Gets the part of these options in the runtime of their configuration.</summary>
    public RuntimeLease Runtime => field ??= EnvelopeRuntimes.Shared.Lease(configuration);

    public DbContextOptionsExtensionInfo Info => field ??= new ExtensionInfo(this);

    public void ApplyServices(IServiceCollection services)
    {
        new EntityFrameworkRelationalServicesBuilder(services)
            .TryAdd<IConventionSetPlugin, EnvelopeConventionSetPlugin>()
            .TryAdd<IRelationalTypeMappingSourcePlugin, EnvelopeTypeMappingSourcePlugin>()
            .TryAdd<IResettableService, EnvelopeSession>(s => s.GetRequiredService<EnvelopeSession>())
            .TryAdd<IMethodCallTranslatorPlugin, EncryptedTextTranslatorPlugin>()
            .TryAdd<IMethodCallTranslatorPlugin, TranslationWatch>(s => s.GetRequiredService<TranslationWatch>())
            .TryAdd<IMemberTranslatorPlugin, TranslationWatch>(s => s.GetRequiredService<TranslationWatch>())
            .TryAdd<IInterceptor, EnvelopeInterceptor>();
        services.AddSingleton<Presence>();
        services.AddScoped<EnvelopeSession>();

        ReplaceQueryService<IShapedQueryCompilingExpressionVisitorFactory, EnvelopeShapedQueryCompilingExpressionVisitorFactory>(services);
        ReplaceQueryService<IQueryTranslationPreprocessorFactory, EnvelopeQueryTranslationPreprocessorFactory>(services);

        services.AddScoped<TranslationWatch>();
        Decorate<IDatabase>(
            services, (inner, s) => new EnvelopeDatabase(inner, s.GetRequiredService<EnvelopeSession>(), s.GetRequiredService<TranslationWatch>()));
        Decorate<IMigrationsModelDiffer>(services, (inner, s) => new EnvelopeMigrationsModelDiffer(inner, new(s.GetRequiredService<IDesignTimeModel>)));
        Decorate<IMigrationsSqlGenerator>(
            services,
            (inner, s) =>
            {
                var (sql, provider) = (s.GetRequiredService<ISqlGenerationHelper>(), s.GetRequiredService<IDatabaseProvider>().Name);
                return new EnvelopeMigrationsSqlGenerator(
                    inner,
                    new EnvelopeCheckOperations(sql, provider),
                    new EnvelopeTablesSql(sql, s.GetRequiredService<IRelationalTypeMappingSource>(), provider));
            });
        Decorate<IRelationalAnnotationProvider>(services, (inner, _) => new EnvelopeAnnotationProvider(inner));
    }

    public void Validate(IDbContextOptions options)
    {
        configuration.Validate();
        if (options.Extensions.FirstOrDefault(e => e.Info.IsDatabaseProvider) is { } provider and not RelationalOptionsExtension)
        {
            var name = provider.GetType().Name.Replace("OptionsExtension", "", StringComparison.Ordinal);
            throw new EnvelopeConfigurationException(EnvelopeMessages.NotRelational(name));
        }

        var core = options.FindExtension<CoreOptionsExtension>();
        if (core?.InternalServiceProvider is { } services && services.GetService<Presence>() is null)
            throw new EnvelopeConfigurationException(EnvelopeMessages.InternalServiceProvider());

        if (options.Extensions.Any(e => e.GetType().FullName?.StartsWith("LinqToDB.", StringComparison.Ordinal) == true))
            throw new EnvelopeConfigurationException(EnvelopeMessages.LinqToDb());

        // 'ReplaceService' comes after all extensions, so it would take the decorators away without a word.
        foreach (var ((service, _), replacement) in core?.ReplacedServices ?? new Dictionary<(Type, Type?), Type>())
        {
            if (service == typeof(IDatabase))
                throw new EnvelopeConfigurationException(EnvelopeMessages.QueryServiceTaken(replacement.FullName));
            if (service == typeof(IMigrationsSqlGenerator) || service == typeof(IMigrationsModelDiffer) || service == typeof(IRelationalAnnotationProvider))
                throw new EnvelopeConfigurationException(EnvelopeMessages.MigrationServiceTaken(replacement.FullName));
        }
    }

    // All relational providers leave these to EF Core itself; another library that replaces one would switch the guard off.
    private static void ReplaceQueryService<TService, TImplementation>(IServiceCollection services)
        where TService : class
        where TImplementation : class, TService
    {
        if (services.FirstOrDefault(s => s.ServiceType == typeof(TService)) is { } other
            && other.ImplementationType?.Assembly != typeof(RelationalShapedQueryCompilingExpressionVisitor).Assembly)
            throw new EnvelopeConfigurationException(EnvelopeMessages.QueryServiceTaken(other.ImplementationType?.FullName));
        services.Replace(ServiceDescriptor.Scoped<TService, TImplementation>());
    }

    private static void Decorate<T>(IServiceCollection services, Func<T, IServiceProvider, T> decorate)
        where T : class
    {
        var inner = services.LastOrDefault(s => s.ServiceType == typeof(T) && s.ImplementationType is not null)
            ?? throw new EnvelopeConfigurationException(EnvelopeMessages.ProviderFirst());
        services.Remove(inner);
        services.Add(new ServiceDescriptor(inner.ImplementationType!, inner.ImplementationType!, inner.Lifetime));
        services.Add(
            new ServiceDescriptor(typeof(T), s => decorate((T)s.GetRequiredService(inner.ImplementationType!), s), inner.Lifetime));
    }

    /// <summary>Tells that internal services know EfEnvelope.</summary>
    private sealed class Presence;

    // The services are the same for all configurations: which one a context has is told by its options, so that any number of configurations shares one
    // internal service provider, with its models and its query cache.
    private sealed class ExtensionInfo(EnvelopeOptionsExtension extension) : DbContextOptionsExtensionInfo(extension)
    {
        public override bool IsDatabaseProvider => false;

        public override string LogFragment => "using EnvelopeEncryption ";

        // EF Core asks this of the options of every context, and validates those of the first one alone that gets an internal service provider.
        public override int GetServiceProviderHashCode()
        {
            ((EnvelopeOptionsExtension)Extension).Configuration.Validate();
            return 0;
        }

        public override bool ShouldUseSameServiceProvider(DbContextOptionsExtensionInfo other) => other is ExtensionInfo;

        public override void PopulateDebugInfo(IDictionary<string, string> debugInfo) => debugInfo["EnvelopeEncryption"] = "1";
    }
}
