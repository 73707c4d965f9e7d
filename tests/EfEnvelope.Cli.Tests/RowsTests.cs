using System.Text.Json;
using EfEnvelope.Cli.TestUtilities;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli;

public abstract class RowsTests<TWorld> : ServerTests<TWorld>
    where TWorld : ToolWorld, new()
{
    [Fact]
    public async Task Reencrypt_shows_its_plan_then_does_it_and_nothing_is_left_under_the_old_version()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);

        var plan = (await PlanAsync("reencrypt")).Lines;
        Assert.Equal(["job\treencrypt", "table\tPatients", "scope\tclinic", "rows\t20"], plan[..4]);
        Assert.Contains(plan, l => l.StartsWith("column\t", StringComparison.Ordinal) && l.Contains("Ssn", StringComparison.Ordinal));
        Assert.StartsWith("begins\t", plan[^1], StringComparison.Ordinal);

        var result = (await World.RunAsync("reencrypt", "clinic", "--execute", "--progress", "none")).Exits(0);
        Assert.Equal("job\tkind\ttable\tscope\tstate\tpass\tranges\tread\twritten\tlost\trefused\tcreated\treason", result.Lines[^2]);
        Assert.Matches("^1\treencrypt\tPatients\tclinic\tcompleted\t", result.Lines[^1]);
        Assert.Matches("^efenvelope: job 1 .reencrypt Patients. is completed: [1-9][0-9]* rows written", result.ErrorLines[^1]);

        Assert.Equal(["2"], await KeyNumbersAsync("Patients", "Ssn"));
        await PatientsAreReadAsync();
    }

    [Theory]
    [InlineData("backfill", "Contacts.Phone")]
    [InlineData("reindex")]
    [InlineData("reencrypt")]
    public async Task A_plan_needs_no_kms(params string[] command)
    {
        await World.FillAsync();
        World.Environment.Remove("EFENVELOPE_KMS_FILE");
        World.Environment.Remove("EFENVELOPE_KMS_KEY_FILE");

        await PlanAsync(command);
        (await World.RunAsync([.. command, "--execute"])).Fails(2, "No KMS is configured", "--kms-file");
        (await World.RunAsync([.. command, "--execute", "--enqueue-only"])).Exits(0);
    }

    [Fact]
    public async Task Reindex_replaces_hashes_that_do_not_belong_to_their_values()
    {
        await World.FillAsync();
        await World.ExecuteAsync("""UPDATE "Patients" SET "Email" = (SELECT o."Email" FROM "Patients" o WHERE o."Id" = 7) WHERE "Id" = 3""");
        (await World.RunAsync("verify")).Exits(1);
        Assert.Contains((await PlanAsync("reindex")).Lines, l => l.Contains("missing, or does not belong to the row's values", StringComparison.Ordinal));

        Assert.Contains("1 rows written", (await World.RunAsync("reindex", "--execute")).Exits(0).ErrorLines[^1], StringComparison.Ordinal);

        (await World.RunAsync("verify")).Exits(0);
        await using var context = World.CreateContext();
        Assert.Equal([3, 7], await context.Patients.Where(p => p.Email == "p7@example.org").OrderBy(p => p.Id).Select(p => p.Id).ToListAsync());
    }

    [Theory]
    [InlineData("sodium", "platform")]
    [InlineData("platform", "sodium")]
    public async Task What_one_engine_re_encrypts_is_verified_by_the_other_and_read_by_the_application(string engine, string other)
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);

        (await World.RunAsync("reencrypt", "--execute", "--engine", engine)).Exits(0);
        Assert.Equal(["2"], await KeyNumbersAsync("Patients", "Ssn"));

        Assert.Contains("clean\tyes", (await World.RunAsync("verify", "--engine", other)).Exits(0).Lines);
        await PatientsAreReadAsync();
    }

    [Fact]
    public async Task Reencrypt_as_json_is_one_document_of_plans_and_jobs()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);

        var planned = await World.JsonAsync("reencrypt", "--table", "Patients");
        Assert.Equal(["executed", "plans", "jobs"], planned.EnumerateObject().Select(p => p.Name));
        Assert.False(planned.GetProperty("executed").GetBoolean());
        Assert.Equal(
            ["request", "scope", "rows", "columns", "schemaChanges", "warnings", "notBefore"],
            Assert.Single(planned.GetProperty("plans").EnumerateArray()).EnumerateObject().Select(p => p.Name));

        var done = await World.JsonAsync("reencrypt", "--table", "Patients", "--execute");
        var job = Assert.Single(done.GetProperty("jobs").EnumerateArray());
        Assert.Equal(("completed", "clinic", "reencrypt"), (Text(job, "state"), Text(job, "scope"), Text(job.GetProperty("request"), "kind")));
        Assert.Equal(0, job.GetProperty("rowsRefused").GetInt64());
    }

    [Fact]
    public async Task Progress_as_json_is_one_line_each_on_stderr()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);

        var result = (await World.RunAsync("reencrypt", "--execute", "--json", "--progress", "json", "--batch-size", "5", "--rows-per-second", "10")).Exits(0);

        Assert.True(result.Json.GetProperty("executed").GetBoolean());
        var lines = result.Error.Split('\n').Where(l => l.StartsWith('{')).Select(l => JsonDocument.Parse(l).RootElement).ToList();
        Assert.NotEmpty(lines);
        Assert.All(lines, l => Assert.Equal(
            ["job", "state", "pass", "ranges", "rangesDone", "estimatedRows", "rowsRead", "rowsWritten", "rowsLost", "rowsRefused", "rowsPerSecond", "remainingSeconds", "waitsFor"],
            l.EnumerateObject().Select(p => p.Name)));
    }

    [Fact]
    public async Task Backfill_encrypts_a_text_column_in_place_and_decrypt_is_the_way_back()
    {
        await World.FillAsync();
        var original = await ContactsAsync();

        var plan = (await PlanAsync("backfill", "Contacts.Phone")).Lines;
        Assert.Equal(["job\tbackfill", "table\tContacts", "scope\tclinic", "rows\t20"], plan[..4]);

        (await World.RunAsync("backfill", "Contacts.Phone", "--execute")).Exits(0);
        Assert.All(await ContactsAsync(), row => Assert.StartsWith("efenvelope:v1:", (string)row[1]!, StringComparison.Ordinal));
        (await World.RunAsync("verify")).Exits(0);
        Assert.Contains("Contacts.Phone", (await World.RunAsync("status")).Exits(0).Out, StringComparison.Ordinal);

        await PlanAsync("decrypt", "Contacts.Phone");
        (await World.RunAsync("decrypt", "Contacts.Phone", "--execute")).Exits(0);
        Assert.Equal(original, await ContactsAsync());
    }

    [Fact]
    public async Task Backfill_into_a_new_column_shows_the_schema_change_first()
    {
        await World.FillAsync();
        var plan = (await PlanAsync("backfill", "Contacts.Phone", "--into", "PhoneSecret", "--mode", "deterministic", "--context", "contacts.phone")).Lines;
        Assert.Contains(plan, l => l.StartsWith("schema change\tALTER TABLE", StringComparison.Ordinal) && l.Contains("PhoneSecret", StringComparison.Ordinal));

        (await World.RunAsync("backfill", "Contacts.Phone", "--into", "PhoneSecret", "--mode", "deterministic", "--context", "contacts.phone", "--execute")).Exits(0);

        Assert.Equal(["1"], await KeyNumbersAsync("Contacts", "PhoneSecret"));
        var column = (await World.JsonAsync("status")).GetProperty("columns").EnumerateArray().Select(c => c.GetProperty("column")).Single(c => Text(c, "column") == "PhoneSecret");
        Assert.Equal(("deterministic", "contacts.phone", "string"), (Text(column, "mode"), Text(column, "field"), Text(column, "plaintextType")));

        (await World.RunAsync("decrypt", "Contacts.PhoneSecret", "--into", "PhoneAgain", "--execute")).Exits(0);
        Assert.All(await World.QueryAsync("""SELECT "Phone", "PhoneAgain" FROM "Contacts" """), row => Assert.Equal(row[0], row[1]));
    }

    [Fact]
    public async Task Reindex_moves_what_is_compared()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "rotate", "--include-search", "--execute")).Exits(0);
        await PlanAsync("reindex");

        (await World.RunAsync("reindex", "--execute")).Exits(0);

        Assert.Equal(["2"], await KeyNumbersAsync("Patients", "Email_BlindIndex"));
        await PatientsAreReadAsync();
    }

    [Fact]
    public async Task Rows_that_do_not_open_are_left_alone_listed_and_exit_with_1()
    {
        await World.FillAsync();
        await World.ExecuteAsync("""UPDATE "Patients" SET "Ssn" = (SELECT "Email" FROM "Patients" WHERE "Id" = 3) WHERE "Id" = 2""");
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);

        var result = (await World.RunAsync("reencrypt", "--execute")).Exits(1);
        Assert.Contains("job 1 left 1 rows as they were; 'efenvelope jobs show 1' lists them", result.Error, StringComparison.Ordinal);

        var shown = (await World.RunAsync("jobs", "show", "1")).Exits(0).Lines;
        Assert.Contains(shown, l => l.StartsWith("2\tSsn\t", StringComparison.Ordinal) || l.StartsWith("2\tPatients.Ssn\t", StringComparison.Ordinal));
        Assert.DoesNotContain("p3@example.org", result.ToString(), StringComparison.Ordinal);
        var finding = Assert.Single((await World.JsonAsync("jobs", "show", "1")).GetProperty("findings").EnumerateArray());
        Assert.Equal(["key", "column", "reason"], finding.EnumerateObject().Select(p => p.Name));
    }

    [Fact]
    public async Task Where_there_is_no_key_there_is_no_scope_to_convert()
        => (await RunChangingNothingAsync("reencrypt", "--execute")).Fails(2, "There is no KMS", "'keys create'");

    [Fact]
    public async Task Only_stored_jobs_run_later()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);

        var stored = (await World.RunAsync("reencrypt", "--enqueue-only", "--execute", "--rows-per-second", "1000", "--duty-cycle", "0.5", "--max-latency", "200ms")).Exits(0);
        Assert.Equal("efenvelope: job 1 is stored; the application's hosted service runs it, or 'efenvelope jobs run 1'.", stored.ErrorLines[^1]);
        Assert.Equal(["1"], await KeyNumbersAsync("Patients", "Ssn"));

        (await World.RunAsync("jobs", "run", "1")).Exits(0);
        Assert.Equal(["2"], await KeyNumbersAsync("Patients", "Ssn"));
    }

    [Fact]
    public async Task Two_jobs_on_one_table_are_refused()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);
        (await World.RunAsync("reencrypt", "--enqueue-only", "--execute")).Exits(0);

        (await RunChangingNothingAsync("reencrypt", "--table", "Patients", "--execute")).Fails(3, "Patients", ".");
    }

    [Theory]
    [InlineData("backfill None.Phone --execute", "None", ".")]
    [InlineData("backfill Contacts.None --execute", "None", ".")]
    [InlineData("backfill none.Contacts.Phone --execute", "none", ".")]
    [InlineData("backfill Contacts.Id --execute", "Id", ".")]
    [InlineData("backfill Loose.Phone --execute", "Loose", ".")]
    [InlineData("backfill Contacts.Phone --into PhoneSecret --type nonsense --execute", "nonsense", ".")]
    [InlineData("backfill Contacts.Phone --scope other --into Patients.x --type string32 --execute", ".", ".")]
    [InlineData("decrypt Contacts.Phone --execute", "Phone", ".")]
    [InlineData("decrypt Contacts.None --into x --execute", "None", ".")]
    [InlineData("reencrypt --table None --execute", "None", ".")]
    [InlineData("reencrypt --table Patients --column None --execute", "None", ".")]
    [InlineData("reencrypt other --execute", "other", ".")]
    [InlineData("reindex --table Contacts --execute", "Contacts", ".")]
    [InlineData("verify --table None", "None", ".")]
    [InlineData("verify --scope other", "other", ".")]
    public async Task What_cannot_be_done_says_so_and_changes_nothing(string line, string error, string hint)
    {
        await World.FillAsync();
        await World.ExecuteAsync("""CREATE TABLE "Loose" ("Phone" TEXT NULL)""");
        await World.ExecuteAsync("""INSERT INTO "Loose" VALUES ('1')""");

        (await RunChangingNothingAsync(line.Split(' '))).Fails(2, error, hint);
    }

    [Fact]
    public async Task A_job_that_waits_is_left_with_3_where_nobody_is_to_wait()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "rotate", "--activation-delay", "2h", "--execute")).Exits(0);

        var result = (await World.RunAsync("reencrypt", "--execute", "--no-wait")).Exits(3);

        Assert.Contains("efenvelope: to go on: efenvelope jobs run 1", result.ErrorLines);
    }

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private Task<List<object?[]>> ContactsAsync() => World.QueryAsync("""SELECT "Id", "Phone", "Note" FROM "Contacts" ORDER BY "Id" """);

    private async Task<string[]> KeyNumbersAsync(string table, string column)
        => [.. (await World.JsonAsync("status")).GetProperty("columns").EnumerateArray()
            .Single(c => Text(c.GetProperty("column"), "table") == table && Text(c.GetProperty("column"), "column") == column)
            .GetProperty("byKeyNumber").EnumerateObject().Select(p => p.Name)];

    private async Task PatientsAreReadAsync()
    {
        await using var context = World.CreateContext();
        var patients = await context.Patients.OrderBy(p => p.Id).ToListAsync();
        Assert.All(patients, p => Assert.Equal((p.Id % 5 == 0 ? null : ToolWorld.Ssn(p.Id), $"p{p.Id}@example.org"), (p.Ssn, p.Email)));
        Assert.Equal(7, (await context.Patients.SingleAsync(p => p.Email == "P7@example.org")).Id);
    }
}

public sealed class SqliteRowsTests : RowsTests<SqliteWorld>;

public sealed class PostgresRowsTests : RowsTests<PostgresWorld>;
