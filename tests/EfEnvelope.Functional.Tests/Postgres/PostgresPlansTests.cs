using System.Data.Common;
using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional.Postgres;

/// <summary>What PostgreSQL makes of the queries: over many rows it goes through the index, while one version is live in searches and while two are.</summary>
public sealed class PostgresPlansTests() : EnvelopeSpecification(new PostgresTestDatabase(), TestKms.Shared)
{
    private const int Rows = 100_000;
    private const int Written = 20_000;
    private readonly CommandKeeper _keeper = new();

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using var db = Open();
        await db.Database.EnsureCreatedAsync();
    }

    [Fact]
    public async Task Equality_lists_and_beginnings_are_looked_up_in_an_index_under_one_version_and_under_two()
    {
        await FillAsync(0, Written);
        await PadAsync();
        await AssertIndexedAsync(Written / 2);

        await using (var db = Open())
            await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
        await FillAsync(Written, 5_000);
        await AssertIndexedAsync(Written / 2);
        await AssertIndexedAsync(Written + 2_500);
    }

    private async Task AssertIndexedAsync(int row)
    {
        await Database.QueryAsync("ANALYZE \"People\"");
        var (email, number, card) = (EmailOf(row), NumberOf(row), CardOf(row));
        var start = email[..3];
        string[] emails = [email, EmailOf(1), EmailOf(2)];
        string[] numbers = [number, NumberOf(1), NumberOf(2)];

        await AssertIndexedAsync("IX_People_Email_BlindIndex", 1, people => people.Where(p => p.Email == email));
        await AssertIndexedAsync("IX_People_Email_BlindIndex", 1, people => people.Where(p => p.Email == email).Take(1));
        await AssertIndexedAsync("IX_People_Number", 1, people => people.Where(p => p.Number == number));
        await AssertIndexedAsync("IX_People_Card_BlindIndex", 1, people => people.Where(p => p.Card == card));
        await AssertIndexedAsync("IX_People_Email_BlindIndex", 3, people => people.Where(p => emails.Contains(p.Email)));
        await AssertIndexedAsync("IX_People_Number", 3, people => people.Where(p => numbers.Contains(p.Number)));

        // Of the rows that PostgreSQL made it finds some, too, of which nothing but the address opens.
        await AssertIndexedAsync("IX_People_Email_First3Index", null, people => people.Where(p => p.Email.StartsWith(start)).Select(p => p.Email));
    }

    private async Task AssertIndexedAsync<T>(string index, int? count, Func<IQueryable<Person>, IQueryable<T>> query)
    {
        await using var db = Open();
        _keeper.Last = null;
        var found = await query(db.People).ToListAsync();
        Assert.NotEmpty(found);
        Assert.Equal(count ?? found.Count, found.Count);

        var plan = await ExplainAsync(_keeper.Last!);
        TestContext.Current.TestOutputHelper?.WriteLine(plan);
        Assert.True(IsIndexScan(plan) && plan.Contains(index, StringComparison.Ordinal), plan);
        Assert.False(plan.Contains("Seq Scan", StringComparison.Ordinal), plan);
    }

    private static bool IsIndexScan(string plan)
        => plan.Contains("Index Scan", StringComparison.Ordinal) || plan.Contains("Index Only Scan", StringComparison.Ordinal);

    // The very command that EF Core sent, sealed values and all.
    private async Task<string> ExplainAsync(NpgsqlCommand command)
    {
        await using var connection = (NpgsqlConnection)Database.CreateConnection();
        await connection.OpenAsync();
        command.Connection = connection;
        TestContext.Current.TestOutputHelper?.WriteLine(command.CommandText);
        command.CommandText = "EXPLAIN " + command.CommandText;
        var lines = new List<string>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            lines.Add(reader.GetString(0));
        return string.Join('\n', lines);
    }

    private async Task FillAsync(int first, int count)
    {
        const int batch = 5_000;
        for (var i = first; i < first + count; i += batch)
        {
            await using var db = Open();
            db.ChangeTracker.AutoDetectChangesEnabled = false;
            db.People.AddRange(Enumerable.Range(i, batch).Select(n => new Person { Email = EmailOf(n), Number = NumberOf(n), Card = CardOf(n) }));
            await db.SaveChangesAsync();
        }
    }

    // The server cannot tell other rows' hashes and ciphertexts from random bytes, and makes those much faster. The few beginnings stay what they are.
    private async Task PadAsync()
    {
        await Database.QueryAsync(
            $"""
            INSERT INTO "People" ("Email", "Email_First3Index", "Email_BlindIndex", "Number", "Card", "Card_BlindIndex")
            SELECT "Email", "Email_First3Index",
                substring("Email_BlindIndex" FOR 5) || decode(md5(random()::text), 'hex'),
                substring("Number" FOR 5) || decode(md5(random()::text) || md5(random()::text), 'hex'),
                "Card",
                substring("Card_BlindIndex" FOR 5) || decode(md5(random()::text), 'hex')
            FROM "People", generate_series(2, {Rows / Written})
            """);
        Assert.Equal([(long)Rows], await Database.QueryAsync("SELECT count(*) FROM \"People\""));
    }

    // Beginnings are spread as those of names are not quite: each is that of six rows or so.
    private static string EmailOf(int row)
    {
        var spread = (int)(row * 7919L % (26 * 26 * 26));
        return $"{(char)('a' + (spread / 676))}{(char)('a' + (spread / 26 % 26))}{(char)('a' + (spread % 26))}{row}@example.org";
    }

    private static string NumberOf(int row) => $"N-{row:D8}";

    private static string CardOf(int row) => $"4000 {row:D8}";

    private PeopleContext Open()
        => new((DbContextOptions<PeopleContext>)new DbContextOptionsBuilder<PeopleContext>(Options<PeopleContext>()).AddInterceptors(_keeper).Options);

    public sealed class PeopleContext(DbContextOptions<PeopleContext> options) : DbContext(options)
    {
        public DbSet<Person> People => Set<Person>();

        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            modelBuilder.Entity<Person>().Property(p => p.Email).IsEncrypted()
                .HasBlindIndex(Normalization.CaseInsensitive)
                .HasBlindIndex(Normalization.CaseInsensitive, BlindIndexProjection.First, 3);
            modelBuilder.Entity<Person>().Property(p => p.Number).IsEncrypted(EncryptionMode.Deterministic);
            modelBuilder.Entity<Person>().HasIndex(p => p.Number);
            modelBuilder.Entity<Person>().Property(p => p.Card).IsEncrypted().HasBlindIndex(isUnique: true);
        }
    }

    public sealed class Person
    {
        public int Id { get; set; }

        public required string Email { get; set; }

        public required string Number { get; set; }

        public required string Card { get; set; }
    }

    /// <summary>Keeps a copy of the last command that read, as it was when it was sent.</summary>
    private sealed class CommandKeeper : DbCommandInterceptor
    {
        public NpgsqlCommand? Last { get; set; }

        public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
            DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
        {
            if (eventData.CommandSource == CommandSource.LinqQuery)
                Last = ((NpgsqlCommand)command).Clone();
            return new(result);
        }
    }
}
