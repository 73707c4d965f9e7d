using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>A model that would write an encrypted column in clear text is refused by the encryption map of the database.</summary>
public abstract class MapCheckSpecification(TestDatabase database) : MigratingSpecification(database)
{
    [Theory]
    [InlineData("plain", true)]
    [InlineData("plain", false)]
    [InlineData("another property is encrypted", true)]
    [InlineData("another property is encrypted", false)]
    public async Task Model_that_writes_an_encrypted_column_in_clear_text_is_refused(string kind, bool synchronous)
    {
        await CreateAsync(Encrypted);

        await using var stale = Create(kind == "plain" ? Plain : CodeEncrypted);
        stale.Add(new Card { Note = "in clear text" });
        var e = synchronous ? Record.Exception(() => stale.SaveChanges()) : await Record.ExceptionAsync(() => stale.SaveChangesAsync());

        AssertRefused(e);
        Assert.Empty(await Database.QueryAsync($"SELECT {Database.Quote("Note")} FROM {Database.Quote("Cards")}"));
    }

    [Fact]
    public async Task Compiled_model_that_is_older_than_a_fluent_mark_is_refused()
    {
        IReadOnlyList<string> sources;
        await using (var context = Create(Plain))
            sources = DesignTime.ScaffoldModel(context, forNativeAot: false);
        await CreateAsync(Encrypted);

        var options = new DbContextOptionsBuilder<ModelContext>(Options<ModelContext>()).UseModel(DesignTime.LoadModel(DesignTime.Compile([.. sources]))).Options;
        await using var stale = new ModelContext(options, Encrypted);

        AssertRefused(await Record.ExceptionAsync(() => stale.Set<Card>().ExecuteUpdateAsync(s => s.SetProperty(c => c.Note, "in clear text"))));
    }

    [Fact]
    public async Task Column_that_may_hold_plaintext_is_written_by_a_model_that_does_not_encrypt_it()
    {
        await CreateAsync(b => Map(b, c => c.Property(x => x.Note).IsEncrypted(storage: EncryptedStorage.Text).AllowPlaintextWhileBackfilling()));

        await using (var old = Create(Plain))
        {
            old.Add(new Card { Note = "in clear text" });
            await old.SaveChangesAsync();
        }

        Assert.Equal("in clear text", Assert.Single(await Database.QueryAsync($"SELECT {Database.Quote("Note")} FROM {Database.Quote("Cards")}")));
    }

    [Fact]
    public async Task Map_that_a_migration_changes_is_compared_again_in_the_same_process()
    {
        Scaffold(Plain);
        await MigrateAsync(Plain);
        await using var stale = Create(Plain);
        stale.Add(new Card { Code = "c" });
        await stale.SaveChangesAsync();

        Scaffold(b => Map(b, c => c.Property<string?>("Secret").IsEncrypted(storage: EncryptedStorage.Text)));
        await MigrateAsync(b => Map(b, c => c.Property<string?>("Secret").IsEncrypted(storage: EncryptedStorage.Text)));

        await using var plain = Create(b => Map(b, c => c.Property<string?>("Secret")));
        plain.Add(new Card { Code = "d" });
        AssertRefused(await Record.ExceptionAsync(() => plain.SaveChangesAsync()), "Secret");
        stale.Add(new Card { Code = "e" });
        await stale.SaveChangesAsync();
    }

