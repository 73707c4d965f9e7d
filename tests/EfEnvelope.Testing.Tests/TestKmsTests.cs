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

    // Each test has a database of its own, so what is made for each database counts: it is compared with a plain context, command by command.
    [Fact]
    public async Task Fresh_database_and_first_insert_need_at_most_three_times_the_commands_of_a_plain_one()
    {
        await CountAsync(encrypted: true);
        var plain = await CountAsync(encrypted: false);
        var encrypted = await CountAsync(encrypted: true);

        TestContext.Current.TestOutputHelper!.WriteLine($"{encrypted.Count} commands, plain {plain.Count}:\n" + string.Join('\n', encrypted.Select(c => c.ReplaceLineEndings(" "))));
        Assert.InRange(encrypted.Count, plain.Count, 3 * plain.Count);
    }

    [Fact]
    public async Task Two_hundred_databases_share_one_kms_and_the_services_of_ef_core()
    {
        var log = new CollectedLog();
        for (var i = 0; i < 200; i++)
        {
            await using var connection = new SqliteConnection("Data Source=:memory:");
            await connection.OpenAsync(Token);
            await using var context = Open(connection, encrypted: true, log);
            await context.Database.EnsureCreatedAsync(Token);
            context.Add(new Patient { Email = $"{i}@example.org" });
            await context.SaveChangesAsync(Token);
        }

        Assert.InRange(log.Events.Count(e => e.Id == 2900), 0, 1);
        Assert.DoesNotContain(log.Events, e => e.Id == CoreEventId.ManyServiceProvidersCreatedWarning.Id);
    }

    private static TestKms Open(string name = "test") => new(TestKms.KekOf(name), NullLoggerFactory.Instance);

    private static async Task<IReadOnlyList<string>> CountAsync(bool encrypted)
    {
        await using var connection = new SqliteConnection("Data Source=:memory:");
        await connection.OpenAsync(Token);
        var commands = new List<string>();
        raw.sqlite3_trace(connection.Handle, (_, sql) => commands.Add(sql), null);
        await using var context = Open(connection, encrypted, new CollectedLog());
        await context.Database.EnsureCreatedAsync(Token);
        context.Add(new Patient { Email = "ada@example.org" });
        await context.SaveChangesAsync(Token);
        return commands;
    }

    private static ClinicContext Open(DbConnection connection, bool encrypted, ILoggerFactory log)
    {
        var options = new DbContextOptionsBuilder<ClinicContext>().UseSqlite(connection).UseLoggerFactory(log);
        return new(encrypted ? options.UseEnvelopeEncryption(envelope => envelope.UseTestKms()).Options : options.Options);
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
