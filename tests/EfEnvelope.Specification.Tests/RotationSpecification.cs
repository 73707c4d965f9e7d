using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>New key versions: asked for, by themselves, and under load.</summary>
public abstract class RotationSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private DbContextOptions<EntryContext>? _options;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using var context = Create();
        await context.Database.EnsureCreatedAsync();
    }

    [Fact]
    public async Task New_version_encrypts_after_its_delay_and_not_before_and_old_rows_stay_readable()
    {
        _options = Options<EntryContext>(e => e.Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(10) }));
        await SaveAsync("first");
        await using (var context = Create())
            Assert.Equal(2, (await context.Database.RotateEnvelopeKeyAsync(TimeSpan.FromSeconds(12))).Number);

        await SaveAsync("before its time");
        Assert.Equal([1, 1], await VersionsAsync());
        await Task.Delay(TimeSpan.FromSeconds(12.2));
        await SaveAsync("after its time");

        Assert.Equal([1, 1, 2], await VersionsAsync());
        await using var reader = Create();
        Assert.Equal(["first", "before its time", "after its time"], (await reader.Entries.OrderBy(e => e.Id).ToListAsync()).Select(e => e.Text));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(-1)]
    public async Task Delay_after_which_another_instance_may_not_know_the_version_is_refused_everywhere(int seconds)
    {
        await SaveAsync("first");
        var delay = TimeSpan.FromSeconds(seconds);
        await using var context = new EntryContext(Options<EntryContext>());
        await using var encrypted = EncryptedDatabase.Open(context);

        var texts = new[]
        {
            (await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => context.Database.RotateEnvelopeKeyAsync(delay, includeSearch: true))).Message,
            (await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => encrypted.Keys.RotateAsync(new KeyScope("default"), delay, includeSearch: true))).Message,
            (await Assert.ThrowsAsync<EnvelopeConfigurationException>(
                () => encrypted.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Rotate, ActivationDelay = delay }))).Message,
        };

        Assert.Single(texts.Distinct());
        Assert.Contains("'EnvelopeOptions.RefreshInterval'", texts[0], StringComparison.Ordinal);
        Assert.Single(await context.Database.GetEnvelopeKeysAsync());
    }

    [Fact]
    public async Task Time_of_a_new_version_is_the_databases()
    {
        await SaveAsync("first");
        await using var context = Create();
        await context.Database.RotateEnvelopeKeyAsync(TimeSpan.FromHours(2));

        var keys = await context.Database.GetEnvelopeKeysAsync();

        Assert.Equal([1, 2], keys.Select(k => k.Version.Number));
        Assert.All(keys, k => Assert.InRange(k.CreatedAt, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(5)));
        Assert.InRange(keys[1].EncryptsFrom!.Value - keys[1].CreatedAt, TimeSpan.FromHours(2), TimeSpan.FromHours(2.1));
        Assert.Equal(keys[1].EncryptsFrom!.Value + TimeSpan.FromHours(1), keys[0].EncryptsUntil);
        Assert.Null(keys[1].EncryptsUntil);
    }

    [Fact]
    public async Task Version_rolls_over_by_itself_after_so_many_values()
    {
        Configure(o => o with { RotateAfterValues = 50, ActivationDelay = TimeSpan.Zero });
        for (var i = 0; i < 160; i++)
            await SaveAsync($"entry {i}");

        var versions = await VersionsAsync();
        Assert.InRange(versions.Distinct().Count(), 3, 5);
        Assert.Equal(versions.Order(), versions);
        Assert.All(versions.GroupBy(v => v), g => Assert.InRange(g.Count(), 1, 60));
        await AssertUsageCoversAsync(versions);
        await using var reader = Create();
        Assert.Equal(160, (await reader.Entries.ToListAsync()).Count);
    }

    [Fact]
    public async Task Transaction_with_more_values_than_one_block_works_and_is_counted_when_it_ends()
    {
        Configure(o => o with { RotateAfterValues = 160, ActivationDelay = TimeSpan.Zero });
        await using (var context = Create())
        {
            await using var transaction = await context.Database.BeginTransactionAsync();
            for (var i = 0; i < 100; i++)
            {
                context.Add(new Entry { Text = $"entry {i}" });
                await context.SaveChangesAsync();
            }

            await transaction.CommitAsync();
        }

        var versions = await VersionsAsync();
        Assert.Equal(100, versions.Count);
        await AssertUsageCoversAsync(versions);
        for (var i = 100; i < 180; i++)
            await SaveAsync($"entry {i}");
        await AssertUsageCoversAsync(await VersionsAsync());
        Assert.Equal(2, (await VersionsAsync()).Max());
    }

    [Fact]
    public void Synchronous_transaction_is_counted_when_it_ends()
    {
        using (var context = Create())
        {
            using var transaction = context.Database.BeginTransaction();
            context.Add(new Entry { Text = "one" });
            context.SaveChanges();
            transaction.Commit();
        }

        Assert.NotEmpty(UsageAsync().GetAwaiter().GetResult());
    }

    [Fact]
    public async Task Transaction_that_is_rolled_back_is_counted_too()
    {
        await using (var context = Create())
        {
            await using var transaction = await context.Database.BeginTransactionAsync();
            context.Add(new Entry { Text = "gone" });
            await context.SaveChangesAsync();
            await transaction.RollbackAsync();
        }

        await SaveAsync("stays");
        Assert.True((await UsageAsync())[1] >= 2);
    }

    [Fact]
    public async Task Rotation_inside_a_transaction_is_safe_or_refused()
    {
        await SaveAsync("first");
        await using (var context = Create())
        {
            await using var transaction = await context.Database.BeginTransactionAsync();
            var failure = await Record.ExceptionAsync(() => context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero));
            Assert.True(failure is null or KeyUnavailableException, failure?.ToString());
            context.Add(new Entry { Text = "in the transaction" });
            await context.SaveChangesAsync();
            await transaction.RollbackAsync();
        }

        await SaveAsync("after");
        await using var reader = Create();
        Assert.Equal(["first", "after"], await reader.Entries.OrderBy(e => e.Id).Select(e => e.Text).ToListAsync());
        Assert.Equal((await VersionsAsync()).Max(), (await reader.Database.GetEnvelopeKeysAsync()).Count);
    }

    [Fact]
    public async Task Many_writers_and_rotations_at_once_lose_no_row()
    {
        var (writers, rows) = ConcurrentLoad;
        await Parallel.ForEachAsync(
            Enumerable.Range(0, writers),
            new ParallelOptions { MaxDegreeOfParallelism = writers },
            async (writer, _) =>
            {
                for (var i = 0; i < rows; i++)
                {
                    await SaveAsync($"{writer}: {i}");
                    if (writer == 0 && i % (rows / 2) == 1)
                    {
                        await using var context = Create();
                        await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
                    }
                }
            });

        Configure(o => o with { NegativeCacheTime = TimeSpan.FromSeconds(3) });
        await using var cold = Create();
        var texts = (await cold.Entries.ToListAsync()).Select(e => e.Text).ToHashSet();
        Assert.Equal(writers * rows, texts.Count);
        Assert.All(Enumerable.Range(0, writers), writer => Assert.Contains($"{writer}: {rows - 1}", texts));
        var versions = await VersionsAsync();
        Assert.Equal([1, 2, 3], versions.Distinct().Order());
        await AssertUsageCoversAsync(versions);
    }

    /// <summary>Gets how many tasks write how many rows each.</summary>
    protected virtual (int Writers, int Rows) ConcurrentLoad => (16, 200);

    private void Configure(Func<EnvelopeOptions, EnvelopeOptions> change) => _options = Options<EntryContext>(e => e.Configure(change));

    private EntryContext Create() => new(_options ??= Options<EntryContext>());

    private async Task SaveAsync(string text)
    {
        await using var context = Create();
        context.Add(new Entry { Text = text });
        await context.SaveChangesAsync();
    }

    // The version that each row is encrypted under, in the order in which they were written.
    private async Task<List<int>> VersionsAsync()
        => [.. (await Database.QueryAsync($"SELECT {Database.Quote("Text")} FROM {Database.Quote("Entries")} ORDER BY {Database.Quote("Id")}"))
            .Select(bytes => EnvelopeHeader.TryRead((byte[])bytes!, out var header) ? (int)header.KeyNumber : -1)];

    private async Task<Dictionary<int, long>> UsageAsync()
    {
        var usage = new Dictionary<int, long>();
        foreach (var version in await Database.QueryAsync($"SELECT {Database.Quote("Version")} FROM {Database.Quote("__EnvelopeUsage")} WHERE {Database.OfApplications}"))
        {
            var reserved = await Database.QueryAsync(
                $"SELECT {Database.Quote("Reserved")} FROM {Database.Quote("__EnvelopeUsage")} WHERE {Database.Quote("Version")} = {version} AND {Database.OfApplications}");
            usage.Add(Convert.ToInt32(version), Convert.ToInt64(reserved.Single()));
        }

        return usage;
    }

    private async Task AssertUsageCoversAsync(List<int> versions)
    {
        var usage = await UsageAsync();
        Assert.All(versions.GroupBy(v => v), g => Assert.True(usage[g.Key] >= g.Count(), $"Version {g.Key}: {usage[g.Key]} counted, {g.Count()} stored."));
    }

    public sealed class EntryContext(DbContextOptions<EntryContext> options) : DbContext(options)
    {
        public DbSet<Entry> Entries => Set<Entry>();
    }

    public sealed class Entry
    {
        public int Id { get; set; }

        [Encrypted]
        public required string Text { get; set; }
    }
}
