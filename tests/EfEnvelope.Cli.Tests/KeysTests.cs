using EfEnvelope.Cli.TestUtilities;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli;

public abstract class KeysTests<TWorld> : ServerTests<TWorld>
    where TWorld : ToolWorld, new()
{
    [Fact]
    public async Task Create_shows_its_plan_and_makes_neither_a_key_nor_a_kms()
    {
        var result = await PlanAsync("keys", "create", "clinic");

        Assert.Equal(["action\tmake key version clinic:v1", "wrapped under\tlocal:efenvelope", $"new KMS\t{World.KmsFile}", "tables\tmade if missing", "rows changed\t0"], result.Lines);
        Assert.False(File.Exists(World.KmsFile));
    }

    [Fact]
    public async Task Create_makes_the_version_that_the_application_then_uses()
    {
        var result = (await World.RunAsync("keys", "create", "clinic", "--execute")).Exits(0);
        Assert.Equal("efenvelope: clinic:v1 was made and encrypts.", result.ErrorLines[^1]);

        await World.FillAsync();
        await using var context = World.CreateContext();
        Assert.Equal(20, (await context.Patients.ToListAsync()).Count(p => p.Email == $"p{p.Id}@example.org"));
        Assert.Equal("clinic:v1", Assert.Single((await World.JsonAsync("keys", "list")).GetProperty("versions").EnumerateArray()).GetProperty("version").GetString());
    }

    [Fact]
    public async Task Create_makes_the_tables_where_no_migration_did()
    {
        await World.ExecuteAsync("""DROP TABLE "__EnvelopeKeys" """);
        await World.ExecuteAsync("""DROP TABLE "__EnvelopeUsage" """);
        await World.ExecuteAsync("""DROP TABLE "__EnvelopeMap" """);

        await PlanAsync("keys", "create", "clinic");
        (await World.RunAsync("keys", "create", "clinic", "--execute")).Exits(0);

        Assert.Single((await World.JsonAsync("keys", "list", "clinic")).GetProperty("versions").EnumerateArray());
    }

    [Fact]
    public async Task Create_is_refused_where_there_is_a_key()
    {
        await World.FillAsync();

        (await RunChangingNothingAsync("keys", "create", "clinic", "--execute")).Fails(3, "'clinic' has a key already", "'keys rotate'");
    }

    [Fact]
    public async Task List_writes_tabs_in_a_pipe()
    {
        await World.FillAsync();

        var lines = (await RunChangingNothingAsync("keys", "list")).Exits(0).Lines;

        Assert.Equal("version\tstatus\tprimary\tsearched\tencrypts from\tencrypts until\tretired\treserved\tkeks", lines[0]);
        Assert.Matches("^clinic:v1\tenabled\tyes\tyes\t<time>\t-\t-\t[0-9,]+\tlocal:efenvelope$", Assert.Single(lines[1..]));
    }

    [Fact]
    public async Task List_as_json_names_every_version()
    {
        await World.FillAsync();

        var version = Assert.Single((await World.JsonAsync("keys", "list", "clinic")).GetProperty("versions").EnumerateArray());

        Assert.Equal(
            ["version", "status", "isPrimary", "isSearched", "keks", "createdAt", "encryptsFrom", "encryptsUntil", "searchesFrom", "uniqueFrom", "retiredAt", "reserved"],
            version.EnumerateObject().Select(p => p.Name));
        Assert.Equal(("clinic:v1", "enabled", true), (version.GetProperty("version").GetString(), version.GetProperty("status").GetString(), version.GetProperty("isPrimary").GetBoolean()));
        Assert.Equal("local:efenvelope", Assert.Single(version.GetProperty("keks").EnumerateArray()).GetString());
    }

    [Fact]
    public async Task List_says_so_where_there_is_no_key()
    {
        var result = (await RunChangingNothingAsync("keys", "list")).Exits(0);

        Assert.Equal("", result.Out);
        Assert.Equal(["efenvelope: there is no key yet; 'keys create' makes the first."], result.ErrorLines);
    }

    [Fact]
    public async Task Rotate_makes_the_next_version_only_when_told_to()
    {
        await World.FillAsync();

        Assert.Equal(
            ["action\tmake key version clinic:v2", "wrapped under\tlocal:efenvelope", "encrypts after\t2 min", "moves what is compared\tno", "rows changed\t0"],
            (await PlanAsync("keys", "rotate", "--activation-delay", "2m")).Lines);

        var result = (await World.RunAsync("keys", "rotate", "--activation-delay", "0s", "--execute")).Exits(0);
        Assert.StartsWith("efenvelope: clinic:v2 was made.", result.ErrorLines[^1], StringComparison.Ordinal);
        await World.FillAsync(1, 0);
    }

    [Fact]
    public async Task Rotate_as_json_has_the_plan_and_what_came_of_it()
    {
        await World.FillAsync();

        var planned = await World.JsonAsync("keys", "rotate");
        Assert.Equal(["executed", "plan", "result"], planned.EnumerateObject().Select(p => p.Name));
        Assert.False(planned.GetProperty("executed").GetBoolean());
        Assert.Equal(System.Text.Json.JsonValueKind.Null, planned.GetProperty("result").ValueKind);

        var done = await World.JsonAsync("keys", "rotate", "--execute");
        Assert.True(done.GetProperty("executed").GetBoolean());
        Assert.Equal("clinic:v2", done.GetProperty("result").GetProperty("version").GetString());
    }

    [Fact]
    public async Task Rewrap_moves_a_scope_to_another_kek()
    {
        await World.FillAsync();
        Assert.Equal(
            [
                "action\twrap the keys of clinic anew", "version\tclinic:v1 (local:efenvelope)",
                "now under\tlocal:efenvelope (not configured: its copies are removed): 1", "wrapped under\tlocal:other", "rows changed\t0",
            ],
            (await PlanAsync("keys", "rewrap", "--kek", "local:other")).Lines);

        (await World.RunAsync("keys", "rewrap", "--kek", "local:other", "--execute")).Exits(0);

        var version = Assert.Single((await World.JsonAsync("keys", "list")).GetProperty("versions").EnumerateArray());
        Assert.Equal("local:other", Assert.Single(version.GetProperty("keks").EnumerateArray()).GetString());
        (await World.RunAsync("verify")).Exits(0);
    }

    [Fact]
    public async Task Two_kms_in_the_file_wrap_each_for_itself()
    {
        await World.FillAsync();
        Kms.Local.LocalKmsSeal.CreateKeyFile(Path.Combine(World.Directory, "new.key"));
        await using (var made = new Kms.Local.LocalKms($"Data Source={Path.Combine(World.Directory, "new.db")}", Kms.Local.LocalKmsSeal.KeyFile(Path.Combine(World.Directory, "new.key"))))
            await made.CreateAsync(TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            Path.Combine(World.Directory, "both.json"),
            """{ "kms": [{ "file": "kms.db", "keyFile": "kms.key" }, { "file": "new.db", "keyFile": "new.key", "kek": "local:new" }] }""",
            TestContext.Current.CancellationToken);

        (await World.RunAsync("keys", "rewrap", "--config", "both.json", "--execute")).Exits(0);

        Assert.Equal(["local:efenvelope", "local:new"], (await World.JsonAsync("keys", "list")).GetProperty("versions")[0].GetProperty("keks").EnumerateArray().Select(k => k.GetString()));
        World.Environment["EFENVELOPE_KMS_FILE"] = Path.Combine(World.Directory, "new.db");
        World.Environment["EFENVELOPE_KMS_KEY_FILE"] = Path.Combine(World.Directory, "new.key");
        World.Environment["EFENVELOPE_KMS_KEK"] = "local:new";
        (await World.RunAsync("verify")).Exits(0);
    }

    [Fact]
    public async Task The_primary_is_not_disabled()
    {
        await World.FillAsync();

        (await RunChangingNothingAsync("keys", "disable", "clinic:v1", "--execute")).Fails(3, "'clinic:v1' is the primary", "'keys rotate'");
    }

    [Fact]
    public async Task A_version_is_disabled_and_enabled_again()
    {
        await RotatedAsync();
        await ReencryptedAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);

        // Nothing is compared under v2, and it is the primary no more.
        Assert.StartsWith("action\tdisable clinic:v2", (await PlanAsync("keys", "disable", "clinic:v2")).Lines[0], StringComparison.Ordinal);
        (await World.RunAsync("keys", "disable", "clinic:v2", "--execute")).Exits(0);
        Assert.Equal("disabled", await StatusOfAsync(2));

        Assert.StartsWith("action\tenable clinic:v2", (await PlanAsync("keys", "enable", "clinic:v2")).Lines[0], StringComparison.Ordinal);
        (await World.RunAsync("keys", "enable", "clinic:v2", "--execute")).Exits(0);
        Assert.Equal("enabled", await StatusOfAsync(2));
    }

    [Fact]
    public async Task Retire_lists_what_still_refers_to_the_version_and_exits_with_1()
    {
        await RotatedAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);
        await Task.Delay(300, TestContext.Current.CancellationToken);
        var before = await World.DumpAsync();

        var result = (await World.RunAsync("keys", "retire", "clinic:v2", "--execute")).Exits(1);

        Assert.Contains("column\tvalues", result.Lines);
        Assert.Contains(result.Lines, l => l.StartsWith("Patients.Ssn\t", StringComparison.Ordinal));
        Assert.Contains("values are still under clinic:v2", result.ErrorLines[^1], StringComparison.Ordinal);
        Assert.Equal(before, await World.DumpAsync());
    }

    [Fact]
    public async Task A_version_is_retired_and_then_destroyed_with_its_name_typed()
    {
        await RotatedAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);
        await ReencryptedAsync();

        Assert.Contains("nothing refers to clinic:v2", (await PlanAsync("keys", "retire", "clinic:v2")).Error, StringComparison.Ordinal);
        (await World.RunAsync("keys", "retire", "clinic:v2", "--execute")).Exits(0);

        (await RunChangingNothingAsync("keys", "destroy", "clinic:v2", "--execute")).Fails(2, "Destroying 'clinic:v2' needs its name once more", "--confirm clinic:v2");
        (await RunChangingNothingAsync("keys", "destroy", "clinic:v2", "--execute", "--confirm", "clinic:v1")).Fails(2, "is not 'clinic:v2'", "Type the version exactly");
        (await RunChangingNothingAsync("keys", "destroy", "clinic:v2", "--execute", "--confirm", "clinic:v2")).Exits(3);
        await PlanAsync("keys", "destroy", "clinic:v2", "--waiting-period", "0s");

        var done = await World.JsonAsync("keys", "destroy", "clinic:v2", "--execute", "--confirm", "clinic:v2", "--waiting-period", "0s");
        Assert.True(done.GetProperty("executed").GetBoolean());
        Assert.Equal("destroyed", await StatusOfAsync(2));
        (await World.RunAsync("verify")).Exits(0);
        (await RunChangingNothingAsync("keys", "enable", "clinic:v2", "--execute")).Exits(6);
    }

    [Theory]
    [InlineData("keys rotate other --execute", "other", "Nothing was changed|keys")]
    [InlineData("keys list other", "other", ".")]
    [InlineData("keys retire other:v1 --execute", "other", ".")]
    [InlineData("keys rewrap --scope other --execute", "other", ".")]
    [InlineData("keys disable clinic:v9 --execute", "There is no key version 'clinic:v9'", "'keys list'")]
    [InlineData("keys destroy clinic:v9 --confirm clinic:v9 --execute", "There is no key version 'clinic:v9'", "'keys list'")]
    public async Task An_unknown_scope_or_version_changes_nothing(string line, string error, string hint)
    {
        await World.FillAsync();

        (await RunChangingNothingAsync(line.Split(' '))).Fails(2, error, hint);
    }

    [Fact]
    public async Task A_kms_that_lost_its_key_file_is_unavailable_and_nothing_changes()
    {
        await World.FillAsync();
        File.Delete(World.KeyFile);
        EfEnvelope.Kms.Local.LocalKmsSeal.CreateKeyFile(World.KeyFile);

        (await RunChangingNothingAsync("keys", "rotate", "--execute")).FailsAfterPlan(4, "kms.key' does not open", "key file the KMS was created with");
        (await RunChangingNothingAsync("keys", "list")).Exits(0);
    }

    // Ssn of every patient under v2, what is compared under v1.
    private async Task RotatedAsync()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);
        await ReencryptedAsync();
    }

    private async Task ReencryptedAsync() => (await World.RunAsync("reencrypt", "--execute")).Exits(0);

    private async Task<string?> StatusOfAsync(int number)
        => (await World.JsonAsync("keys", "list")).GetProperty("versions").EnumerateArray()
            .Single(v => v.GetProperty("version").GetString() == $"clinic:v{number}").GetProperty("status").GetString();
}

public sealed class SqliteKeysTests : KeysTests<SqliteWorld>;

public sealed class PostgresKeysTests : KeysTests<PostgresWorld>;
