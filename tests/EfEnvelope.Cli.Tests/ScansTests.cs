using EfEnvelope.Cli.TestUtilities;

namespace EfEnvelope.Cli;

public abstract class ScansTests<TWorld> : ServerTests<TWorld>
    where TWorld : ToolWorld, new()
{
    [Fact]
    public async Task Status_counts_by_key_version_and_needs_no_kms()
    {
        await World.FillAsync();
        World.Environment.Remove("EFENVELOPE_KMS_FILE");
        World.Environment.Remove("EFENVELOPE_KMS_KEY_FILE");

        var lines = (await RunChangingNothingAsync("status")).Exits(0).Lines;

        Assert.StartsWith("clinic:v1\tenabled\tyes\tyes\t", lines[1], StringComparison.Ordinal);
        Assert.Contains("column\tkind\tmode\ttype\tnull\tnot an envelope\tby key version", lines);
        Assert.Contains("Patients.Ssn\tvalue\trandomized\tstring\t4\t0\tv1: 16", lines);
        Assert.Contains(lines, l => l.StartsWith("Patients.Email_BlindIndex\tblind index\t-\t", StringComparison.Ordinal) && l.EndsWith("\t0\t0\tv1: 20", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Status_as_json_has_keys_columns_and_jobs()
    {
        await World.FillAsync();

        var status = await World.JsonAsync("status");

        Assert.Equal(["provider", "keys", "copies", "columns", "jobs", "malformed"], status.EnumerateObject().Select(p => p.Name));
        Assert.Equal(World.Provider, status.GetProperty("provider").GetString());
        Assert.All(status.GetProperty("columns").EnumerateArray(), c => Assert.Equal(["column", "nulls", "foreign", "byKeyNumber"], c.EnumerateObject().Select(p => p.Name)));
    }

    [Fact]
    public async Task Status_of_a_database_without_keys_says_so()
    {
        var result = (await RunChangingNothingAsync("status")).Exits(0);

        Assert.Contains("efenvelope: there is no key yet; 'keys create' makes the first.", result.ErrorLines);
    }

    [Fact]
    public async Task Doctor_names_columns_that_look_like_personal_data_when_it_is_told_to()
    {
        await World.FillAsync();
        await World.ExecuteAsync("""UPDATE "Contacts" SET "Note" = 'ada' || "Id" || '@example.org' """);

        Assert.DoesNotContain((await RunChangingNothingAsync("doctor")).Exits(0).Lines, l => l.Contains("looks-personal", StringComparison.Ordinal));
        var found = (await RunChangingNothingAsync("doctor", "--suggest")).Exits(0);

        Assert.Contains(found.Lines, l => l.StartsWith("notice\tlooks-personal\tContacts.Phone\tThe column is not encrypted, and its name looks like personal data.", StringComparison.Ordinal));
        Assert.Contains(found.Lines, l => l.StartsWith("notice\tlooks-personal\tContacts.Note\tThe column is not encrypted, and its values look like e-mail addresses.", StringComparison.Ordinal));
        Assert.DoesNotContain(found.Lines, l => l.Contains("looks-personal\tPatients.Ssn", StringComparison.Ordinal) || l.Contains("looks-personal\tPatients.Email", StringComparison.Ordinal) || l.Contains(".Id\t", StringComparison.Ordinal));
        Assert.DoesNotContain("ada1", found.Out + found.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_of_a_clean_database_exits_with_0()
    {
        await World.FillAsync();

        var lines = (await RunChangingNothingAsync("verify", "--table", "Patients")).Exits(0).Lines;

        Assert.Equal(["rows\t20", "values opened\t36", "blind indexes checked\t20", "failures\t0", "clean\tyes"], lines);
    }

    [Fact]
    public async Task Verify_lists_what_fails_without_its_value_and_exits_with_1()
    {
        await World.FillAsync();
        await World.ExecuteAsync("""UPDATE "Patients" SET "Ssn" = (SELECT "Email" FROM "Patients" WHERE "Id" = 3) WHERE "Id" = 2""");

        var result = (await RunChangingNothingAsync("verify")).Exits(1);

        Assert.Contains("failures\t1", result.Lines);
        Assert.StartsWith("Patients\t2\t", result.Lines[^1], StringComparison.Ordinal);
        Assert.Equal("efenvelope: 1 value failed.", result.ErrorLines[^1]);
        Assert.DoesNotContain("p3@example.org", result.ToString(), StringComparison.Ordinal);
        var json = (await World.RunAsync("verify", "--json")).Exits(1).Json;
        Assert.False(json.GetProperty("isClean").GetBoolean());
        Assert.Equal(["table", "key", "column", "reason"], Assert.Single(json.GetProperty("findings").EnumerateArray()).EnumerateObject().Select(p => p.Name));
    }

    [Fact]
    public async Task Inspect_explains_a_stored_value_without_a_key()
    {
        await World.FillAsync();
        var stored = (byte[])(await World.QueryAsync("""SELECT "Ssn" FROM "Patients" WHERE "Id" = 1"""))[0][0]!;

        var lines = (await Tool.RunAsync("inspect", Convert.ToHexString(stored))).Exits(0).Lines;

        Assert.Contains("envelope\tyes", lines);
        Assert.Contains("algorithm\tAES-256-GCM", lines);
        Assert.Contains("key version\tv1", lines);
        Assert.Contains("bytes\t44", lines);
        Assert.Contains("plaintext bytes\t11", lines);
        Assert.Contains("part\toffset\tlength\tbytes", lines);
        var json = (await Tool.RunAsync("inspect", $"0x{Convert.ToHexString(stored)}", "--json")).Exits(0).Json;
        Assert.Equal(["isEnvelope", "fault", "isText", "algorithm", "keyNumber", "length", "plaintextLength", "parts"], json.EnumerateObject().Select(p => p.Name));
    }

    [Fact]
    public async Task Inspect_of_something_else_says_what_is_wrong_and_exits_with_1()
    {
        var result = (await Tool.RunAsync("inspect", "00112233445566778899")).Exits(1);

        Assert.Equal("envelope\tno", result.Lines[0]);
        Assert.StartsWith("fault\t", result.Lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_of_a_healthy_database_finds_no_error()
    {
        await World.FillAsync();

        var json = await World.JsonAsync("doctor");

        Assert.True(json.GetProperty("healthy").GetBoolean());
        (await RunChangingNothingAsync("doctor")).Exits(0);
    }

    [Fact]
    public async Task Doctor_finds_a_column_that_the_map_has_and_the_table_has_not()
    {
        await World.FillAsync();
        await World.ExecuteAsync("""ALTER TABLE "Patients" RENAME COLUMN "Ssn" TO "Elsewhere" """);

        var result = (await RunChangingNothingAsync("doctor")).Exits(1);

        Assert.Equal("severity\tcode\tsubject\tmessage\thint", result.Lines[0]);
        Assert.StartsWith("error\t", result.Lines[1], StringComparison.Ordinal);
        Assert.Contains("Patients.Ssn", result.Lines[1], StringComparison.Ordinal);
        var finding = (await World.RunAsync("doctor", "--json")).Exits(1).Json.GetProperty("findings")[0];
        Assert.Equal(["severity", "code", "subject", "message", "hint"], finding.EnumerateObject().Select(p => p.Name));
    }
}

public sealed class SqliteScansTests : ScansTests<SqliteWorld>;

public sealed class PostgresScansTests : ScansTests<PostgresWorld>;
