using System.Reflection;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations.Design;

namespace EfEnvelope.Specification;

/// <summary>The base of specifications that change a model step by step, with a migration for each step.</summary>
public abstract class MigratingSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    /// <summary>Gets every migration generated so far: what an application would have in its assembly.</summary>
    protected List<ScaffoldedMigration> Migrations { get; set; } = [];

    /// <summary>Gets or sets the year in which migrations are said to be made: those of two contexts share one history.</summary>
    protected int Year { get; set; } = 2026;

    protected ScaffoldedMigration Scaffold(Action<ModelBuilder> build)
    {
        using var context = Create(build, Migrations.Count == 0 ? null : CompileAll());
        var migration = DesignTime.ScaffoldMigration(context, $"Step{Migrations.Count + 1}");

        // Identifiers carry the second in which they were made; these come faster.
        var id = $"{Year}010100000{Migrations.Count}_Step{Migrations.Count + 1}";
        Migrations.Add(
            new ScaffoldedMigration(
                migration.FileExtension, migration.PreviousMigrationId, migration.MigrationCode, id,
                migration.MetadataCode.Replace(migration.MigrationId, id, StringComparison.Ordinal), migration.MigrationSubNamespace,
                migration.SnapshotCode, migration.SnapshotName, migration.SnapshotSubnamespace));
        return Migrations[^1];
    }

    protected static ScaffoldedMigration Copy(ScaffoldedMigration migration, string code)
        => new(
            migration.FileExtension, migration.PreviousMigrationId, code, migration.MigrationId, migration.MetadataCode,
            migration.MigrationSubNamespace, migration.SnapshotCode, migration.SnapshotName, migration.SnapshotSubnamespace);

    protected static string Up(ScaffoldedMigration migration)
        => migration.MigrationCode[..migration.MigrationCode.IndexOf("override void Down", StringComparison.Ordinal)];

    protected static string AddToUp(ScaffoldedMigration migration, string call)
    {
        var end = migration.MigrationCode.LastIndexOf('}', migration.MigrationCode.IndexOf("override void Down", StringComparison.Ordinal));
        return migration.MigrationCode.Insert(end, $"    migrationBuilder.{call};" + Environment.NewLine);
    }

    protected Assembly CompileAll()
        => DesignTime.Compile([.. Migrations.SelectMany(m => new[] { m.MigrationCode, m.MetadataCode }), Migrations[^1].SnapshotCode]);

    protected async Task MigrateAsync(Action<ModelBuilder> build)
    {
        await using var context = Create(build, CompileAll());
        await context.Database.MigrateAsync();
    }

    protected ModelContext Create(
        Action<ModelBuilder> build,
        Assembly? migrations = null,
        Action<ModelConfigurationBuilder>? conventions = null,
        Action<EnvelopeOptionsBuilder>? configure = null)
    {
        var builder = new DbContextOptionsBuilder<ModelContext>(Options<ModelContext>(configure));
        builder.ReplaceService<IModelCacheKeyFactory, ModelContext.CacheKeyFactory>();
        builder.ConfigureWarnings(w => w.Ignore(RelationalEventId.PendingModelChangesWarning, RelationalEventId.MigrationsNotFound));
        var assembly = migrations ?? (Migrations.Count == 0 ? null : CompileAll());
        if (assembly is not null)
        {
            ((IDbContextOptionsBuilderInfrastructure)builder).AddOrUpdateExtension(
                RelationalOptionsExtension.Extract(builder.Options).WithMigrationsAssembly(assembly));
        }

        return new ModelContext(builder.Options, build, conventions);
    }
}