    [Theory]
    [InlineData("'', 'Cards', 'Code', 'x', 'randomized', 'string', NULL", "Code")]
    [InlineData("'', 'Cards', 'Code', 'x', 'whatever', '', '{'", "Code")]
    [InlineData("'', 'Cards', 'Code', 'x', 'randomized', 'string', '[]'", "Code")]
    [InlineData("'', 'Cards', 'Code', 'x', 'randomized', 'string', '{\"allowsPlaintext\":\"true\"}'", "Code")]
    [InlineData("'', 'Elsewhere', 'Code', 'x', 'randomized', 'string', '{'", null)]
    [InlineData("'other', 'Cards', 'Code', 'x', 'randomized', 'string', NULL", null)]
    [InlineData("'', 'Cards', 'Code', 'x', 'blindindex', 'blindindex', '{'", null)]
    public async Task Row_that_somebody_else_wrote_into_the_map_refuses_at_most(string row, string? refused)
    {
        await CreateAsync(Encrypted);
        await Database.QueryAsync($"INSERT INTO {Database.Quote("__EnvelopeMap")} ({ColumnList}) VALUES ({row})");

        await using var context = Create(Encrypted);
        context.Add(new Card { Note = "a note", Code = "c" });
        var e = await Record.ExceptionAsync(() => context.SaveChangesAsync());

        if (refused is not null)
        {
            AssertRefused(e, refused);
            return;
        }

        Assert.Null(e);
        Assert.StartsWith("efenvelope:v1:", (string)Assert.Single(await Database.QueryAsync($"SELECT {Database.Quote("Note")} FROM {Database.Quote("Cards")}"))!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Map_that_is_missing_or_empty_changes_nothing()
    {
        await CreateAsync(Encrypted);
        await Database.QueryAsync($"DELETE FROM {Database.Quote("__EnvelopeMap")}");
        await SaveAsync();
        await Database.QueryAsync($"DROP TABLE {Database.Quote("__EnvelopeMap")}");
        await SaveAsync();

        Assert.All(
            await Database.QueryAsync($"SELECT {Database.Quote("Note")} FROM {Database.Quote("Cards")}"),
            v => Assert.StartsWith("efenvelope:v1:", (string)v!, StringComparison.Ordinal));

        async Task SaveAsync()
        {
            // A configuration of its own: another process.
            await using var context = Create(b => Encrypted(b), configure: e => e.Configure(o => o with { NegativeCacheTime = TimeSpan.FromSeconds(3) }));
            await using var transaction = await context.Database.BeginTransactionAsync();
            context.Add(new Card { Note = "a note" });
            await context.SaveChangesAsync();
            await transaction.CommitAsync();
        }
    }

    [Fact]
    public async Task Map_is_not_read_again_for_every_command()
    {
        await CreateAsync(Encrypted);
        await using var context = Create(Encrypted);
        context.Add(new Card { Note = "first" });
        await context.SaveChangesAsync();
        await Database.QueryAsync($"INSERT INTO {Database.Quote("__EnvelopeMap")} ({ColumnList}) VALUES ('', 'Cards', 'Code', 'x', 'randomized', 'string', NULL)");

        context.Add(new Card { Note = "second" });
        await context.SaveChangesAsync();
        await using var another = Create(Encrypted);
        Assert.Equal(2, (await another.Set<Card>().ToListAsync()).Count);
    }

    private string ColumnList
        => string.Join(", ", new[] { "TableSchema", "TableName", "ColumnName", "Field", "Mode", "PlaintextType", "Definition" }.Select(Database.Quote));

    private async Task CreateAsync(Action<ModelBuilder> build)
    {
        await using var context = Create(build);
        await context.Database.EnsureCreatedAsync();
    }

    private static void AssertRefused(Exception? e, string property = "Note")
    {
        var refusal = Assert.IsType<EnvelopeConfigurationException>(e is DbUpdateException ? e.InnerException : e);
        Assert.StartsWith($"'Card.{property}' would be written in clear text into column 'Cards.{property}'", refusal.Message, StringComparison.Ordinal);
    }

    private static void Encrypted(ModelBuilder modelBuilder) => Map(modelBuilder, c => c.Property(x => x.Note).IsEncrypted(storage: EncryptedStorage.Text));

    private static void CodeEncrypted(ModelBuilder modelBuilder) => Map(modelBuilder, c => c.Property(x => x.Code).IsEncrypted(storage: EncryptedStorage.Text));

    private static void Plain(ModelBuilder modelBuilder) => Map(modelBuilder, _ => { });

    private static void Map(ModelBuilder modelBuilder, Action<Microsoft.EntityFrameworkCore.Metadata.Builders.EntityTypeBuilder<Card>> build)
        => modelBuilder.Entity<Card>(c => { c.ToTable("Cards"); build(c); });

    public sealed class Card
    {
        public int Id { get; set; }

        public string? Note { get; set; }

        public string? Code { get; set; }
    }
}
