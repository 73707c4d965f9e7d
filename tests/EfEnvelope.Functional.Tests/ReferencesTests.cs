using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteReferencesTests() : ReferencesSpecification(new SqliteTestDatabase())
{
    [Theory]
    [InlineData("lost")]
    [InlineData("t")]
    public async Task A_version_is_not_retired_while_a_table_cannot_be_read_and_doctor_names_it(string table)
    {
        await MakeTextsAsync(5);
        await RunAsync(Backfill());
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);
        await RunAsync(Backfill() with { Kind = JobKind.Reencrypt, Columns = [] });
        await SqlAsync("CREATE TABLE lost (id integer NOT NULL PRIMARY KEY, w text); CREATE TABLE x (n integer); CREATE INDEX i ON x (n)");
        await SqlAsync("INSERT INTO lost VALUES (1, 'x')");

        // Its pages are those of an index, so the database refuses to read it.
        await SqlAsync($"PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE "
            + $"name = 'i') WHERE name = '{table}'");
        await Task.Delay(TimeSpan.FromSeconds(1.2));

        var refused = await Assert.ThrowsAsync<OperationRefusedException>(() => Reopen().Keys.RetireAsync(new KeyVersion(Scope, 1)));

        Assert.Contains($"'{table}' could not be read (SQLite Error 11)", refused.Message, StringComparison.Ordinal);
        Assert.Contains(await Reopen().Scans.DiagnoseAsync(), d => (d.Severity, d.Code, d.Subject) == (DiagnosisSeverity.Error, "table-not-read", table));
        Assert.Null((await Encrypted.Keys.ListAsync(Scope))[0].RetiredAt);
    }
}

public sealed class PostgresReferencesTests() : ReferencesSpecification(new PostgresTestDatabase())
{
    [Fact]
    public async Task A_table_of_another_application_that_the_user_may_not_read_does_not_keep_a_version_alive()
    {
        await MakeTextsAsync(5);
        await RunAsync(Backfill());
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);
        await RunAsync(Backfill() with { Kind = JobKind.Reencrypt, Columns = [] });
        await Task.Delay(TimeSpan.FromSeconds(1.2));
        var role = $"efenvelope_{Guid.NewGuid():N}";
        await SqlAsync($"CREATE ROLE {role} LOGIN PASSWORD '{role}'; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; CREATE TABLE "
            + $"other (id integer PRIMARY KEY, w text)");
        try
        {
            await using var database = EncryptedDatabase.Open(
                options => options.UseNpgsql(new NpgsqlConnectionStringBuilder(((PostgresTestDatabase)Database).ConnectionString) { Username = role, Password = role, Pooling = false }.ConnectionString)
                    .UseEnvelopeEncryption(e => e.UseKms(Kms).Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(2) })));
            Assert.True((await database.Keys.RetireAsync(new KeyVersion(Scope, 1))).IsRetired);
            Assert.DoesNotContain(await database.Scans.DiagnoseAsync(), d => d.Code == "table-not-read");
        }
        finally
        {
            await SqlAsync($"DROP OWNED BY {role}");
            await SqlAsync($"DROP ROLE {role}");
        }
    }
}

[Collection("SqlServer")]
public sealed class SqlServerReferencesTests() : ReferencesSpecification(new SqlServerTestDatabase());
