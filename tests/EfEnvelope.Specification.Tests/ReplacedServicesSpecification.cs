using System.ComponentModel.DataAnnotations.Schema;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata.Conventions;
using Microsoft.EntityFrameworkCore.Metadata.Conventions.Infrastructure;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Query.Internal;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

#pragma warning disable EF1001 // The services that an application may replace are EF Core's own.

namespace EfEnvelope.Specification;

/// <summary>Whichever services of EF Core an application or another library replaces, no plaintext is stored, and alarms arrive as themselves.</summary>
public abstract class ReplacedServicesSpecification(TestDatabase database) : EnvelopeSpecification(database, TestKms.Shared)
{
    private const string Secret = "secret-value";

    private static readonly Dictionary<string, Action<DbContextOptionsBuilder>> Replacements = new()
    {
        ["conventions"] = o => o.ReplaceService<IConventionSetBuilder, ProviderConventions>(),
        ["interceptors"] = o => o.ReplaceService<IInterceptors, NoInterceptors>(),
        ["compiler"] = o => o.ReplaceService<IShapedQueryCompilingExpressionVisitorFactory, RelationalShapedQueryCompilingExpressionVisitorFactory>(),
        ["preprocessor"] = o => o.ReplaceService<IQueryTranslationPreprocessorFactory, RelationalQueryTranslationPreprocessorFactory>(),
        ["database of another library"] = o => ((IDbContextOptionsBuilderInfrastructure)o).AddOrUpdateExtension(new OtherLibrary()),
    };

    public static TheoryData<string> Subsets
        => [.. Enumerable.Range(1, (1 << Replacements.Count) - 1).Select(bits => string.Join(", ", Replacements.Keys.Where((_, i) => (bits & (1 << i)) != 0)))];

    [Theory]
    [MemberData(nameof(Subsets))]
    public async Task No_plaintext_is_stored_whatever_is_replaced(string replaced)
    {
        await CreateTableAsync();
        var options = new DbContextOptionsBuilder<NoteContext>(Options<NoteContext>());
        foreach (var name in replaced.Split(", "))
            Replacements[name](options);
        foreach (var attempt in new Func<NoteContext, Task>[]
        {
            db => { db.Add(new Note { Id = 2, Text = Secret }); return db.SaveChangesAsync(); },
            db => { db.Add(new Note { Id = 3, Text = Secret }); db.SaveChanges(); return Task.CompletedTask; },
            db => { db.Update(new Note { Id = 1, Text = Secret }); return db.SaveChangesAsync(); },
            db => db.Notes.ExecuteUpdateAsync(s => s.SetProperty(n => n.Text, Secret)),
            db => { db.Notes.ExecuteUpdate(s => s.SetProperty(n => n.Text, Secret)); return Task.CompletedTask; },
            db => db.Notes.Where(n => n.Text == Secret).ToListAsync(),
        })
        {
            await using var db = new NoteContext(options.Options);
            await Assert.ThrowsAnyAsync<Exception>(() => attempt(db));
        }

        Assert.Equal(["untouched"], await Database.QueryAsync($"SELECT {Database.Quote("Text")} FROM {Database.Quote("Notes")}"));
    }

    [Fact]
    public async Task Conventions_and_interceptors_replaced_together_are_refused_by_name()
    {
        await CreateTableAsync();
        await using var db = new NoteContext(
            new DbContextOptionsBuilder<NoteContext>(Options<NoteContext>())
                .ReplaceService<IConventionSetBuilder, ProviderConventions>().ReplaceService<IInterceptors, NoInterceptors>().Options);
        db.Add(new Note { Id = 2, Text = Secret });
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => db.SaveChangesAsync());
        Assert.StartsWith("'Note.Score' is marked as encrypted, but the model of this context was not built with envelope encryption", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Alarm_arrives_as_itself_with_detailed_errors(bool async)
    {
        var options = new DbContextOptionsBuilder<NoteContext>(Options<NoteContext>()).EnableDetailedErrors().Options;
        await using (var db = new NoteContext(options))
        {
            await db.Database.EnsureCreatedAsync();
            db.Add(new Note { Id = 1, Text = "one", Score = "1", Parts = { new NotePart { Id = 1, Text = "part" } } });
            await db.SaveChangesAsync();
        }

        foreach (var table in new[] { "Notes", "NotePart" })
        {
            await Database.QueryAsync(
                $"UPDATE {Database.Quote(table)} SET {Database.Quote("Text")} = (SELECT {Database.Quote("Score")} FROM {Database.Quote("Notes")})");
        }

        var all = $"SELECT * FROM {Database.Quote("Notes")}";
        foreach (var query in new Func<NoteContext, IQueryable<object?>>[]
        {
            db => db.Notes, db => db.Notes.AsNoTracking(), db => db.Notes.Select(n => n.Text), db => db.Notes.Select(n => new { n.Text }),
            db => db.Notes.IgnoreAutoIncludes().Select(n => new { n.Id, Parts = n.Parts.ToList() }), db => db.Set<NotePart>().AsSplitQuery().Select(p => new { p.Id, p.Note!.Text }),
            db => db.Notes.AsSplitQuery().Select(n => new { n.Id, Texts = n.Parts.Select(p => p.Text).ToList() }),
            db => db.Notes.FromSqlRaw(all), db => db.Notes.Select(n => n.Parts.First().Text),
        })
        {
            await using var db = new NoteContext(options);
            if (async)
                await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => query(db).ToListAsync());
            else
                Assert.Throws<EnvelopeDecryptionException>(() => query(db).ToList());
        }

        await using var compiled = new NoteContext(options);
        Assert.Throws<EnvelopeDecryptionException>(() => EF.CompileQuery((NoteContext db) => db.Notes.Select(n => n.Text).First())(compiled));
    }

