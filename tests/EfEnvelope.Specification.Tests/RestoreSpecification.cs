using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// Databases that are restored from an older copy, made anew or exchanged behind a running process: whatever it writes afterwards can be opened by
/// every other process.
/// </summary>
public abstract class RestoreSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private string _kmsFile = "";
    private DbContextOptions<CardContext>? _warm;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _kmsFile = FileKms.CreateFile();
        _warm = Use(new FileKms(_kmsFile));
        await using var context = CreateWarm();
        await context.Database.EnsureCreatedAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_kmsFile.Length > 0)
            File.Delete(_kmsFile);
    }

    public static TheoryData<string> Writes
        => ["insert", "insert, synchronous", "insert, transaction", "insert, synchronous transaction", "insert after a read", "update", "ExecuteUpdate"];

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task Key_row_that_was_lost_is_put_back_by_the_next_write(string write)
    {
        await SaveAsync("before");
        var commitment = Assert.Single(await ReadKeysAsync("Commitment"));
        await Database.QueryAsync($"DELETE FROM {Keys}");

        await WriteAsync(write);

        Assert.Equal(commitment, Assert.Single(await ReadKeysAsync("Commitment")));
        await AssertEveryRowOpensAsync(write is "update" or "ExecuteUpdate" ? ["changed"] : ["before", "changed"]);
    }

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task Newest_key_version_that_was_lost_is_put_back_by_the_next_write(string write)
    {
        await SaveAsync("before");
        await using (var context = CreateWarm())
            await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
        await SaveAsync("between");
        await Database.QueryAsync($"DELETE FROM {Keys} WHERE {Database.Quote("Version")} = 2 AND {Database.OfApplications}");

        await WriteAsync(write);

        Assert.Equal([1, 2], (await ReadKeysAsync("Version")).Select(Convert.ToInt32));
        await AssertEveryRowOpensAsync(
            write switch
            {
                "update" => ["changed", "between"],
                "ExecuteUpdate" => ["changed", "changed"],
                _ => ["before", "between", "changed"],
            });
    }

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task Data_key_row_that_was_lost_alone_is_put_back_by_the_next_write(string write)
    {
        await SaveAsync("before");
        await Database.QueryAsync($"DELETE FROM {Keys} WHERE {Database.OfApplications}");

        await WriteAsync(write);

        await AssertEveryRowOpensAsync(write is "update" or "ExecuteUpdate" ? ["changed"] : ["before", "changed"]);
    }

    [Fact]
    public async Task Row_of_the_intermediate_key_that_was_lost_alone_is_put_back_by_the_next_refresh()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        _warm = Use(new FileKms(_kmsFile), time);
        await SaveAsync("before");
        var stored = await Database.QueryAsync($"SELECT {Database.Quote("Commitment")} FROM {Keys} WHERE NOT ({Database.OfApplications})");
        await Database.QueryAsync($"DELETE FROM {Keys} WHERE NOT ({Database.OfApplications})");
        await SaveAsync("meanwhile");

        time.Advance(new EnvelopeOptions().RefreshInterval);
        await SaveAsync("after");

        Assert.Equal(stored, await Database.QueryAsync($"SELECT {Database.Quote("Commitment")} FROM {Keys} WHERE NOT ({Database.OfApplications})"));
        await AssertEveryRowOpensAsync("before", "meanwhile", "after");
    }

    [Fact]
    public async Task New_key_version_after_the_row_of_the_intermediate_key_was_lost_opens_everywhere()
    {
        await SaveAsync("before");
        await Database.QueryAsync($"DELETE FROM {Keys} WHERE NOT ({Database.OfApplications})");
        await using (var context = CreateWarm())
            await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);

        await SaveAsync("after");

        await AssertEveryRowOpensAsync("before", "after");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tables_that_another_process_made_anew_take_rows_that_all_processes_open(bool withKeys)
    {
        await SaveAsync("gone");
        await MakeTablesAnewAsync();
        if (withKeys)
            await SaveColdAsync("of the other");

        await SaveAsync("after");
        await SaveColdAsync("of a third");

        Assert.Single(await ReadKeysAsync("Version"));
        await AssertEveryRowOpensAsync(withKeys ? ["of the other", "after", "of a third"] : ["after", "of a third"]);
        await using var context = CreateWarm();
        Assert.Equal(withKeys ? 3 : 2, (await context.Cards.Select(c => c.Text).ToListAsync()).Count);
    }

    [Fact]
    public async Task Key_rows_lost_behind_many_writers_at_once_are_put_back_once()
    {
        await SaveAsync("before");
        await Database.QueryAsync($"DELETE FROM {Keys}");

        await Parallel.ForEachAsync(
            Enumerable.Range(0, 8), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (_, _) => await SaveAsync("after"));

        Assert.Single(await ReadKeysAsync("Version"));
        await AssertEveryRowOpensAsync(["before", .. Enumerable.Repeat("after", 8)]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Key_row_lost_between_two_writes_of_one_context_is_put_back(bool transactions)
    {
        await using var context = CreateWarm();
        foreach (var text in new[] { "before", "after" })
        {
            await using var transaction = transactions ? await context.Database.BeginTransactionAsync() : null;
            context.Add(new Card { Text = text });
            await context.SaveChangesAsync();
            if (transaction is not null)
                await transaction.CommitAsync();
            await Database.QueryAsync(text == "before" ? $"DELETE FROM {Keys}" : "SELECT 1");
        }

        await AssertEveryRowOpensAsync("before", "after");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Process_that_finds_key_rows_lost_makes_no_other_key_and_reads_nothing(bool withUsage)
    {
        await SaveAsync("before");
        await Database.QueryAsync($"DELETE FROM {Keys}");
        if (withUsage)
            await Database.QueryAsync($"DELETE FROM {Usage}");

        var writing = Assert.IsType<KeyUnavailableException>((await Assert.ThrowsAsync<DbUpdateException>(() => SaveColdAsync("lost"))).InnerException);
        await using var context = new CardContext(Cold());
        var reading = Assert.Throws<KeyUnavailableException>(() => context.Cards.ToList());
        var loading = await Assert.ThrowsAsync<KeyUnavailableException>(() => context.Database.LoadEnvelopeKeysAsync());

        Assert.All([writing, reading, loading], e => Assert.Contains("Restore the rows of '__EnvelopeKeys'", e.Message, StringComparison.Ordinal));
        Assert.Contains(withUsage ? "'Cards.Text'" : "'__EnvelopeUsage'", writing.Message, StringComparison.Ordinal);
        Assert.Empty(await ReadKeysAsync("Version"));
        Assert.Single(await StoredAsync());
    }

    [Fact]
    public async Task Newest_key_version_that_was_lost_is_not_given_its_number_again()
    {
        await SaveAsync("before");
        await using (var context = CreateWarm())
            await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
        await SaveAsync("between");
        await Database.QueryAsync($"DELETE FROM {Keys} WHERE {Database.Quote("Version")} = 2 AND {Database.OfApplications}");

        await using var cold = new CardContext(Cold());
        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => cold.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero));

        Assert.Contains("'default:v2'", e.Message, StringComparison.Ordinal);
        Assert.Equal([1], (await ReadKeysAsync("Version")).Select(Convert.ToInt32));
    }

    [Fact]
    public async Task Intermediate_key_that_was_lost_is_not_given_its_number_again()
    {
        await SaveAsync("before");
        await Database.QueryAsync($"DELETE FROM {Keys} WHERE NOT ({Database.OfApplications})");

        await using var cold = new CardContext(
            new DbContextOptionsBuilder<CardContext>(Cold()).UseEnvelopeEncryption(e => e.UseKms(new FileKms(_kmsFile)).UseScope("other")).Options);
        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => cold.Database.LoadEnvelopeKeysAsync());

        Assert.Contains("'~intermediate:v1'", e.Message, StringComparison.Ordinal);
        Assert.Empty(await Database.QueryAsync($"SELECT {Database.Quote("Version")} FROM {Keys} WHERE NOT ({Database.OfApplications})"));
    }

    [Fact]
    public async Task Scope_without_a_key_beside_others_gets_its_first_one()
    {
        await SaveAsync("before");
        await using var other = new CardContext(
            new DbContextOptionsBuilder<CardContext>(Cold()).UseEnvelopeEncryption(e => e.UseKms(new FileKms(_kmsFile)).UseScope("other")).Options);

        await other.Database.LoadEnvelopeKeysAsync();

        Assert.Equal(2, (await ReadKeysAsync("Version")).Count);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(long.MaxValue)]
    public async Task Count_of_encrypted_values_that_was_altered_stops_the_next_write(long reserved)
    {
        await SaveAsync("before");
        await Database.QueryAsync($"UPDATE {Usage} SET {Database.Quote("Reserved")} = @reserved", ("@reserved", reserved));

        var e = Assert.IsType<EnvelopeDecryptionException>((await Assert.ThrowsAsync<DbUpdateException>(() => SaveColdAsync("more"))).InnerException);

        Assert.Contains("'default:v1' and 'Cards.Text' in table '__EnvelopeUsage'", e.Message, StringComparison.Ordinal);
        await AssertEveryRowOpensAsync("before");
    }

    [Fact]
    public async Task Missing_key_table_stops_the_next_write()
    {
        await SaveAsync("before");
        await Database.QueryAsync($"DROP TABLE {Keys}");

        var e = (await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync("lost"))).InnerException;

        Assert.IsType<KeyUnavailableException>(e);
        Assert.Contains("'__EnvelopeKeys'", e.Message, StringComparison.Ordinal);
        Assert.Single(await StoredAsync());
    }

    protected string Keys => Database.Quote("__EnvelopeKeys");

    private string Usage => Database.Quote("__EnvelopeUsage");

    /// <summary>Opens a context of the process that runs all the time.</summary>
    protected CardContext CreateWarm() => new(_warm!);

    /// <summary>Makes options of a process that has just started, whose cache of keys is cold.</summary>
    protected DbContextOptions<CardContext> Cold() => Use(new FileKms(_kmsFile));

    protected async Task SaveAsync(string text)
    {
        await using var context = CreateWarm();
        context.Add(new Card { Text = text });
        await context.SaveChangesAsync();
    }

    protected async Task SaveColdAsync(string text)
    {
        await using var context = new CardContext(Cold());
        context.Add(new Card { Text = text });
        await context.SaveChangesAsync();
    }

    /// <summary>Asserts that a process that has just started opens every row there is.</summary>
    protected async Task AssertEveryRowOpensAsync(params string[] texts)
    {
        await using var context = new CardContext(Cold());
        Assert.Equal(texts, await context.Cards.OrderBy(c => c.Id).Select(c => c.Text).ToListAsync());
        Assert.Equal(texts.Length, (await StoredAsync()).Count);
    }

    protected Task<List<object?>> ReadKeysAsync(string column)
        => Database.QueryAsync($"SELECT {Database.Quote(column)} FROM {Keys} WHERE {Database.OfApplications} ORDER BY {Database.Quote("Version")}");

    private Task<List<object?>> StoredAsync() => Database.QueryAsync($"SELECT {Database.Quote("Text")} FROM {Database.Quote("Cards")}");

    private async Task WriteAsync(string write)
    {
        await using var context = CreateWarm();
        switch (write)
        {
            case "insert":
                context.Add(new Card { Text = "changed" });
                await context.SaveChangesAsync();
                break;
            case "insert, synchronous":
                context.Add(new Card { Text = "changed" });
                context.SaveChanges();
                break;
            case "insert, transaction":
                await using (var transaction = await context.Database.BeginTransactionAsync())
                {
                    context.Add(new Card { Text = "changed" });
                    await context.SaveChangesAsync();
                    await transaction.CommitAsync();
                }

                break;
            case "insert, synchronous transaction":
                using (var transaction = context.Database.BeginTransaction())
                {
                    context.Add(new Card { Text = "changed" });
                    context.SaveChanges();
                    transaction.Commit();
                }

                break;
            case "insert after a read":
                Assert.NotEmpty(await context.Cards.AsNoTracking().ToListAsync());
                goto case "insert";
            case "update":
                (await context.Cards.FirstAsync(c => c.Id == 1)).Text = "changed";
                await context.SaveChangesAsync();
                break;
            case "ExecuteUpdate":
                await context.Cards.ExecuteUpdateAsync(set => set.SetProperty(c => c.Text, "changed"));
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(write));
        }
    }

    private async Task MakeTablesAnewAsync()
    {
        foreach (var table in new[] { "Cards", "__EnvelopeKeys", "__EnvelopeUsage", "__EnvelopeMap" })
            await Database.QueryAsync($"DROP TABLE {Database.Quote(table)}");
        await using var context = new CardContext(Cold());
        await context.GetService<IRelationalDatabaseCreator>().CreateTablesAsync();
    }

    // A KMS instance of its own has a cache of keys of its own, as another process has.
    private DbContextOptions<CardContext> Use(FileKms kms, TimeProvider? time = null)
        => new DbContextOptionsBuilder<CardContext>(Options<CardContext>())
            .UseEnvelopeEncryption(e => e.UseKms(kms).UseTimeProvider(time ?? TimeProvider.System)).Options;

    public sealed class CardContext(DbContextOptions<CardContext> options) : DbContext(options)
    {
        public DbSet<Card> Cards => Set<Card>();
    }

    public sealed class Card
    {
        public int Id { get; set; }

        [Encrypted]
        public required string Text { get; set; }
    }
}
