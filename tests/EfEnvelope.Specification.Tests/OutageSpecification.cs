using EfEnvelope.Kms;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>What an application sees when its KMS is gone, or when somebody has been at the key store.</summary>
public abstract class OutageSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);
    private readonly WarningLog _log = new();

    [Fact]
    public async Task KMS_that_is_gone_for_an_hour_stops_nobody_and_is_told_once_per_period()
    {
        await CreateAsync();
        await SaveAsync("before");
        Kms.Failure = KmsErrorKind.Unavailable;

        for (var minute = 0; minute < 120; minute += 10)
        {
            _time.Advance(TimeSpan.FromMinutes(10));
            await SaveAsync("during");
            await AssertAllAsync("before", "during");
            await AssertAllAsync("before", "during");
        }

        // Due after at most 60 minutes, then tried every minute at the most: here once per step.
        Assert.InRange(_log.Count, 6, 9);
        Kms.Failure = null;
        _time.Advance(TimeSpan.FromMinutes(10));
        var told = _log.Count;
        await SaveAsync("after");
        await AssertAllAsync("before", "during", "after");
        Assert.Equal(told, _log.Count);
        Assert.Equal(1, Kms.Wraps);
    }

    [Fact]
    public async Task KMS_that_is_gone_for_longer_than_allowed_stops_reads_and_writes_until_it_is_back()
    {
        await CreateAsync();
        await SaveAsync("before");
        Kms.Failure = KmsErrorKind.Unavailable;
        _time.Advance(TimeSpan.FromHours(25));

        await AssertUnavailableAsync(() => SaveAsync("lost"));
        await AssertUnavailableAsync(() => AssertAllAsync("before"));

        Kms.Failure = null;
        _time.Advance(TimeSpan.FromMinutes(2));
        await SaveAsync("after");
        await AssertAllAsync("before", "after");
    }

    [Theory]
    [InlineData(KmsErrorKind.Unavailable)]
    [InlineData(KmsErrorKind.Throttled)]
    [InlineData(KmsErrorKind.AccessDenied)]
    [InlineData(KmsErrorKind.NotFound)]
    [InlineData(KmsErrorKind.Unauthenticated)]
    public async Task KMS_that_is_gone_at_the_start_lets_nothing_be_written(KmsErrorKind kind)
    {
        await CreateAsync();
        Kms.Failure = kind;

        await AssertUnavailableAsync(() => SaveAsync("lost"));
        await AssertUnavailableAsync(() => SaveAsync("lost too"));
        Assert.Equal(0L, Convert.ToInt64(Assert.Single(await Database.QueryAsync($"SELECT COUNT(*) FROM {Database.Quote("Papers")}"))));

        Kms.Failure = null;
        _time.Advance(TimeSpan.FromSeconds(3));
        await SaveAsync("after");
        await AssertAllAsync("after");
    }

    [Fact]
    public async Task KMS_that_is_gone_when_a_new_process_starts_stops_reading_until_it_is_back()
    {
        await CreateAsync();
        await SaveAsync("before");
        var cold = new FakeTimeProvider(DateTimeOffset.UtcNow);
        Kms.Failure = KmsErrorKind.Timeout;

        await AssertUnavailableAsync(() => AssertAllAsync(cold, "before"));

        Kms.Failure = null;
        cold.Advance(TimeSpan.FromSeconds(3));
        await AssertAllAsync(cold, "before");
    }

    [Fact]
    public async Task Key_that_the_KMS_refuses_after_the_start_is_not_used_any_longer()
    {
        await CreateAsync();
        await SaveAsync("before");
        Kms.Failure = KmsErrorKind.AccessDenied;
        _time.Advance(TimeSpan.FromHours(1));

        await AssertUnavailableAsync(() => SaveAsync("lost"));
        await AssertUnavailableAsync(() => AssertAllAsync("before"));
    }

    [Theory]
    [InlineData("default")]
    [InlineData("~intermediate")]
    public async Task Altered_wrapped_key_raises_the_alarm(string scope)
    {
        await CreateAsync();
        await SaveAsync("before");
        var wrapped = (string)Assert.Single(await Database.QueryAsync($"SELECT {Column("WrappedKey")} FROM {Keys} WHERE {Column("Scope")} = '{scope}'"))!;
        var start = wrapped.IndexOf("\"key\":\"", StringComparison.Ordinal) + 27;
        var altered = wrapped[..start] + (wrapped[start] == 'A' ? 'B' : 'A') + wrapped[(start + 1)..];
        await Database.QueryAsync($"UPDATE {Keys} SET {Column("WrappedKey")} = @w WHERE {Column("Scope")} = '{scope}'", ("@w", altered));

        await AssertAlarmAsync(() => AssertAllAsync(new FakeTimeProvider(), "before"), $"'{scope}:v1'");
        await AssertAlarmAsync(() => SaveAsync("lost", new FakeTimeProvider()), $"'{scope}:v1'");
    }

    [Theory]
    [InlineData("WrappedKey", "default")]
    [InlineData("Commitment", "default")]
    [InlineData("Status", "default")]
    [InlineData("EncryptsFrom", "default")]
    [InlineData("WrappedKey", "~intermediate")]
    [InlineData("Commitment", "~intermediate")]
    public async Task Key_row_that_cannot_be_read_raises_the_alarm(string column, string scope)
    {
        await CreateAsync();
        await SaveAsync("before");
        await Database.QueryAsync($"UPDATE {Keys} SET {Column(column)} = 'nonsense!' WHERE {Column("Scope")} = '{scope}'");

        await AssertAlarmAsync(() => AssertAllAsync(new FakeTimeProvider(), "before"), $"'{scope}:v1'");
        await AssertAlarmAsync(() => SaveAsync("lost", new FakeTimeProvider()), $"'{scope}:v1'");
    }

    [Fact]
    public async Task Keys_that_were_swapped_between_scopes_raise_the_alarm()
    {
        await CreateAsync();
        await SaveAsync("of a", scope: "a");
        await SaveAsync("of b", scope: "b");
        await Database.QueryAsync($"UPDATE {Keys} SET {Column("Scope")} = 'c' WHERE {Column("Scope")} = 'a'");
        await Database.QueryAsync($"UPDATE {Keys} SET {Column("Scope")} = 'a' WHERE {Column("Scope")} = 'b'");
        await Database.QueryAsync($"UPDATE {Keys} SET {Column("Scope")} = 'b' WHERE {Column("Scope")} = 'c'");

        await AssertAlarmAsync(() => SaveAsync("lost", new FakeTimeProvider(), "a"), "'a:v1'");
        await AssertAlarmAsync(() => SaveAsync("lost", new FakeTimeProvider(), "b"), "'b:v1'");
    }

    [Theory]
    [InlineData("default")]
    [InlineData("~intermediate")]
    public async Task Altered_commitment_raises_the_alarm(string scope)
    {
        await CreateAsync();
        await SaveAsync("before");
        await Database.QueryAsync(
            $"UPDATE {Keys} SET {Column("Commitment")} = @c WHERE {Column("Scope")} = '{scope}'", ("@c", Convert.ToBase64String(new byte[32])));

        await AssertAlarmAsync(() => AssertAllAsync(new FakeTimeProvider(), "before"), $"'{scope}:v1'");
        await AssertAlarmAsync(() => SaveAsync("lost", new FakeTimeProvider()), $"'{scope}:v1'");
    }

    [Theory]
    [InlineData("disabled", typeof(KeyUnavailableException))]
    [InlineData("destroyed", typeof(KeyDestroyedException))]
    public async Task Rows_under_a_retired_version_fail_as_they_should_and_others_open(string status, Type failure)
    {
        await CreateAsync();
        await SaveAsync("old");
        await using (var context = Create())
            await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
        await SaveAsync("new");
        var wrapped = status == "destroyed" ? $", {Column("WrappedKey")} = NULL" : "";
        await Database.QueryAsync($"UPDATE {Keys} SET {Column("Status")} = '{status}'{wrapped} WHERE {Column("Version")} = 1 AND {Database.OfApplications}");
        _time.Advance(TimeSpan.FromHours(1));

        await SaveAsync("newer");
        await using (var context = Create())
        {
            Assert.Equal(["new", "newer"], (await context.Papers.Where(p => p.Id > 1).OrderBy(p => p.Id).ToListAsync()).Select(p => p.Text));
            var e = await Assert.ThrowsAsync(failure, () => context.Papers.SingleAsync(p => p.Id == 1));
            Assert.Contains("'default:v1'", e.Message, StringComparison.Ordinal);
            Assert.Equal(3, await context.Papers.CountAsync());
        }
    }

    [Fact]
    public async Task Primary_that_is_disabled_hands_over_to_nobody_and_says_so()
    {
        await CreateAsync();
        await SaveAsync("old");
        await Database.QueryAsync($"UPDATE {Keys} SET {Column("Status")} = 'disabled' WHERE {Database.OfApplications}");
        _time.Advance(TimeSpan.FromHours(1));

        await AssertUnavailableAsync(() => SaveAsync("lost"));
        await Database.QueryAsync($"UPDATE {Keys} SET {Column("Status")} = 'enabled' WHERE {Database.OfApplications}");
        _time.Advance(TimeSpan.FromHours(1));
        await SaveAsync("after");
        await AssertAllAsync("old", "after");
    }

    private string Keys => Database.Quote("__EnvelopeKeys");

    private string Column(string name) => Database.Quote(name);

    private static async Task AssertUnavailableAsync(Func<Task> work)
        => Assert.IsType<KeyUnavailableException>(await FindAsync(work));

    private static async Task AssertAlarmAsync(Func<Task> work, string version)
    {
        var e = Assert.IsType<EnvelopeDecryptionException>(await FindAsync(work));
        Assert.Contains(version, e.Message, StringComparison.Ordinal);
        Assert.Null(e.InnerException);
    }

    // SaveChanges wraps whatever a command throws.
    private static async Task<Exception?> FindAsync(Func<Task> work)
        => await Record.ExceptionAsync(work) is { } e ? e is DbUpdateException ? e.InnerException : e : null;

    private async Task CreateAsync()
    {
        await using var context = Create();
        await context.Database.EnsureCreatedAsync();
    }

    private async Task SaveAsync(string text, TimeProvider? time = null, string scope = "default")
    {
        await using var context = Create(time, scope);
        context.Add(new Paper { Text = text });
        await context.SaveChangesAsync();
    }

    private Task AssertAllAsync(params string[] kinds) => AssertAllAsync(_time, kinds);

    private async Task AssertAllAsync(TimeProvider time, params string[] kinds)
    {
        await using var context = Create(time);
        Assert.Equal(kinds, (await context.Papers.OrderBy(p => p.Id).Select(p => p.Text).ToListAsync()).Distinct());
    }

    private PaperContext Create(TimeProvider? time = null, string scope = "default")
        => new(
            new DbContextOptionsBuilder<PaperContext>(Options<PaperContext>(e => e.UseTimeProvider(time ?? _time).UseScope(scope)))
                .UseLoggerFactory(_log).Options);

    public sealed class PaperContext(DbContextOptions<PaperContext> options) : DbContext(options)
    {
        public DbSet<Paper> Papers => Set<Paper>();
    }

    public sealed class Paper
    {
        public int Id { get; set; }

        [Encrypted]
        public required string Text { get; set; }
    }

    private sealed class WarningLog : ILoggerFactory, ILogger
    {
        private int _count;

        public int Count => _count;

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Name is "KeyUnwrapFail" or "KeyRingRefreshFail")
                Interlocked.Increment(ref _count);
        }

        public void Dispose()
        {
        }
    }
}
