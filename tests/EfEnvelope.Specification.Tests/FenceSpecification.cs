using System.Globalization;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// A process whose ring is older than a rotation may read, but writes nothing under a version that was retired, disabled or destroyed meanwhile: it writes
/// under the new one if it can have it, and else nothing.
/// </summary>
public abstract class FenceSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);
    private string _kmsFile = "";
    private FileKms? _kms;
    private DbContextOptions<NoteContext>? _warm;

    public static TheoryData<string, string> Changes
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var write in new[] { "insert", "insert, synchronous", "insert, transaction", "second insert, transaction", "update", "ExecuteUpdate" })
            {
                foreach (var change in new[] { "retired", "disabled", "destroyed" })
                    data.Add(change, write);
            }

            return data;
        }
    }

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _kmsFile = FileKms.CreateFile();
        _kms = new FileKms(_kmsFile);
        _warm = Use(_kms, _time);
        await using var context = CreateWarm();
        await context.Database.EnsureCreatedAsync();
        await SaveAsync("before");
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_kmsFile.Length > 0)
            File.Delete(_kmsFile);
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task Process_with_an_old_ring_reads_and_writes_under_the_new_version(string change, string write)
    {
        await RotateElsewhereAsync();
        await ChangeAsync(change);
        await AssertReadsAsync("before");

        await WriteAsync(write);

        Assert.Equal(
            write switch
            {
                "update" or "ExecuteUpdate" => [2],
                "second insert, transaction" => [1, 2, 2],
                _ => [1, 2],
            },
            await VersionsAsync("Text"));
        Assert.Equal(await VersionsAsync("Text"), await VersionsAsync("Code"));
        await using var cold = CreateCold();
        var last = await cold.Notes.OrderByDescending(n => n.Id).Select(n => new { n.Text, n.Code }).FirstAsync();
        Assert.Equal((last.Text, last.Text), (write == "second insert, transaction" ? "second" : "after", last.Code));
    }

    [Fact]
    public async Task Process_with_an_old_ring_writes_on_under_a_version_whose_time_is_not_up()
    {
        await RotateElsewhereAsync(includeSearch: false);

        await WriteAsync("insert");

        Assert.Equal([1, 1], await VersionsAsync("Text"));
    }

    [Fact]
    public async Task Process_with_an_old_ring_reads_it_anew_before_it_writes_when_what_is_compared_has_a_new_version()
    {
        await RotateElsewhereAsync();

        await WriteAsync("insert");

        Assert.Equal([1, 2], await VersionsAsync("Text"));
    }

    [Theory]
    [InlineData("retired")]
    [InlineData("disabled")]
    public async Task Process_that_cannot_have_the_new_version_writes_nothing_until_it_can(string change)
    {
        await RotateElsewhereAsync(usesIntermediateKey: false);
        await ChangeAsync(change);
        _kms!.BeforeUnwrap = () => throw new KmsException(KmsErrorKind.Unavailable, "gone");

        foreach (var write in new[] { "insert", "insert, synchronous", "insert, transaction" })
        {
            var e = await Assert.ThrowsAsync<DbUpdateException>(() => WriteAsync(write));
            Assert.IsType<KeyUnavailableException>(e.InnerException);
        }

        Assert.Equal([1], await VersionsAsync("Text"));
        if (change == "retired")
            await AssertReadsAsync("before");

        _kms.BeforeUnwrap = () => Task.CompletedTask;
        _time.Advance(new EnvelopeOptions().RetryInterval);
        await WriteAsync("insert");
        Assert.Equal([1, 2], await VersionsAsync("Text"));
    }

    [Theory]
    [InlineData("retired")]
    [InlineData("disabled")]
    public async Task Process_that_has_the_intermediate_key_writes_under_the_new_version_while_the_KMS_is_gone(string change)
    {
        await RotateElsewhereAsync();
        await ChangeAsync(change);
        _kms!.BeforeUnwrap = () => throw new KmsException(KmsErrorKind.Unavailable, "gone");

        await WriteAsync("insert");

        Assert.Equal([1, 2], await VersionsAsync("Text"));
    }

    [Fact]
    public async Task Process_past_its_time_reads_and_writes_nothing_while_the_key_store_is_gone()
    {
        await Database.QueryAsync($"DROP TABLE {Keys}");
        _time.Advance(TimeSpan.FromHours(2));

        var e = await Assert.ThrowsAsync<DbUpdateException>(() => WriteAsync("insert"));

        Assert.IsType<KeyUnavailableException>(e.InnerException);
        Assert.Contains("past its time", e.InnerException.Message, StringComparison.Ordinal);
        await AssertReadsAsync("before");
        Assert.Equal([1], await VersionsAsync("Text"));
    }

    protected string Keys => Database.Quote("__EnvelopeKeys");

    protected NoteContext CreateWarm() => new(_warm!);

    protected async Task SaveAsync(string text)
    {
        await using var context = CreateWarm();
        context.Add(new Note { Text = text, Code = text });
        await context.SaveChangesAsync();
    }

    protected async Task<List<int>> VersionsAsync(string column)
        => [.. (await Database.QueryAsync($"SELECT {Database.Quote(column)} FROM {Database.Quote("Notes")} ORDER BY {Database.Quote("Id")}"))
            .Select(bytes => EnvelopeHeader.TryRead((byte[])bytes!, out var header) ? (int)header.KeyNumber : -1)];

    private async Task RotateElsewhereAsync(bool includeSearch = true, bool usesIntermediateKey = true)
    {
        await using var context = CreateCold(usesIntermediateKey);
        Assert.Equal(2, (await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch)).Number);
    }

    // What 'efenvelope keys' does to the row, when the version that this process writes under is long past its time.
    private Task ChangeAsync(string change)
    {
        var now = DateTimeOffset.UtcNow.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);
        var set = change == "disabled"
            ? $"{Database.Quote("Status")} = 'disabled'"
            : $"{Database.Quote("RetiredAt")} = '{now}'"
                + (change == "destroyed" ? $", {Database.Quote("Status")} = 'destroyed', {Database.Quote("WrappedKey")} = NULL" : "");
        return Database.QueryAsync(
            $"UPDATE {Keys} SET {set}, {Database.Quote("EncryptsUntil")} = {Database.Quote("CreatedAt")}"
                + $" WHERE {Database.Quote("Version")} = 1 AND {Database.OfApplications}");
    }

    private async Task AssertReadsAsync(params string[] texts)
    {
        await using var context = CreateWarm();
        Assert.Equal(texts, await context.Notes.OrderBy(n => n.Id).Select(n => n.Text).ToListAsync());
    }

    private async Task WriteAsync(string write)
    {
        await using var context = CreateWarm();
        var note = new Note { Text = "after", Code = "after" };
        switch (write)
        {
            case "insert":
                context.Add(note);
                await context.SaveChangesAsync();
                break;
            case "insert, synchronous":
                context.Add(note);
                context.SaveChanges();
                break;
            case "insert, transaction" or "second insert, transaction":
                await using (var transaction = await context.Database.BeginTransactionAsync())
                {
                    context.Add(note);
                    await context.SaveChangesAsync();
                    if (write != "insert, transaction")
                    {
                        context.Add(new Note { Text = "second", Code = "second" });
                        await context.SaveChangesAsync();
                    }

                    await transaction.CommitAsync();
                }

                break;
            case "update":
                var first = await context.Notes.OrderBy(n => n.Id).FirstAsync();
                (first.Text, first.Code) = ("after", "after");
                await context.SaveChangesAsync();
                break;
            case "ExecuteUpdate":
                await context.Notes.ExecuteUpdateAsync(set => set.SetProperty(n => n.Text, "after").SetProperty(n => n.Code, "after"));
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(write));
        }
    }

    private NoteContext CreateCold(bool usesIntermediateKey = true) => new(Use(new FileKms(_kmsFile), TimeProvider.System, usesIntermediateKey));

    // A KMS instance of its own has a cache of keys of its own, as another process has.
    private DbContextOptions<NoteContext> Use(FileKms kms, TimeProvider time, bool usesIntermediateKey = true)
        => new DbContextOptionsBuilder<NoteContext>(Options<NoteContext>())
            .UseEnvelopeEncryption(e => e.UseKms(kms).UseTimeProvider(time).Configure(o => o with { UsesIntermediateKey = usesIntermediateKey })).Options;

    public sealed class NoteContext(DbContextOptions<NoteContext> options) : DbContext(options)
    {
        public DbSet<Note> Notes => Set<Note>();
    }

    public sealed class Note
    {
        public int Id { get; set; }

        [Encrypted]
        public required string Text { get; set; }

        [Encrypted(EncryptionMode.Deterministic)]
        public required string Code { get; set; }
    }
}
