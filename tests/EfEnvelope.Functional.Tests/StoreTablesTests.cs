using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Migrations;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteStoreTablesTests() : StoreTablesSpecification(new SqliteTestDatabase())
{
    // SQLite has no scripts that run again.
    protected override MigrationsSqlGenerationOptions ScriptOptions => MigrationsSqlGenerationOptions.Default;
}

public sealed class PostgresStoreTablesTests() : StoreTablesSpecification(new PostgresTestDatabase())
{
    [Theory]
    [InlineData(null, "clinic")]
    [InlineData("clinic", "other \"clinic\"")]
    public async Task Tables_move_with_the_default_schema(string? from, string? to)
    {
        Scaffold(In(from));
        await MigrateAsync(In(from));
        await using (var context = Create(In(from)))
        {
            context.Add(new Individual { Name = "Ada" });
            await context.SaveChangesAsync();
        }

        Scaffold(In(to));
        await MigrateAsync(In(to));

        await using (var context = Create(In(to)))
        {
            Assert.Equal("Ada", (await context.Set<Individual>().SingleAsync()).Name);
            Assert.Single(await context.Database.GetEnvelopeKeysAsync());
        }

        Assert.Equal(
            Enumerable.Repeat(to ?? "public", 3),
            await Database.QueryAsync("SELECT schemaname::text FROM pg_tables WHERE tablename LIKE '\\_\\_Envelope%'"));
        Assert.Single(await Database.QueryAsync($"SELECT 1 FROM \"{(to ?? "public").Replace("\"", "\"\"", StringComparison.Ordinal)}\".\"__EnvelopeMap\""));
    }

    private static Action<ModelBuilder> In(string? schema)
        => modelBuilder =>
        {
            modelBuilder.HasDefaultSchema(schema);
            modelBuilder.Entity<Individual>(b => { b.ToTable("People", schema); b.Property(p => p.Name).IsEncrypted(context: "People.Name"); });
        };
}

[Collection("SqlServer")]
public sealed class SqlServerStoreTablesTests() : StoreTablesSpecification(new SqlServerTestDatabase());