    [Fact]
    public void Database_provider_that_is_not_relational_is_refused_by_name()
    {
        var options = new DbContextOptionsBuilder<NoteContext>();
        ((IDbContextOptionsBuilderInfrastructure)options).AddOrUpdateExtension(new InMemoryOptionsExtension());
        options.UseEnvelopeEncryption(e => e.UseKms(Kms));
        var e = Assert.Throws<EnvelopeConfigurationException>(() => new NoteContext(options.Options).Model);
        Assert.Equal(
            "The database provider 'InMemory' is not relational, so it is not supported. Use SQLite, PostgreSQL (Npgsql) or SQL Server; for tests in memory use SQLite with 'Data Source=:memory:'.",
            e.Message);
    }

    [Fact]
    public async Task Malformed_scope_of_a_context_is_an_error_of_its_configuration()
    {
        // The first context with this configuration is well-formed, so that EF Core has validated its options.
        await using (var db = new NoteContext(Options<NoteContext>()))
            await db.Database.EnsureCreatedAsync();
        var thrown = Assert.Throws<EnvelopeConfigurationException>(() => new NoteContext(Options<NoteContext>(e => e.Configure(o => o with { Scope = "tenant one" }))));
        Assert.Contains("'tenant one' is not a key scope", thrown.Message, StringComparison.Ordinal);
    }

    private async Task CreateTableAsync()
    {
        var (table, text) = (Database.Quote("Notes"), Database.Quote("Text"));
        await Database.QueryAsync($"CREATE TABLE {table} ({Database.Quote("Id")} int PRIMARY KEY, {text} text, {Database.Quote("Score")} text)");
        await Database.QueryAsync($"INSERT INTO {table} ({Database.Quote("Id")}, {text}) VALUES (1, 'untouched')");
    }

    public sealed class NoteContext(DbContextOptions<NoteContext> options) : DbContext(options)
    {
        public DbSet<Note> Notes => Set<Note>();

        protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.Entity<Note>().Property(n => n.Id).ValueGeneratedNever();
    }

    public sealed class Note
    {
        public int Id { get; set; }

        [Encrypted(Storage = EncryptedStorage.Text)]
        public string? Text { get; set; }

        [Encrypted(Storage = EncryptedStorage.Text)]
        public string? Score { get; set; }

        public List<NotePart> Parts { get; } = [];
    }

    public sealed class NotePart
    {
        [DatabaseGenerated(DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        [Encrypted(Storage = EncryptedStorage.Text)]
        public string? Text { get; set; }

        public Note? Note { get; set; }
    }

    // What the provider itself would do, without plug-ins and with no convention of EfEnvelope.
    private sealed class ProviderConventions(IProviderConventionSetBuilder provider) : IConventionSetBuilder
    {
        public ConventionSet CreateConventionSet() => provider.CreateConventionSet();
    }

    private sealed class NoInterceptors : IInterceptors
    {
        public TInterceptor? Aggregate<TInterceptor>()
            where TInterceptor : class, IInterceptor
            => null;
    }

    private sealed class OtherLibrary : IDbContextOptionsExtension
    {
        public DbContextOptionsExtensionInfo Info => new LibraryInfo(this);

        public void ApplyServices(IServiceCollection services) => services.AddScoped<IDatabase, RelationalDatabase>();

        public void Validate(IDbContextOptions options)
        {
        }

        private sealed class LibraryInfo(IDbContextOptionsExtension extension) : DbContextOptionsExtensionInfo(extension)
        {
            public override bool IsDatabaseProvider => false;

            public override string LogFragment => "";

            public override int GetServiceProviderHashCode() => 0;

            public override bool ShouldUseSameServiceProvider(DbContextOptionsExtensionInfo other) => other is LibraryInfo;

            public override void PopulateDebugInfo(IDictionary<string, string> debugInfo)
            {
            }
        }
    }

    // Stands for the provider of that name, which these tests do not refer to.
    private sealed class InMemoryOptionsExtension : IDbContextOptionsExtension
    {
        public DbContextOptionsExtensionInfo Info => new ProviderInfo(this);

        public void ApplyServices(IServiceCollection services)
        {
        }

        public void Validate(IDbContextOptions options)
        {
        }

        private sealed class ProviderInfo(IDbContextOptionsExtension extension) : DbContextOptionsExtensionInfo(extension)
        {
            public override bool IsDatabaseProvider => true;

            public override string LogFragment => "";

            public override int GetServiceProviderHashCode() => 0;

            public override bool ShouldUseSameServiceProvider(DbContextOptionsExtensionInfo other) => other is ProviderInfo;

            public override void PopulateDebugInfo(IDictionary<string, string> debugInfo)
            {
            }
        }
    }
}
