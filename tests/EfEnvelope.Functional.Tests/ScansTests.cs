using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Rotation;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteVerifyTests() : VerifySpecification(new SqliteTestDatabase())
{
    protected override string PastChecks => "PRAGMA ignore_check_constraints = ON; ";
}

public sealed class PostgresVerifyTests() : VerifySpecification(new PostgresTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerVerifyTests() : VerifySpecification(new SqlServerTestDatabase());

public sealed class SqliteDoctorTests() : DoctorSpecification(new SqliteTestDatabase())
{
    protected override string TriggerOnName => "CREATE TRIGGER [Guard] BEFORE UPDATE ON [People] WHEN NEW.[Name] = 'x' BEGIN SELECT RAISE(ABORT, 'no'); END";

    protected override string GeneratedFromNick => "ALTER TABLE [People] ADD COLUMN [Hex] GENERATED ALWAYS AS (hex([Nick])) VIRTUAL";

    protected override string PastChecks => "PRAGMA ignore_check_constraints = ON; ";
}

public sealed class PostgresDoctorTests() : DoctorSpecification(new PostgresTestDatabase())
{
    protected override string TriggerOnName
        => "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.[Name] = 'x' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$; "
            + "CREATE TRIGGER [Guard] BEFORE UPDATE ON [People] FOR EACH ROW EXECUTE FUNCTION guard()";

    protected override string GeneratedFromNick => "ALTER TABLE [People] ADD COLUMN [Hex] text GENERATED ALWAYS AS (encode([Nick], 'hex')) STORED";

    // SQLite's columns have no length.
    [Fact]
    public async Task Columns_that_are_too_narrow()
    {
        await SqlAsync("ALTER TABLE [People] ALTER COLUMN [Note] TYPE varchar(79)");
        await AssertFoundAsync();

        // 14 characters, and 16 + 33 bytes in Base64url.
        await SqlAsync("UPDATE [__EnvelopeMap] SET [PlaintextType] = 'guid' WHERE [ColumnName] = 'Note'");
        await AssertFoundAsync((DiagnosisSeverity.Error, "column-too-narrow", "People.Note"));
        await SqlAsync("ALTER TABLE [People] ALTER COLUMN [Note] TYPE varchar(80)");
        await AssertFoundAsync();
    }

    [Fact]
    public async Task Columns_that_are_nearly_full()
    {
        await SaveAsync("1 ada");
        var length = (await ReadAsync<string>(1, "Note")).Length;
        await SqlAsync($"ALTER TABLE [People] ALTER COLUMN [Note] TYPE varchar({length})");
        await AssertFoundAsync((DiagnosisSeverity.Warning, "column-too-narrow", "People.Note"));
        await SqlAsync($"ALTER TABLE [People] ALTER COLUMN [Note] TYPE varchar({length * 2})");
        await AssertFoundAsync();
    }

    [Fact]
    public async Task Columns_whose_plaintexts_will_not_fit_when_they_are_encrypted()
    {
        await SaveAsync("1 ada");
        await SetAsync(1, "Note", new string('x', 60));
        await AllowPlaintextAsync();
        await SqlAsync("ALTER TABLE [People] ALTER COLUMN [Note] TYPE varchar(100)");
        await AssertFoundAsync((DiagnosisSeverity.Error, "column-too-narrow", "People.Note"), (DiagnosisSeverity.Notice, "plaintext-rows", "People.Note"));
    }

    [Fact]
    public async Task Rows_that_row_level_security_keeps_from_the_user()
    {
        await SaveAsync("1 ada");
        var role = $"efenvelope_{Guid.NewGuid():N}";
        await SqlAsync($"CREATE ROLE {role} LOGIN PASSWORD '{role}'");
        try
        {
            await SqlAsync($"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
            await using var database = EncryptedDatabase.Open(
                options => options.UseNpgsql(new NpgsqlConnectionStringBuilder(((PostgresTestDatabase)Database).ConnectionString) { Username = role, Password = role, Pooling = false }.ConnectionString)
                    .UseEnvelopeEncryption(e => e.UseKms(Kms)));
            Assert.Empty(await database.Scans.DiagnoseAsync());
            await SqlAsync("ALTER TABLE [People] ENABLE ROW LEVEL SECURITY");
            var found = Assert.Single(await database.Scans.DiagnoseAsync());
            Assert.Equal((DiagnosisSeverity.Error, "rls", "People"), (found.Severity, found.Code, found.Subject));
            await Assert.ThrowsAsync<OperationRefusedException>(() => database.Scans.VerifyAsync());
        }
        finally
        {
            await SqlAsync($"DROP OWNED BY {role}");
            await SqlAsync($"DROP ROLE {role}");
        }

        // The owner of the table sees all of it.
        await AssertFoundAsync();
    }
}

[Collection("SqlServer")]
public sealed class SqlServerDoctorTests() : DoctorSpecification(new SqlServerTestDatabase())
{
    protected override string TriggerOnName => "CREATE TRIGGER [Guard] ON [People] AFTER UPDATE AS IF EXISTS (SELECT 1 FROM inserted WHERE [Name] = 0x01) THROW 50000, 'no', 1";

    protected override string GeneratedFromNick => "ALTER TABLE [People] ADD [Hex] AS CONVERT(varchar(max), [Nick], 2)";

    protected override string Length(string column) => $"LEN({column})";

    protected override string DropIndex(string index) => $"DROP INDEX [{index}] ON [People]";
}
