using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteEnvelopeCheckTests() : EnvelopeCheckSpecification(new SqliteTestDatabase())
{
    protected override string Bytes(string hexadecimal) => $"x'{hexadecimal}'";

    [Fact]
    public async Task Value_of_another_type_is_refused_although_SQLite_takes_any()
    {
        await using (var context = Create(Secrets))
            await context.Database.EnsureCreatedAsync();
        await SaveAsync(Secrets, new Secret { Id = 1, Name = "ada" });

        foreach (var value in new[] { "'ada'", "'efenvelope:v1:abc'", "7", "CAST(x'F9' AS text)" })
            await Assert.ThrowsAnyAsync<Microsoft.Data.Sqlite.SqliteException>(() => Database.QueryAsync($"UPDATE \"Secrets\" SET \"Name\" = {value}"));
        foreach (var value in new[] { "x''", "CAST('efenvelope:v1:abc' AS blob)", "7" })
            await Assert.ThrowsAnyAsync<Microsoft.Data.Sqlite.SqliteException>(() => Database.QueryAsync($"UPDATE \"Secrets\" SET \"Note\" = {value}"));
    }

    protected override string? Schema => null;

    // SQLite drops no constraint, so its own text of the table is changed.
    protected override async Task DropCheckAsync(string column)
    {
        var sql = (string)(await Database.QueryAsync("SELECT sql FROM sqlite_master WHERE name = 'Secrets'"))[0]!;
        var lines = sql.Split('\n').Select(l => !l.Contains($"CK_Secrets_{column}_IsEnvelope", StringComparison.Ordinal) ? l : l.EndsWith(',') ? "CHECK (1 = 1)," : "CHECK (1 = 1)");
        await Database.QueryAsync("PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = @sql WHERE name = 'Secrets'", ("@sql", string.Join('\n', lines)));
    }
}

public sealed class PostgresEnvelopeCheckTests() : EnvelopeCheckSpecification(new PostgresTestDatabase())
{
    protected override string Bytes(string hexadecimal) => $"'\\x{hexadecimal}'::bytea";

    protected override async Task AssertAllProvedAsync()
        => Assert.All(await Database.QueryAsync("SELECT convalidated FROM pg_constraint WHERE contype = 'c' AND conname LIKE '%IsEnvelope'"), v => Assert.Equal(true, v));

    [Fact]
    public async Task Rows_are_checked_without_a_long_lock_before_anything_else_of_the_migration()
    {
        Scaffold(SecretsOfAnEarlierBuild);
        Scaffold(Secrets);
        await using var context = Create(Secrets, CompileAll());

        var script = context.GetService<IMigrator>().GenerateScript(Migrations[0].MigrationId, options: MigrationsSqlGenerationOptions.Script);
        Assert.Contains("ALTER TABLE \"Secrets\" ADD CONSTRAINT \"CK_Secrets_Name_IsEnvelope\" CHECK (\"Name\" IS NULL OR substring(\"Name\" from 1 for 1) >= '\\xf8'::bytea) NOT VALID;", script, StringComparison.Ordinal);
        Assert.Contains("ALTER TABLE \"Secrets\" VALIDATE CONSTRAINT \"CK_Secrets_Name_IsEnvelope\";", script, StringComparison.Ordinal);
        Assert.True(script.IndexOf("VALIDATE", StringComparison.Ordinal) < script.IndexOf("__EnvelopeMap", StringComparison.Ordinal));

        await MigrateAsync(SecretsOfAnEarlierBuild);
        await SaveAsync(SecretsOfAnEarlierBuild, new Secret { Id = 1, Name = "ada" });
        await Database.QueryAsync(context.GetService<IMigrator>().GenerateScript(Migrations[0].MigrationId, options: MigrationsSqlGenerationOptions.Idempotent));
        await AssertAllProvedAsync();
    }

    [Fact]
    public async Task Doctor_reports_a_check_that_old_rows_were_not_held_against()
    {
        await using (var context = Create(Secrets))
            await context.Database.EnsureCreatedAsync();
        await Database.QueryAsync(
            "ALTER TABLE \"Secrets\" DROP CONSTRAINT \"CK_Secrets_Name_IsEnvelope\"; ALTER TABLE \"Secrets\" ADD CONSTRAINT any_name CHECK (\"Name\" IS NULL OR substring(\"Name\" from 1 for 1) >= '\\xf8') NOT VALID");

        await using var database = OpenDatabase();
        var found = Assert.Single(await database.Scans.DiagnoseAsync(), d => d.Code.StartsWith("check", StringComparison.Ordinal));

        Assert.Equal(("check-not-validated", "Secrets.Name"), (found.Code, found.Subject));
        Assert.Contains("'any_name'", found.Message, StringComparison.Ordinal);
    }
}

[Collection("SqlServer")]
public sealed class SqlServerEnvelopeCheckTests() : EnvelopeCheckSpecification(new SqlServerTestDatabase())
{
    protected override string Bytes(string hexadecimal) => $"0x{hexadecimal}";
}
