using System.Collections.Concurrent;
using System.Data.Common;
using EfEnvelope.Kms;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using SQLitePCL;

namespace EfEnvelope.Testing;

public sealed class TestKmsTests
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic")]);
    private static readonly byte[] Key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Key_wraps_and_unwraps_under_its_context_alone()
    {
        var copy = await Open().WrapAsync(Key, Context, Token);

        Assert.Equal(Key, await Open().UnwrapAsync(copy, Context, Token));
        Assert.Equal("test-kms:test", copy.Kek.ToString());
        foreach (var (kms, wrapped, context, kind) in new[]
            {
                (Open(), copy, EncryptionContext.Empty, KmsErrorKind.InvalidCiphertext),
                (Open(), copy with { Ciphertext = copy.Ciphertext[..^1] }, Context, KmsErrorKind.InvalidCiphertext),
                (Open(), copy with { Ciphertext = new byte[5] }, Context, KmsErrorKind.InvalidCiphertext),
                (Open("other"), copy, Context, KmsErrorKind.WrongKey),
                (Open("other"), copy with { Kek = new KekUri("test-kms:other") }, Context, KmsErrorKind.InvalidCiphertext),
            })
        {
            Assert.Equal(kind, (await Assert.ThrowsAsync<KmsException>(async () => await kms.UnwrapAsync(wrapped, context, Token))).Kind);
        }
    }

    // What a test database of an earlier run holds.
    [Fact]
    public async Task Key_that_another_version_of_the_package_wrapped_opens()
    {
        const string Stored = "[{\"kek\":\"test-kms:test\",\"version\":\"1\",\"key\":\"AAECAwQFBgcICQoLTbJTj2hx0FZd8XPUAXfw+sSsPMpCCR00LjTByYATQovW8PnHD7EZaOwc0eWvv/wC\"}]";

        Assert.Equal(Key, await Open().UnwrapAsync(WrappedKey.Parse(Stored).Copies.Single(), Context, Token));
    }

    [Theory]
    [InlineData("DOTNET_ENVIRONMENT", "Production", true)]
    [InlineData("ASPNETCORE_ENVIRONMENT", "production", true)]
    [InlineData("ASPNETCORE_ENVIRONMENT", "Staging", true)]
    [InlineData("ASPNETCORE_ENVIRONMENT", "Development", false)]
    [InlineData("ASPNETCORE_ENVIRONMENT", "Testing", false)]
    [InlineData("DOTNET_ENVIRONMENT", null, false)]
    public void Environment_of_an_application_is_refused(string variable, string? value, bool refused)
    {
        var e = Record.Exception(() => TestKms.RequireTests(name => name == variable ? value : null));

        Assert.Equal(refused, e is EnvelopeConfigurationException);
        if (refused)
            Assert.Contains($"'{variable}' is '{value}'", e!.Message);
    }

    [Fact]
    public void Use_is_logged_as_a_warning()
    {
        var log = new CollectedLog();

        _ = new TestKms(TestKms.KekOf("test"), log);

        var (level, id, text) = Assert.Single(log.Events);
        Assert.Equal((LogLevel.Warning, 2900), (level, id));
        Assert.Contains("'test-kms:test'", text);
        Assert.Contains("protected from nobody", text);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\nb")]
    public void Malformed_name_is_refused(string name)
        => Assert.StartsWith(TestKmsMessages.MalformedKeyName(name), Assert.Throws<ArgumentException>(() => new EnvelopeOptionsBuilder().UseTestKms(name)).Message);

    // Each test has a database of its own, so what is made for each database counts.
    [Fact]
    public async Task Fresh_database_asks_the_kms_twice_and_makes_its_keys_in_a_bounded_number_of_statements()
    {
        var (kms, statements) = (new CountingKms(), new List<string>());
        await using var connection = new SqliteConnection("Data Source=:memory:");
        await connection.OpenAsync(Token);
        raw.sqlite3_trace(connection.Handle, (_, sql) => statements.Add(sql), null);
        await using (var context = Open(connection, kms))
        {
            await context.Database.EnsureCreatedAsync(Token);
            context.Add(new Patient { Email = "ada@example.org" });
            await context.SaveChangesAsync(Token);
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"{statements.Count} statements");
        Assert.Equal((1, 1), (kms.Wraps, kms.Unwraps));
        Assert.InRange(statements.Count, 5, 80);

        // The keys are made once: what follows costs the same few statements for each save.
        statements.Clear();
        for (var i = 0; i < 10; i++)
        {
            await using var context = Open(connection, kms);
            context.Add(new Patient { Email = $"{i}@example.org" });
            await context.SaveChangesAsync(Token);
        }

        Assert.Equal((1, 1), (kms.Wraps, kms.Unwraps));
        Assert.InRange(statements.Count, 10, 30);
    }

    [Fact]
    public async Task Two_hundred_databases_share_one_kms_and_the_services_of_ef_core()
    {
        var log = new CollectedLog();
        for (var i = 0; i < 200; i++)
        {
            await using var connection = new SqliteConnection("Data Source=:memory:");
            await connection.OpenAsync(Token);
            await using var context = Open(connection, log);
            await context.Database.EnsureCreatedAsync(Token);
            context.Add(new Patient { Email = $"{i}@example.org" });
            await context.SaveChangesAsync(Token);
        }

        Assert.InRange(log.Events.Count(e => e.Id == 2900), 0, 1);
        Assert.DoesNotContain(log.Events, e => e.Id == CoreEventId.ManyServiceProvidersCreatedWarning.Id);
    }

    private static TestKms Open(string name = "test") => new(TestKms.KekOf(name), NullLoggerFactory.Instance);

    private static ClinicContext Open(DbConnection connection, ILoggerFactory log) => new(new DbContextOptionsBuilder<ClinicContext>()
        .UseSqlite(connection).UseLoggerFactory(log).UseEnvelopeEncryption(envelope => envelope.UseTestKms()).Options);

    private static ClinicContext Open(DbConnection connection, IKeyWrapper kms) => new(new DbContextOptionsBuilder<ClinicContext>()
        .UseSqlite(connection).UseEnvelopeEncryption(envelope => envelope.UseKms(kms)).Options);

    private sealed class CountingKms : IKeyWrapper
    {
        private readonly TestKms _kms = TestKmsTests.Open();
        private int _wraps;
        private int _unwraps;

        public KekUri Kek => _kms.Kek;

        public int Wraps => _wraps;

        public int Unwraps => _unwraps;

        public ValueTask<WrappedKeyCopy> WrapAsync(
            ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _wraps);
            return _kms.WrapAsync(key, context, cancellationToken);
        }

        public ValueTask<byte[]> UnwrapAsync(
            WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _unwraps);
            return _kms.UnwrapAsync(wrapped, context, cancellationToken);
        }
    }

    private sealed class CollectedLog : ILoggerFactory, ILogger
    {
        public ConcurrentQueue<(LogLevel Level, int Id, string Text)> Events { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            => Events.Enqueue((logLevel, eventId.Id, formatter(state, exception)));
    }
}
