using System.Text;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Whatever is done to stored bytes past EF Core: reading raises the alarm and never returns a value.</summary>
public abstract class TamperingSpecification(TestDatabase database) : AdHocSpecification(database)
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await CreateAsync(
            b => b.Entity<Account>(
                e =>
                {
                    // The opponent is one who can drop the checks.
                    e.ToTable("Accounts").Property(a => a.Id).ValueGeneratedNever();
                    e.Property(a => a.Iban).AllowUncheckedWrites();
                    e.Property(a => a.Owner).AllowUncheckedWrites();
                    e.Property(a => a.Limit).AllowUncheckedWrites();
                }));
        await SaveAsync(
            new Account { Id = 1, Iban = "iban-one", Owner = "owner-one", Limit = 100 },
            new Account { Id = 2, Iban = "iban-two", Owner = "owner-two", Limit = 200 });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_value_copied_from_another_column_does_not_open(bool async)
    {
        await RunAsync("Iban", Database.Quote("Owner"));
        await AssertAlarmAsync(async, "'Accounts.Iban' could not be decrypted under 'default:v1'");
    }

    [Fact]
    public async Task A_value_copied_from_another_row_of_another_column_does_not_open()
    {
        var owner = (await ReadStoredAsync("Accounts", "Owner"))[1]!;
        await StoreAsync(owner);
        await AssertAlarmAsync(true, "'Accounts.Iban' could not be decrypted under 'default:v1'");
    }

    [Fact]
    public async Task A_truncated_value_does_not_open()
        => await AssertAlteredAsync(bytes => bytes[..^1], "'Accounts.Iban' could not be decrypted");

    [Fact]
    public async Task A_value_cut_down_to_its_header_does_not_open()
        => await AssertAlteredAsync(bytes => bytes[..5], "'Accounts.Iban' could not be decrypted");

    [Fact]
    public async Task A_lengthened_value_does_not_open()
        => await AssertAlteredAsync(bytes => [.. bytes, 0], "'Accounts.Iban' could not be decrypted");

    [Fact]
    public async Task No_byte_of_a_value_can_be_changed()
    {
        var bytes = (await ReadStoredAsync("Accounts", "Iban"))[0]!;
        foreach (var at in new[] { 0, 1, 4, 5, 16, 17, bytes.Length - 17, bytes.Length - 16, bytes.Length - 1 })
        {
            var altered = bytes.ToArray();
            altered[at] ^= 1;
            await StoreAsync(altered);
            await AssertAlarmAsync(true, "'Accounts.Iban'");
        }
    }

    [Fact]
    public async Task Plaintext_bytes_are_not_taken_for_a_value()
        => await AssertAlteredAsync(_ => Encoding.UTF8.GetBytes("iban-one"), "Column 'Accounts.Iban' holds a value that is not an envelope");

    [Fact]
    public async Task An_empty_value_is_not_taken_for_an_empty_text()
        => await AssertAlteredAsync(_ => [], "Column 'Accounts.Iban' holds a value that is not an envelope");

    [Fact]
    public async Task An_unknown_key_number_is_named()
        => await AssertAlteredAsync(
            bytes => [bytes[0], 0, 0, 0, 42, .. bytes[5..]],
            "Column 'Accounts.Iban' holds an envelope under key version 42, which scope 'default' does not have");

    [Fact]
    public async Task An_unknown_algorithm_is_named()
        => await AssertAlteredAsync(bytes => [0xFF, .. bytes[1..]], "Column 'Accounts.Iban' holds an envelope of algorithm 7");

    [Fact]
    public async Task A_value_of_another_type_does_not_open()
    {
        await RunAsync("Limit", Database.Quote("Iban"));
        await AssertAlarmAsync(true, "'Accounts.Limit' could not be decrypted");
    }

    private async Task AssertAlteredAsync(Func<byte[], byte[]> alter, string message)
    {
        await StoreAsync(alter((await ReadStoredAsync("Accounts", "Iban"))[0]!));
        await AssertAlarmAsync(false, message);
        await AssertAlarmAsync(true, message);
    }

    private async Task StoreAsync(byte[] bytes)
        => await Database.QueryAsync(
            $"UPDATE {Database.Quote("Accounts")} SET {Database.Quote("Iban")} = @bytes WHERE {Database.Quote("Id")} = 1", ("@bytes", bytes));

    private async Task RunAsync(string column, string expression)
        => await Database.QueryAsync(
            $"UPDATE {Database.Quote("Accounts")} SET {Database.Quote(column)} = {expression} WHERE {Database.Quote("Id")} = 1");

    // The altered row is row 1: it must not be read in any way, and row 2 must be.
    private async Task AssertAlarmAsync(bool async, string message)
    {
        await using var db = Open();
        var accounts = db.Set<Account>().Where(a => a.Id == 1);
        var entity = async
            ? await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => accounts.SingleAsync())
            : Assert.Throws<EnvelopeDecryptionException>(() => accounts.Single());
        Assert.Contains(message, entity.Message);
        Assert.Null(entity.InnerException);
        Assert.Empty(db.ChangeTracker.Entries());

        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => accounts.Select(a => new { a.Iban, a.Limit }).ToListAsync());
        Assert.Throws<EnvelopeDecryptionException>(() => db.Set<Account>().OrderBy(a => a.Id).AsNoTracking().ToList());

        var other = await db.Set<Account>().SingleAsync(a => a.Id == 2);
        Assert.Equal(("iban-two", "owner-two", 200), (other.Iban, other.Owner, other.Limit));
    }

    public class Account
    {
        public int Id { get; set; }

        [Encrypted]
        public string Iban { get; set; } = "";

        [Encrypted]
        public string Owner { get; set; } = "";

        [Encrypted]
        public int Limit { get; set; }
    }
}
