using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Keys;
using EfEnvelope.Specification;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteKeyAdministrationTests() : KeyAdministrationSpecification(new SqliteTestDatabase());

public sealed class PostgresKeyAdministrationTests() : KeyAdministrationSpecification(new PostgresTestDatabase())
{
    [Fact]
    public async Task Retiring_waits_for_an_open_transaction_that_wrote_under_the_version_and_sees_it()
    {
        await MakeTextsAsync(1);
        await RunAsync(Backfill());
        var old = (await TextsAsync())[0];
        await SettleAsync();
        await RunAsync(Backfill() with { Kind = Rotation.JobKind.Reencrypt, Columns = [] });
        await using var connection = (NpgsqlConnection)Database.CreateConnection();
        await connection.OpenAsync();
        var transaction = await connection.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand($"INSERT INTO t VALUES (2, '{old}', 0)", connection, transaction))
            await command.ExecuteNonQueryAsync();

        var retiring = Encrypted.Keys.RetireAsync(new KeyVersion(Scope, 1));
        Assert.NotSame(retiring, await Task.WhenAny(retiring, Task.Delay(TimeSpan.FromSeconds(1))));
        await transaction.CommitAsync();
        Assert.False((await retiring).IsRetired);
    }
}
