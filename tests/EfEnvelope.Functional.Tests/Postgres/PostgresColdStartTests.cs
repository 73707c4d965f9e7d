using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional.Postgres;

/// <summary>
/// A process that starts under load: every connection of its pool is held by a caller that waits for the keys, so the key store must not wait for one of them.
/// </summary>
public sealed class PostgresColdStartTests() : EnvelopeSpecification(new PostgresTestDatabase())
{
    private const int Callers = 30;
    private const int PoolSize = 10;

    private string ConnectionString => ((PostgresTestDatabase)Database).ConnectionString;

    private string Crowded => new NpgsqlConnectionStringBuilder(ConnectionString) { MaxPoolSize = PoolSize, Timeout = 20, MinPoolSize = 2 }.ConnectionString;

    public static TheoryData<string, string> Ways
    {
        get
        {
            var ways = new TheoryData<string, string>();
            foreach (var connection in new[] { "data source", "password provider", "periodic password", "several hosts", "data source builder", "plain string", "given connections" })
            {
                ways.Add(connection, "read");
                ways.Add(connection, "transaction");
            }

            return ways;
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task More_callers_than_connections_all_start(string connection, string work)
    {
        await using var source = MakeSource(connection);
        await PrepareAsync();
        var options = Options(connection, source);
        var crowd = new Crowd();

        await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(() => RunAsync(options(), work, Held(crowd))))).WaitAsync(TimeSpan.FromSeconds(120));

        await AssertStoredAsync(work);
    }

    [Theory]
    [InlineData("data source", "read")]
    [InlineData("data source", "write")]
    [InlineData("data source", "transaction")]
    [InlineData("password provider", "write")]
    [InlineData("given connections", "write")]
    public async Task More_synchronous_callers_than_connections_all_start(string connection, string work)
    {
        await using var source = MakeSource(connection);
        await PrepareAsync();
        var options = Options(connection, source);
        var crowd = new Crowd();
        var failures = new List<Exception>();
        var threads = Enumerable.Range(0, Callers).Select(
            _ => new Thread(
                () =>
                {
                    try
                    {
                        Run(options(), work, Held(crowd));
                    }
                    catch (Exception e)
                    {
                        lock (failures)
                            failures.Add(e);
                    }
                })).ToList();

        threads.ForEach(t => t.Start());

        Assert.All(threads, t => Assert.True(t.Join(TimeSpan.FromSeconds(120))));
        Assert.Empty(failures);
        await AssertStoredAsync(work);
    }

    [Fact]
    public async Task Password_of_a_data_source_that_changes_is_asked_for_again()
    {
        var role = $"{((PostgresTestDatabase)Database).Name}_role";
        await Database.QueryAsync($"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'first'");
        try
        {
            await PrepareAsync();
            var password = "first";
            var builder = new NpgsqlDataSourceBuilder(new NpgsqlConnectionStringBuilder(Crowded) { Username = role, Password = null, Pooling = false }.ConnectionString);
            builder.UsePasswordProvider(_ => password, (_, _) => new(password));
            await using var source = builder.Build();
            var options = Options("data source", source);
            await RunAsync(options(), "read", () => Task.CompletedTask);
            password = "second";
            await Database.QueryAsync($"ALTER ROLE {role} PASSWORD 'second'");

            await using (var context = new NoteContext(options()))
                Assert.Equal(2, (await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero)).Number);
            await RunAsync(options(), "write", () => Task.CompletedTask);
        }
        finally
        {
            await Database.QueryAsync($"DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
        }
    }

    // The first ones wait for each other, so that no connection of the pool is free when the keys are read.
    private static Func<Task> Held(Crowd crowd)
        => () =>
        {
            if (Interlocked.Decrement(ref crowd.Missing) <= 0)
                crowd.Complete.TrySetResult();
            return crowd.Complete.Task;
        };

