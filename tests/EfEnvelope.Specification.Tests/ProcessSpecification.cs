using EfEnvelope.Envelopes;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Several real processes on one database and one KMS.</summary>
public abstract class ProcessSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private string _kmsFile = "";

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _kmsFile = FileKms.CreateFile();
        await using var context = CreateCold();
        await context.Database.EnsureCreatedAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_kmsFile.Length > 0)
            File.Delete(_kmsFile);
    }

    [Fact]
    public async Task Two_processes_make_one_first_key_and_a_rotation_in_the_middle_loses_no_row()
    {
        using var first = await StartAsync("first", 40, rotateAt: 20);
        using var second = await StartAsync("second", 40);
        first.Go();
        second.Go();
        await Task.WhenAll(first.ReadUntilAsync("done"), second.ReadUntilAsync("done"));

        await AssertAllOpenAsync(160);
        Assert.Equal([1, 2], (await VersionsInUseAsync()).Order());
        Assert.Equal([1, 2], (await StoredVersionsAsync()).Order());
        await AssertUsageCoversAsync(160);
    }

    [Fact]
    public async Task Process_that_started_before_a_rotation_reads_what_was_written_after_it()
    {
        using var writer = await StartAsync("writer", 4, rotateAt: 2);
        await using var warm = CreateCold();
        await warm.Database.LoadEnvelopeKeysAsync();
        writer.Go();
        await writer.ReadUntilAsync("done");

        var rows = await warm.Rows.AsNoTracking().ToListAsync();
        Assert.All(rows, r => Assert.Equal(WrittenRow.SecretOf(r.Writer, r.Number), r.Secret));
        Assert.Equal([1, 2], (await VersionsInUseAsync()).Order());
    }

    [Fact]
    public async Task Process_killed_in_the_middle_leaves_whole_rows_and_others_go_on()
    {
        using var killed = await StartAsync("killed", 100_000);
        using var other = await StartAsync("other", 30, rotateAt: 10);
        killed.Go();
        await killed.ReadUntilAsync("wrote 15");
        other.Go();
        await other.ReadUntilAsync("wrote 15");
        await killed.KillAsync();
        await other.ReadUntilAsync("done");

        await using (var context = CreateCold())
        {
            context.Add(new WrittenRow { Writer = "test", Number = 1, Secret = WrittenRow.SecretOf("test", 1) });
            await context.SaveChangesAsync();
            Assert.Equal(60, await context.Rows.CountAsync(r => r.Writer == "other"));
            Assert.InRange(await context.Rows.CountAsync(r => r.Writer == "killed"), 32, 199_998);
        }

        await AssertAllOpenAsync(null);
        Assert.Equal([1, 2], (await StoredVersionsAsync()).Order());
    }

    [Theory]
    [InlineData("stall")]
    [InlineData("stall-direct")]
    public async Task Key_of_a_process_that_died_before_proving_it_is_proved_by_the_next_one(string mode)
    {
        using var dead = await StartAsync("dead", 1, mode: mode);
        dead.Go();
        await dead.ReadUntilAsync("stalled");
        await dead.KillAsync();

        // What the KMS wraps is proved first: a data key that it does not wrap itself is not there yet.
        Assert.Equal(mode == "stall" ? [] : [1], await StoredVersionsAsync());
        Assert.Single(await Database.QueryAsync($"SELECT {Database.Quote("Version")} FROM {Database.Quote("__EnvelopeKeys")}"));
        await AssertAllOpenAsync(0);

        using var next = await StartAsync("next", 3);
        next.Go();
        await next.ReadUntilAsync("done");

        await AssertAllOpenAsync(6);
        Assert.Equal([1], await StoredVersionsAsync());
    }

    [Fact]
    public async Task Two_processes_that_claim_the_same_unique_values_across_a_search_rotation_get_each_once_and_miss_no_row()
    {
        const int Count = 120;
        using var first = await StartAsync("first", Count, rotateAt: 20, mode: "claim");
        using var second = await StartAsync("second", Count, mode: "claim");
        first.Go();
        second.Go();
        await Task.WhenAll(first.ReadUntilAsync("done"), second.ReadUntilAsync("done"));

        await using var context = CreateCold();
        var claims = await context.Claims.ToListAsync();
        var expected = Enumerable.Range(0, Count).Select(number => $"name {number}").Order(StringComparer.Ordinal);
        Assert.Equal(expected, claims.Select(c => c.Name).Order(StringComparer.Ordinal));
        Assert.Equal(expected, claims.Select(c => c.Alias).Order(StringComparer.Ordinal));
        Assert.Equal(Count, await context.Claims.CountAsync(c => c.Tag != "nobody" && c.Email != "nobody"));
        Assert.Equal([1, 2], (await VersionsAsync("Claims", "Tag")).Order());
        Assert.Equal([1, 2], (await VersionsAsync("Claims", "Email_BlindIndex")).Order());
        Assert.Equal([1], await VersionsAsync("Claims", "Name"));
        Assert.Equal([1], await VersionsAsync("Claims", "Alias_BlindIndex"));
    }

    private async Task<WriterProcess> StartAsync(string writer, int count, int rotateAt = -1, string? mode = null)
    {
        await using var context = CreateCold();
        await using var connection = Database.CreateConnection();
        return await WriterProcess.StartAsync(
            context.Database.ProviderName!, connection.ConnectionString, _kmsFile, writer, count, rotateAt, mode);
    }

    private async Task AssertAllOpenAsync(int? count)
    {
        await using var context = CreateCold();
        var rows = await context.Rows.ToListAsync();
        if (count is not null)
            Assert.Equal(count, rows.Count);
        Assert.All(rows, r => Assert.Equal(WrittenRow.SecretOf(r.Writer, r.Number), r.Secret));
    }

    private Task<HashSet<int>> VersionsInUseAsync() => VersionsAsync("Rows", "Secret");

    private async Task<HashSet<int>> VersionsAsync(string table, string column)
        => (await Database.QueryAsync($"SELECT {Database.Quote(column)} FROM {Database.Quote(table)}"))
            .Select(bytes => EnvelopeHeader.TryRead((byte[])bytes!, out var header) ? (int)header.KeyNumber : -1).ToHashSet();

    private async Task<List<int>> StoredVersionsAsync()
        => [.. (await Database.QueryAsync($"SELECT {Database.Quote("Version")} FROM {Database.Quote("__EnvelopeKeys")} WHERE {Database.OfApplications}")).Select(Convert.ToInt32)];

    private async Task AssertUsageCoversAsync(int rows)
    {
        var reserved = await Database.QueryAsync($"SELECT {Database.Quote("Reserved")} FROM {Database.Quote("__EnvelopeUsage")} WHERE {Database.OfApplications}");
        Assert.True(reserved.Sum(Convert.ToInt64) >= rows);
    }

    // A KMS instance of its own has a cache of keys of its own, as another process has.
    private WriterContext CreateCold()
        => new(
            new DbContextOptionsBuilder<WriterContext>(Options<WriterContext>())
                .UseEnvelopeEncryption(e => e.UseKms(new FileKms(_kmsFile))).Options);
}
