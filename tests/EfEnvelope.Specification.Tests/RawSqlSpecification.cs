using Dapper;
using EfEnvelope.Specification.TestUtilities;
using EfEnvelope.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Raw SQL: values encrypted by hand are found by EF Core and the other way round, and what is read by hand opens.</summary>
public abstract class RawSqlSpecification(TestDatabase database) : EnvelopeSpecification(database, TestKms.Shared)
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using var db = Open();
        await db.Database.EnsureCreatedAsync();
        db.Seed();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rows_written_by_ExecuteSql_are_found_by_LINQ(bool rotated)
    {
        await using var db = await OpenAsync(rotated);
        var owner = await db.Database.EncryptParametersAsync((Memo m) => m.Owner, "o-1");
        var topic = await db.Database.EncryptParametersAsync((Memo m) => m.Topic, "news");
        var text = await db.Database.EncryptParametersAsync((Memo m) => m.Text, "hello");
        Assert.Empty(owner.BlindIndexes);
        Assert.Equal(["Topic_BlindIndex"], topic.BlindIndexes.Keys);

        await db.Database.ExecuteSqlRawAsync(
            db.Sql("INSERT INTO \"Memos\" (\"Id\", \"Owner\", \"Topic\", \"Topic_BlindIndex\", \"Text\") VALUES (10, {0}, {1}, {2}, {3})"),
            owner.Value, topic.Value, topic.BlindIndexes["Topic_BlindIndex"], text.Value);

        var memo = await db.Memos.SingleAsync(m => m.Topic == "news" && m.Owner == "o-1");
        Assert.Equal((10, "hello"), (memo.Id, memo.Text));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task FromSql_finds_rows_by_deterministic_columns_and_blind_indexes_under_every_version(bool rotated)
    {
        await using var db = await OpenAsync(rotated);
        if (rotated)
        {
            db.Add(new Memo { Id = 11, Owner = "o-1", Topic = "plain", Text = "new" });
            await db.SaveChangesAsync();
        }

        int[] expected = rotated ? [1, 3, 11] : [1, 3];
        var owners = await db.Database.EncryptSearchParametersAsync((Memo m) => m.Owner, "o-1");
        Assert.Equal(("Owner", 2), (owners.Column, owners.Values.Count));
        Assert.Equal(
            expected,
            await db.Memos.FromSqlRaw(db.Sql($"SELECT * FROM \"Memos\" WHERE \"{owners.Column}\" IN ({{0}}, {{1}})"), [.. owners.Values])
                .IgnoreQueryFilters().Select(m => m.Id).OrderBy(id => id).ToListAsync());

        var topics = await db.Database.EncryptSearchParametersAsync((Memo m) => m.Topic, "plain");
        Assert.Equal("Topic_BlindIndex", topics.Column);
        Assert.Equal(
            rotated ? [1, 2, 11] : [1, 2],
            await db.Memos.FromSqlRaw(db.Sql($"SELECT * FROM \"Memos\" WHERE \"{topics.Column}\" IN ({{0}}, {{1}})"), [.. topics.Values])
                .IgnoreQueryFilters().Select(m => m.Id).OrderBy(id => id).ToListAsync());
    }

    [Fact]
    public async Task Dapper_takes_the_values_of_the_parameters_and_what_it_reads_opens()
    {
        await using var db = await OpenAsync(rotated: true);
        var search = await db.Database.EncryptSearchParametersAsync((Person p) => p.Email, "ADA@example.org");
        await using var connection = Database.CreateConnection();
        var rows = (await connection.QueryAsync<(long Id, byte[] Email, byte[] Balance)>(
            db.Sql($"SELECT \"Id\", \"Email\", \"Balance\" FROM \"People\" WHERE \"{search.Column}\" IN (@one, @two)"),
            new { one = search.Values[0].Value, two = search.Values[1].Value })).ToList();

        var row = Assert.Single(rows);
        Assert.Equal(1, row.Id);
        Assert.Equal("Ada@Example.org", await db.Database.DecryptValueAsync((Person p) => p.Email, row.Email));
        Assert.Equal(1.50m, await db.Database.DecryptValueAsync((Person p) => p.Balance, row.Balance));
    }

    [Fact]
    public async Task Values_in_owned_and_complex_types_are_named_by_their_path()
    {
        await using var db = await OpenAsync(rotated: false);
        var fax = await db.Database.EncryptSearchParametersAsync((Person p) => p.Contact!.Fax, "f-2");
        Assert.Equal([2], await QueryIdsAsync(db, fax));
        var street = await db.Database.EncryptSearchParametersAsync((Person p) => p.Home.Street, "s-4");
        Assert.Equal([4], await QueryIdsAsync(db, street));
        var level = await db.Database.EncryptSearchParametersAsync((Person p) => p.Level, 7);
        Assert.Equal([4], await QueryIdsAsync(db, level));
    }

    [Fact]
    public async Task Nothing_stored_opens_as_nothing_and_what_was_altered_or_moved_raises_the_alarm()
    {
        await using var db = await OpenAsync(rotated: false);
        Assert.Null(await db.Database.DecryptValueAsync((Person p) => p.Email, null));
        Assert.Null(await db.Database.DecryptValueAsync((Person p) => p.Email, DBNull.Value));
        var stored = (byte[])(await Database.QueryAsync($"SELECT {Database.Quote("Email")} FROM {Database.Quote("People")} WHERE {Database.Quote("Id")} = 1")).Single()!;
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => db.Database.DecryptValueAsync((Person p) => p.Phone, stored));
        stored[^1] ^= 1;
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => db.Database.DecryptValueAsync((Person p) => p.Email, stored));
    }

    [Fact]
    public async Task What_cannot_be_done_is_refused_with_the_propertys_name()
    {
        await using var db = await OpenAsync(rotated: false);
        await AssertRefusedAsync("'Person.Name'", "not an encrypted property", () => db.Database.EncryptParametersAsync((Person p) => p.Name, "x"));
        await AssertRefusedAsync("'Person.Name'", "simple expression", () => db.Database.EncryptParametersAsync((Person p) => p.Name.ToUpper(), "x"));
        await AssertRefusedAsync("'Person.Note'", "HasBlindIndex()", () => db.Database.EncryptSearchParametersAsync((Person p) => p.Note, "x"));
        await AssertRefusedAsync("'Person.Zip'", "StartsWith", () => db.Database.EncryptSearchParametersAsync((Person p) => p.Zip, "x"));
        await AssertRefusedAsync("'Person.Email'", "stored as bytes", () => db.Database.DecryptValueAsync((Person p) => p.Email, "x"));
        await Assert.ThrowsAsync<ArgumentNullException>(() => db.Database.EncryptSearchParametersAsync((Person p) => p.Email, null));
    }

    [Fact]
    public async Task No_value_of_an_expression_is_quoted()
    {
        await using var db = Open();
        var byChoice = await Assert.ThrowsAsync<EnvelopeConfigurationException>(
            () => db.Database.DecryptValueAsync((Person p) => p.Name == "4111-1111" ? p.Note : p.Name, null));
        var bySum = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => db.Database.DecryptValueAsync((Person p) => p.Note + "4111-1111", null));

        Assert.DoesNotContain("4111", byChoice.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("4111", bySum.Message, StringComparison.Ordinal);
        Assert.Contains("'Person.Note'", bySum.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_value_that_is_written_without_its_hash_is_refused_by_the_database()
    {
        await using var db = await OpenAsync(rotated: false);
        var topic = await db.Database.EncryptParametersAsync((Memo m) => m.Topic, "news");
        var e = await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(
            () => db.Database.ExecuteSqlRawAsync(db.Sql("UPDATE \"Memos\" SET \"Topic\" = {0}, \"Topic_BlindIndex\" = NULL WHERE \"Id\" = 1"), topic.Value));
        Assert.Contains("CK_Memos_Topic_BlindIndex", e.Message);
    }

    [Fact]
    public async Task One_command_takes_several_values_of_one_property()
    {
        await using var db = Open();
        var first = await db.Database.EncryptParametersAsync((Memo m) => m.Text, "first");
        var second = await db.Database.EncryptParametersAsync((Memo m) => m.Text, "second");
        await db.Database.ExecuteSqlRawAsync(
            db.Sql("UPDATE \"Memos\" SET \"Text\" = CASE WHEN \"Id\" = 1 THEN {0} ELSE {1} END WHERE \"Id\" IN (1, 2)"), first.Value, second.Value);

        Assert.Equal(["first", "second"], await db.Memos.IgnoreQueryFilters().Where(m => m.Id < 3).OrderBy(m => m.Id).Select(m => m.Text).ToListAsync());
    }

    private async Task<List<object?>> QueryIdsAsync(RegistryContext db, EncryptedSearchParameters search)
        => (await db.People.FromSqlRaw(db.Sql($"SELECT * FROM \"People\" WHERE \"{search.Column}\" IN ({{0}}, {{1}})"), [.. search.Values]).Select(p => p.Id).ToListAsync())
            .ConvertAll(id => (object?)id);

    private static async Task AssertRefusedAsync(string property, string hint, Func<Task> call)
    {
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(call);
        Assert.Contains(property, e.Message);
        Assert.Contains(hint, e.Message);
    }

    private RegistryContext Open() => new(Options<RegistryContext>());

    private async Task<RegistryContext> OpenAsync(bool rotated)
    {
        var db = Open();
        if (rotated)
            await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
        return db;
    }
}
