using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteRestoreTests() : RestoreSpecification(new SqliteTestDatabase())
{
    private string File => ((SqliteTestDatabase)Database).Path;

    // A column of SQLite takes what does not fit its type.
    [Theory]
    [InlineData("'abc'")]
    [InlineData("1.5")]
    [InlineData("X'00'")]
    public async Task Count_that_is_not_a_whole_number_stops_the_next_write(string reserved)
    {
        await SaveAsync("before");
        await Database.QueryAsync($"UPDATE __EnvelopeUsage SET Reserved = {reserved} WHERE Scope = 'default'");

        var e = await Assert.ThrowsAsync<DbUpdateException>(() => SaveColdAsync("after"));

        Assert.Contains("does not hold a count", Assert.IsType<EnvelopeDecryptionException>(e.InnerException).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Usage_of_a_version_beyond_all_numbers_keeps_a_first_key_from_being_made()
    {
        await using (var context = new CardContext(Cold()))
            await context.Database.EnsureCreatedAsync();
        await Database.QueryAsync("INSERT INTO __EnvelopeUsage VALUES ('default', 5000000000, 'f', 1)");

        var e = await Assert.ThrowsAsync<DbUpdateException>(() => SaveColdAsync("first"));

        Assert.Contains("'__EnvelopeUsage'", Assert.IsType<KeyUnavailableException>(e.InnerException).Message, StringComparison.Ordinal);
    }

    private string Copy => File + ".copy";

    public override async ValueTask DisposeAsync()
    {
        System.IO.File.Delete(Copy);
        await base.DisposeAsync();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task File_copied_back_from_before_a_key_version_takes_rows_that_all_processes_open(int versions)
    {
        for (var version = 0; version <= 2; version++)
        {
            if (version == versions)
                System.IO.File.Copy(File, Copy);
            if (version == 1)
            {
                await using var context = CreateWarm();
                await context.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero);
            }

            if (version < 2)
                await SaveAsync($"under version {version + 1}");
        }

        System.IO.File.Copy(Copy, File, overwrite: true);
        await SaveAsync("after");

        await AssertEveryRowOpensAsync([.. Enumerable.Range(1, versions).Select(v => $"under version {v}"), "after"]);
        Assert.Equal([1L, 2L], await ReadKeysAsync("Version"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task File_deleted_and_made_anew_by_another_process_takes_rows_that_all_processes_open(bool withKeys)
    {
        await SaveAsync("gone");
        System.IO.File.Delete(File);
        await using (var context = new CardContext(Cold()))
            await context.Database.EnsureCreatedAsync();
        if (withKeys)
            await SaveColdAsync("of the other");

        await SaveAsync("after");

        await AssertEveryRowOpensAsync(withKeys ? ["of the other", "after"] : ["after"]);
        Assert.Equal([1L], await ReadKeysAsync("Version"));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task First_key_in_a_transaction_from_outside_that_is_rolled_back_loses_no_later_row(bool told, bool sameContext)
    {
        await using var connection = (SqliteConnection)Database.CreateConnection();
        await connection.OpenAsync();
        var options = new DbContextOptionsBuilder<CardContext>(Cold()).UseSqlite(connection).Options;
        await using var context = new CardContext(options);
        Exception? failure;
        await using (var transaction = connection.BeginTransaction())
        {
            if (told)
                await context.Database.UseTransactionAsync(transaction);
            context.Add(new Card { Text = "rolled back" });
            failure = await Record.ExceptionAsync(() => context.SaveChangesAsync());
            await transaction.RollbackAsync();
        }

        // A transaction that EF Core was told of makes no key; of one that it was not told of nobody knows.
        Assert.Equal(told, failure is DbUpdateException { InnerException: KeyUnavailableException });
        Assert.Equal(told, failure?.InnerException?.Message.Contains("'Database.LoadEnvelopeKeysAsync()' before the transaction begins", StringComparison.Ordinal) ?? false);
        await context.Database.UseTransactionAsync(null);
        context.ChangeTracker.Clear();
        await using var next = sameContext ? context : new CardContext(options);
        next.Add(new Card { Text = "after" });
        await next.SaveChangesAsync();

        await AssertEveryRowOpensAsync("after");
        Assert.Equal([1L], await ReadKeysAsync("Version"));
    }

    [Fact]
    public async Task Key_that_is_loaded_before_a_transaction_from_outside_serves_in_it_and_after_it()
    {
        await using var connection = (SqliteConnection)Database.CreateConnection();
        await connection.OpenAsync();
        await using var context = new CardContext(new DbContextOptionsBuilder<CardContext>(Cold()).UseSqlite(connection).Options);
        await context.Database.LoadEnvelopeKeysAsync();
        foreach (var text in new[] { "rolled back", "committed" })
        {
            await using var transaction = connection.BeginTransaction();
            await context.Database.UseTransactionAsync(transaction);
            context.Add(new Card { Text = text });
            await context.SaveChangesAsync();
            if (text == "committed")
                await transaction.CommitAsync();
            else
                await transaction.RollbackAsync();
            await context.Database.UseTransactionAsync(null);
            context.ChangeTracker.Clear();
        }

        context.Add(new Card { Text = "after" });
        await context.SaveChangesAsync();

        await AssertEveryRowOpensAsync("committed", "after");
        Assert.Equal([1L], await ReadKeysAsync("Version"));
    }
}

public sealed class PostgresRestoreTests() : RestoreSpecification(new PostgresTestDatabase())
{
    [Fact]
    public async Task Column_that_may_not_be_read_may_hold_values_so_no_key_is_made()
    {
        await SaveAsync("before");
        await Database.QueryAsync("""DELETE FROM "__EnvelopeKeys"; DELETE FROM "__EnvelopeUsage";""");
        var role = $"{((PostgresTestDatabase)Database).Name}_writer";
        await Database.QueryAsync(
            $"""
            CREATE ROLE {role} LOGIN PASSWORD 'efe'; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
            GRANT ALL ON "__EnvelopeKeys", "__EnvelopeUsage", "__EnvelopeMap" TO {role}; GRANT INSERT, SELECT ("Id") ON "Cards" TO {role};
            """);
        try
        {
            var options = new DbContextOptionsBuilder<CardContext>(Cold());
            var connection = new NpgsqlConnectionStringBuilder(((PostgresTestDatabase)Database).ConnectionString) { Username = role, Password = "efe" };
            await using var context = new CardContext(options.UseNpgsql(connection.ConnectionString).Options);
            context.Add(new Card { Text = "lost" });

            var e = await Assert.ThrowsAsync<DbUpdateException>(() => context.SaveChangesAsync());

            Assert.Equal("42501", Assert.IsType<PostgresException>(Assert.IsType<KeyUnavailableException>(e.InnerException).InnerException).SqlState);
            Assert.Empty(await ReadKeysAsync("Version"));
        }
        finally
        {
            await Database.QueryAsync($"DROP OWNED BY {role}; DROP ROLE {role}");
        }
    }

    [Fact]
    public async Task Table_that_is_not_there_yet_keeps_no_first_key_from_being_made()
    {
        await using (var context = new CardContext(Cold()))
            await context.Database.EnsureCreatedAsync();
        await Database.QueryAsync("""ALTER TABLE "Cards" RENAME TO "Later";""");
        await using (var context = new CardContext(Cold()))
        {
            context.Add(new Card { Text = "too early" });
            var e = await Assert.ThrowsAsync<DbUpdateException>(() => context.SaveChangesAsync());
            Assert.IsType<PostgresException>(e.InnerException);
        }

        await Database.QueryAsync("""ALTER TABLE "Later" RENAME TO "Cards";""");
        await SaveAsync("after");
        await AssertEveryRowOpensAsync("after");
    }
}

[Collection("SqlServer")]
public sealed class SqlServerRestoreTests() : RestoreSpecification(new SqlServerTestDatabase());
