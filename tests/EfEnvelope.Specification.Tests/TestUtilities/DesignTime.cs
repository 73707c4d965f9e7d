using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations.Design;
using Microsoft.EntityFrameworkCore.Scaffolding;
using Microsoft.Extensions.DependencyInjection;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>What <c>dotnet ef</c> does: generates migrations and compiled models, and compiles them as an application would.</summary>
public static class DesignTime
{
    private static readonly Lazy<List<MetadataReference>> References = new(
        () => [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path))]);

    private static readonly ConcurrentDictionary<string, Lazy<Assembly>> Compiled = new();

    public static ScaffoldedMigration ScaffoldMigration(DbContext context, string name)
    {
        using var services = CreateServices(context);
        using var scope = services.CreateScope();
        return scope.ServiceProvider.GetRequiredService<IMigrationsScaffolder>().ScaffoldMigration(name, "Generated", "Migrations", "C#");
    }

    /// <summary>Returns the source files of a compiled model.</summary>
    public static IReadOnlyList<string> ScaffoldModel(DbContext context, bool forNativeAot)
    {
        var folder = Directory.CreateTempSubdirectory("efenvelope-model-").FullName;
        try
        {
            using var services = CreateServices(context);
            using var scope = services.CreateScope();
            scope.ServiceProvider.GetRequiredService<ICompiledModelScaffolder>().ScaffoldModel(
                context.GetService<IDesignTimeModel>().Model,
                folder,
                new CompiledModelCodeGenerationOptions
                {
                    ContextType = context.GetType(),
                    ModelNamespace = "Generated",
                    Language = "C#",
                    ForNativeAot = forNativeAot,
                    UseNullableReferenceTypes = true,
                });
            return [.. Directory.GetFiles(folder, "*.cs").Select(File.ReadAllText)];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public static IModel LoadModel(Assembly assembly)
    {
        var model = assembly.GetTypes().Single(t => typeof(IModel).IsAssignableFrom(t) && t.IsDefined(typeof(DbContextAttribute)));
        return (IModel)model.GetProperty("Instance", BindingFlags.Public | BindingFlags.Static)!.GetValue(null)!;
    }

    /// <summary>Compiles source code against everything this process uses; the same code once.</summary>
    public static Assembly Compile(IReadOnlyCollection<string> sources)
        => Compiled.GetOrAdd(string.Join('\f', sources), _ => new Lazy<Assembly>(() => CompileAnew(sources))).Value;

    private static Assembly CompileAnew(IReadOnlyCollection<string> sources)
    {
        var options = new CSharpParseOptions(LanguageVersion.Latest);
        var compilation = CSharpCompilation.Create(
            $"Generated{Guid.NewGuid():N}",
            sources.Select(source => CSharpSyntaxTree.ParseText(source, options)),
            References.Value,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, nullableContextOptions: NullableContextOptions.Enable));
        using var stream = new MemoryStream();
        var result = compilation.Emit(stream);
        return result.Success
            ? Assembly.Load(stream.ToArray())
            : throw new InvalidOperationException(
                string.Join(Environment.NewLine, result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error).Take(10)));
    }

    private static ServiceProvider CreateServices(DbContext context)
    {
        var services = new ServiceCollection();
        services.AddEntityFrameworkDesignTimeServices();
        services.AddDbContextDesignTimeServices(context);
        var provider = Assembly.Load(context.Database.ProviderName!);
        var type = provider.GetCustomAttribute<DesignTimeProviderServicesAttribute>()!.TypeName;
        ((IDesignTimeServices)Activator.CreateInstance(provider.GetType(type, throwOnError: true)!)!).ConfigureDesignTimeServices(services);
        return services.BuildServiceProvider();
    }
}