    private static async Task RunAsync(DbContextOptions<NoteContext> options, string work, Func<Task> held)
    {
        await using var context = new NoteContext(options);
        if (work == "read")
        {
            await context.Database.OpenConnectionAsync();
            await held();
            Assert.Equal("first", (await context.Notes.OrderBy(n => n.Id).FirstAsync()).Text);
            return;
        }

        await using var transaction = work == "transaction" ? await context.Database.BeginTransactionAsync() : null;
        if (transaction is null)
            await context.Database.OpenConnectionAsync();
        await held();
        context.Add(new Note { Text = "first" });
        await context.SaveChangesAsync();
        if (transaction is not null)
            await transaction.CommitAsync();
    }

    private static void Run(DbContextOptions<NoteContext> options, string work, Func<Task> held)
    {
        using var context = new NoteContext(options);
        if (work == "read")
        {
            context.Database.OpenConnection();
            held().Wait();
            Assert.Equal("first", context.Notes.OrderBy(n => n.Id).First().Text);
            return;
        }

        using var transaction = work == "transaction" ? context.Database.BeginTransaction() : null;
        if (transaction is null)
            context.Database.OpenConnection();
        held().Wait();
        context.Add(new Note { Text = "first" });
        context.SaveChanges();
        transaction?.Commit();
    }

    private NpgsqlDataSource MakeSource(string connection)
    {
        var parts = new NpgsqlConnectionStringBuilder(Crowded);
        if (connection == "several hosts")
            parts.Host = $"{parts.Host},{parts.Host}";
        var (password, builder) = (parts.Password!, new NpgsqlDataSourceBuilder(parts.ConnectionString));
        if (connection.Contains("password", StringComparison.Ordinal))
            builder.ConnectionStringBuilder.Password = null;
        return connection switch
        {
            "password provider" => builder.UsePasswordProvider(_ => password, (_, _) => new(password)).Build(),
            "periodic password" => builder.UsePeriodicPasswordProvider((_, _) => new(password), TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1)).Build(),
            _ => builder.Build(),
        };
    }

    private Func<DbContextOptions<NoteContext>> Options(string connection, NpgsqlDataSource source)
        => () =>
        {
            var builder = new DbContextOptionsBuilder<NoteContext>();
            _ = connection switch
            {
                "plain string" => builder.UseNpgsql(Crowded),
                "given connections" => builder.UseNpgsql(new NpgsqlConnection(Crowded), contextOwnsConnection: true),
                "data source builder" => builder.UseNpgsql(Crowded, n => n.ConfigureDataSource(_builderAction)),
                _ => builder.UseNpgsql(source),
            };
            return builder.UseEnvelopeEncryption(e => e.UseKms(Kms).UseTimeProvider(_process))
                .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)).Options;
        };

    private readonly Action<NpgsqlDataSourceBuilder> _builderAction = b => b.ConnectionStringBuilder.MaxAutoPrepare = 1;

    private readonly OtherProcess _process = new();

    // Another process made the key; this one is cold.
    private async Task PrepareAsync()
    {
        await using var context = new NoteContext(Options<NoteContext>());
        await context.Database.EnsureCreatedAsync();
        context.Add(new Note { Text = "first" });
        await context.SaveChangesAsync();
    }

    private async Task AssertStoredAsync(string work)
    {
        await using var context = new NoteContext(Options<NoteContext>());
        Assert.Equal(
            Enumerable.Repeat("first", work == "read" ? 1 : 1 + Callers), (await context.Notes.ToListAsync()).Select(n => n.Text));
        Assert.Single(await Database.QueryAsync($"SELECT \"Version\" FROM \"__EnvelopeKeys\" WHERE {Database.OfApplications}"));
    }

    public sealed class NoteContext(DbContextOptions<NoteContext> options) : DbContext(options)
    {
        public DbSet<Note> Notes => Set<Note>();
    }

    public sealed class Note
    {
        public int Id { get; set; }

        [Encrypted]
        public required string Text { get; set; }
    }

    private sealed class Crowd
    {
        public int Missing = PoolSize;

        public TaskCompletionSource Complete { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class OtherProcess : TimeProvider;
}
