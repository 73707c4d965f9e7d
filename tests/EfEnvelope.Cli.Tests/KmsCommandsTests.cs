using System.Security.Cryptography;
using EfEnvelope.Cli.TestUtilities;

namespace EfEnvelope.Cli;

/// <summary>The embedded KMS in the hands of its administrator, and what the database then says of its keys.</summary>
public sealed class KmsCommandsTests : ServerTests<SqliteWorld>
{
    [Fact]
    public async Task A_key_lives_from_creation_to_deletion_and_each_step_waits_for_execute()
    {
        Assert.Equal($"new KMS\t{World.KmsFile}", (await PlanAsync("kms", "keys", "create", "clinic")).Lines[^1]);
        (await World.RunAsync("kms", "keys", "create", "clinic", "--execute")).Exits(0);
        (await World.RunAsync("kms", "keys", "create", "sign", "--algorithm", "ecdsap256", "--rotation-period", "90d", "--execute")).Exits(0);
        Assert.Contains("sign\tenabled\tecdsaP256\t1\t\t<time>\t-", (await RunChangingNothingAsync("kms", "keys", "list")).Exits(0).Lines);

        Assert.StartsWith("action\tmake the next version of the key 'clinic'", (await PlanAsync("kms", "keys", "rotate", "clinic")).Lines[0], StringComparison.Ordinal);
        Assert.Equal("efenvelope: the key 'clinic' is enabled, its primary version is 2.", (await World.RunAsync("kms", "keys", "rotate", "clinic", "--execute")).Exits(0).ErrorLines[^1]);
        await PlanAsync("kms", "keys", "disable", "clinic");
        (await World.RunAsync("kms", "keys", "disable", "clinic", "--execute")).Exits(0);
        (await World.RunAsync("kms", "keys", "enable", "clinic", "--execute")).Exits(0);
        Assert.Contains("in 7 days", (await PlanAsync("kms", "keys", "delete", "clinic", "--days", "7")).Lines[0], StringComparison.Ordinal);
        (await World.RunAsync("kms", "keys", "delete", "clinic", "--days", "7", "--execute")).Exits(0);
        Assert.Contains("state\tpending deletion", (await World.RunAsync("kms", "keys", "describe", "clinic")).Exits(0).Lines);
        (await World.RunAsync("kms", "keys", "cancel-delete", "clinic", "--execute")).Exits(0);
        (await World.RunAsync("kms", "keys", "enable", "clinic", "--execute")).Exits(0);

        var key = (await World.JsonAsync("kms", "keys", "describe", "clinic")).GetProperty("key");
        Assert.Equal(("enabled", 2), (key.GetProperty("state").GetString(), key.GetProperty("versions").GetArrayLength()));
    }

    [Theory]
    [InlineData("kms keys rotate none --execute", "contains no KEK 'none'", ".")]
    [InlineData("kms keys create clinic --algorithm rot13", "'rot13' is not an algorithm", "'aes256'")]
    [InlineData("kms keys delete clinic --days 3", "'--days' is '3'", "7 to 30")]
    [InlineData("kms principals create a,b --execute", "'a,b' cannot be the name", "letters")]
    [InlineData("kms simulate app Open clinic", "'Open' is not an operation", "'Unwrap'")]
    [InlineData("kms simulate app Unwrap clinic --context scope", "'scope' is not a pair", "name=value")]
    [InlineData("kms grants add app clinic", "No operation is named", "--operations")]
    [InlineData("kms seals add", "No seal is named", "--key-file")]
    [InlineData("kms backup kms.bak", "No passphrase for the backup", "EFENVELOPE_KMS_BACKUP_PASSPHRASE")]
    [InlineData("kms policies set none.json", "none.json' could not be read", "Correct the path")]
    public async Task What_is_wrong_is_said_and_changes_nothing(string line, string error, string hint)
    {
        (await World.RunAsync("kms", "keys", "create", "clinic", "--execute")).Exits(0);

        var result = (await RunChangingNothingAsync(line.Split(' '))).Exits(2);

        Assert.Matches(error, result.ErrorLines[^2]);
        Assert.Matches(hint, result.ErrorLines[^1]);
    }

    [Fact]
    public async Task A_principal_may_do_what_a_policy_or_a_grant_says_and_no_more()
    {
        (await World.RunAsync("kms", "keys", "create", "clinic", "--execute")).Exits(0);
        await PlanAsync("kms", "principals", "create", "app");
        var created = (await World.RunAsync("kms", "principals", "create", "app", "--execute")).Exits(0);
        var credential = Assert.Single(created.Lines);
        Assert.StartsWith("efk_app.", credential, StringComparison.Ordinal);
        Assert.DoesNotContain(credential, created.Error, StringComparison.Ordinal);
        Assert.Contains(await PrincipalsAsync(), p => p == "app");

        // Denied by default; allowed by a grant in one context; then by a policy.
        Assert.Equal(["allowed\tno", "rule\tdefault"], (await World.RunAsync("kms", "simulate", "app", "unwrap", "clinic")).Exits(1).Lines);
        await PlanAsync("kms", "grants", "add", "app", "clinic", "--operations", "Unwrap", "--context", "scope=clinic");
        var grant = (await World.JsonAsync("kms", "grants", "add", "app", "clinic", "--operations", "Unwrap", "--context", "scope=clinic", "--execute")).GetProperty("result").GetProperty("grant");
        Assert.Equal("clinic", grant.GetProperty("context").GetProperty("scope").GetString());
        (await World.RunAsync("kms", "simulate", "app", "Unwrap", "clinic", "--context", "scope=clinic")).Exits(0);
        (await World.RunAsync("kms", "simulate", "app", "Unwrap", "clinic", "--context", "scope=other")).Exits(1);
        Assert.Contains("\tscope=clinic\t", (await World.RunAsync("kms", "grants", "list")).Exits(0).Lines[1], StringComparison.Ordinal);
        (await World.RunAsync("kms", "grants", "revoke", grant.GetProperty("grantId").GetString()!, "--execute")).Exits(0);
        (await World.RunAsync("kms", "simulate", "app", "Unwrap", "clinic", "--context", "scope=clinic")).Exits(1);
        await File.WriteAllTextAsync(
            Path.Combine(World.Directory, "clinic-app.json"),
            """{ "statements": [{ "effect": "allow", "principals": ["app"], "operations": ["Unwrap", "DescribeKey"], "keys": ["clinic"] }] }""",
            TestContext.Current.CancellationToken);
        await PlanAsync("kms", "policies", "set", "clinic-app.json");
        (await World.RunAsync("kms", "policies", "set", "clinic-app.json", "--execute")).Exits(0);
        Assert.StartsWith("clinic-app\t", (await World.RunAsync("kms", "policies", "list")).Exits(0).Lines[1], StringComparison.Ordinal);

        // Root is held to the policy too, until that is stopped.
        var enforcing = await PlanAsync("kms", "policies", "enforce");
        Assert.Contains("enforced now\tno", enforcing.Lines);
        Assert.Matches("no administrator\t.*'clinic'", enforcing.Out);
        (await World.RunAsync("kms", "policies", "enforce", "--execute")).Exits(0);
        Assert.Matches("call with the credential of a principal", (await World.RunAsync("kms", "keys", "rotate", "clinic", "--execute")).Exits(2).Error);

        // The lines that the plan has make an administrator.
        await File.WriteAllTextAsync(
            Path.Combine(World.Directory, "admin.json"),
            Assert.Single(enforcing.Lines, l => l.StartsWith("admin.json\t", StringComparison.Ordinal)).Split('\t')[1],
            TestContext.Current.CancellationToken);
        var administrator = Assert.Single((await World.RunAsync("kms", "principals", "create", "admin", "--execute")).Exits(0).Lines);
        (await World.RunAsync("kms", "policies", "set", "admin.json", "--execute")).Exits(0);
        Assert.DoesNotContain("no administrator", (await PlanAsync("kms", "policies", "enforce")).Out, StringComparison.Ordinal);
        World.Environment["EFENVELOPE_KMS_CREDENTIAL"] = administrator;
        (await World.RunAsync("kms", "keys", "rotate", "clinic", "--execute")).Exits(0);
        (await World.RunAsync("kms", "keys", "list")).Exits(0);
        World.Environment.Remove("EFENVELOPE_KMS_CREDENTIAL");
        (await World.RunAsync("kms", "policies", "delete", "admin", "--execute")).Exits(0);
        (await World.RunAsync("kms", "principals", "delete", "admin", "--execute")).Exits(0);
        (await World.RunAsync("kms", "grants", "add", "app", "clinic", "--operations", "Unwrap", "--execute")).Exits(0);
        (await World.RunAsync("kms", "policies", "enforce", "--stop", "--execute")).Exits(0);

        // The tool itself as that principal.
        World.Environment["EFENVELOPE_KMS_CREDENTIAL"] = credential;
        (await World.RunAsync("kms", "keys", "describe", "clinic")).Exits(0);
        (await World.RunAsync("kms", "keys", "rotate", "clinic", "--execute")).Exits(2);
        World.Environment.Remove("EFENVELOPE_KMS_CREDENTIAL");
        var rotated = (await World.RunAsync("kms", "principals", "rotate", "app", "--overlap", "1h", "--execute")).Exits(0);
        Assert.DoesNotContain(credential, rotated.Out, StringComparison.Ordinal);
        (await World.RunAsync("kms", "policies", "delete", "clinic-app", "--execute")).Exits(0);
        (await World.RunAsync("kms", "principals", "disable", "app", "--execute")).Exits(0);
        (await World.RunAsync("kms", "principals", "delete", "app", "--execute")).Exits(0);
        Assert.Empty(await PrincipalsAsync());
    }

    [Fact]
    public async Task A_seal_is_changed_and_a_backup_opens_the_same_data()
    {
        await World.FillAsync();
        var old = (await World.JsonAsync("kms", "seals", "list")).GetProperty("seals")[0].GetProperty("sealId").GetString()!;
        await File.WriteAllTextAsync(Path.Combine(World.Directory, "pass.txt"), "correct horse battery\n", TestContext.Current.CancellationToken);
        await PlanAsync("kms", "seals", "add", "--passphrase-file", "pass.txt");
        (await World.RunAsync("kms", "seals", "add", "--passphrase-file", "pass.txt", "--execute")).Exits(0);
        World.Environment.Remove("EFENVELOPE_KMS_KEY_FILE");
        World.Environment["EFENVELOPE_KMS_PASSPHRASE"] = "correct horse battery";
        (await World.RunAsync("kms", "seals", "remove", old, "--execute")).Exits(0);
        (await World.RunAsync("verify")).Exits(0);

        World.Environment["EFENVELOPE_KMS_BACKUP_PASSPHRASE"] = "staple";
        (await World.RunAsync("kms", "backup", "kms.bak")).Exits(0);
        (await World.RunAsync("kms", "backup", "kms.bak")).Fails(2, "There is a file .*kms.bak' already", "nothing is written over");
        (await World.RunAsync("kms", "restore", "kms.bak", "--execute")).Fails(2, "There is a KMS in", "--kms-file");
        World.Environment["EFENVELOPE_KMS_FILE"] = Path.Combine(World.Directory, "restored.db");
        await PlanAsync("kms", "restore", "kms.bak");
        World.Environment["EFENVELOPE_KMS_BACKUP_PASSPHRASE"] = "hunter2";
        (await World.RunAsync("kms", "restore", "kms.bak", "--execute")).Exits(5);
        World.Environment["EFENVELOPE_KMS_BACKUP_PASSPHRASE"] = "staple";
        (await World.RunAsync("kms", "restore", "kms.bak", "--execute")).Exits(0);
        (await World.RunAsync("verify")).Exits(0);
        (await World.RunAsync("audit", "verify")).Exits(0);
    }

    [Fact]
    public async Task A_rotated_kek_makes_copies_stale_until_they_are_rewrapped()
    {
        await World.FillAsync();
        Assert.DoesNotContain((await World.RunAsync("doctor")).Exits(0).Lines, l => l.Contains("stale-copies", StringComparison.Ordinal));

        (await World.RunAsync("kms", "keys", "rotate", "efenvelope", "--execute")).Exits(0);

        Assert.Contains((await World.RunAsync("doctor")).Exits(0).Lines, l => l.StartsWith("warning\tstale-copies\tlocal:efenvelope\t", StringComparison.Ordinal));

        (await World.RunAsync("keys", "rewrap", "--execute")).Exits(0);

        var current = (await World.RunAsync("status")).Exits(0);
        Assert.Contains("key\tkek\tkek version\tstate\tstale\tdetail", current.Lines);
        Assert.Contains("~intermediate:v1\tlocal:efenvelope\t2\tunknown\tno\t", current.Lines);
        Assert.Equal("", current.Error);
        Assert.DoesNotContain((await World.RunAsync("doctor")).Exits(0).Lines, l => l.Contains("stale-copies", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Status_contacts_no_kms_and_judges_copies_by_the_names_of_their_keks()
    {
        await World.FillAsync();
        var trail = await TrailAsync();
        Assert.Contains("~intermediate:v1\tlocal:efenvelope\t1\tunknown\tno\t", (await World.RunAsync("status")).Exits(0).Lines);
        var other = (await World.RunAsync("status", "--kek", "local:other")).Exits(0);
        Assert.Contains("~intermediate:v1\tlocal:efenvelope\t1\tnot configured\tyes\t", other.Lines);
        Assert.Contains("~intermediate:v1\tlocal:other\t-\tmissing\tyes\t", other.Lines);
        Assert.Equal(
            "efenvelope: 1 copy is under 'local:efenvelope', which is not configured. If that KEK is the right one, give '--kek', EFENVELOPE_KMS_KEK or 'kms.kek'. To move to 'local:other', run 'efenvelope keys rewrap'.",
            other.ErrorLines[^1]);
        Assert.Contains("now under\tlocal:efenvelope (not configured: its copies are removed): 1", (await World.RunAsync("keys", "rewrap", "--kek", "local:other")).Lines);
        Assert.Equal(trail, await TrailAsync());

        // What cannot be opened is not opened.
        File.Move(World.KmsFile, World.KmsFile + ".away");
        World.Environment["EFENVELOPE_KMS_KEY_FILE"] = "none.key";
        (await World.RunAsync("status")).Exits(0);
        Assert.False(File.Exists(World.KmsFile));
        World.Environment.Remove("EFENVELOPE_KMS_KEY_FILE");
        World.Environment.Remove("EFENVELOPE_KMS_FILE");

        var result = (await World.RunAsync("status")).Exits(0);

        Assert.Contains("~intermediate:v1\tlocal:efenvelope\t1\tunknown\tno\t", result.Lines);
        Assert.Equal("efenvelope: no KMS is configured, so no copy was judged.", result.ErrorLines[^1]);

        async Task<long> TrailAsync()
        {
            await using var kms = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={World.KmsFile};Pooling=False");
            await kms.OpenAsync();
            await using var command = kms.CreateCommand();
            command.CommandText = "SELECT COUNT(*) FROM kms_audit_events";
            return (long)(await command.ExecuteScalarAsync())!;
        }
    }

    [Fact]
    public async Task Doctor_finds_a_kek_that_is_disabled_or_to_be_deleted()
    {
        await World.FillAsync();
        (await World.RunAsync("kms", "keys", "disable", "efenvelope", "--execute")).Exits(0);
        Assert.Contains((await World.RunAsync("doctor")).Exits(1).Lines, l => l.StartsWith("error\tkek-disabled\tlocal:efenvelope\t", StringComparison.Ordinal));

        (await World.RunAsync("kms", "keys", "delete", "efenvelope", "--days", "7", "--execute")).Exits(0);

        Assert.Contains((await World.RunAsync("doctor")).Exits(1).Lines, l => l.StartsWith("error\tkek-pending-deletion\tlocal:efenvelope\tThe KEK is to be deleted at <time>", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Doctor_finds_an_intermediate_key_that_is_lost()
    {
        await World.FillAsync();
        await World.ExecuteAsync("""DELETE FROM "__EnvelopeKeys" WHERE "Scope" = '~intermediate'""");

        var line = Assert.Single((await World.RunAsync("doctor")).Exits(1).Lines, l => l.Contains("\tintermediate-missing\t", StringComparison.Ordinal));

        Assert.StartsWith("error\tintermediate-missing\t~intermediate:v1\t", line, StringComparison.Ordinal);
        Assert.Contains("clinic:v1.", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_says_that_no_kms_is_configured()
    {
        await World.FillAsync();
        World.Environment.Remove("EFENVELOPE_KMS_FILE");
        World.Environment.Remove("EFENVELOPE_KMS_KEY_FILE");

        Assert.Contains(
            (await RunChangingNothingAsync("doctor")).Exits(1).Lines,
            l => l.StartsWith("error\tkms-unreachable\t", StringComparison.Ordinal) && l.Contains("No KMS is configured", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_recovery_key_opens_what_a_lost_kms_had()
    {
        await World.FillAsync();
        using (var rsa = RSA.Create(3072))
        {
            Write("public.pem", rsa.ExportSubjectPublicKeyInfoPem());
            Write("private.pem", rsa.ExportPkcs8PrivateKeyPem());
        }

        Write("both.json", """{ "kms": [{ "file": "kms.db", "keyFile": "kms.key" }, { "type": "recovery", "publicKeyFile": "public.pem" }] }""");
        Write("lost.json", """{ "kms": { "type": "recovery", "publicKeyFile": "public.pem" } }""");
        Write("recover.json", """{ "kms": { "type": "recovery", "privateKeyFile": "private.pem" } }""");
        World.Environment.Remove("EFENVELOPE_KMS_FILE");
        World.Environment.Remove("EFENVELOPE_KMS_KEY_FILE");
        Assert.Contains((await World.RunAsync("doctor", "--config", "both.json")).Exits(0).Lines, l => l.Contains("\tstale-copies\trecovery:", StringComparison.Ordinal));
        (await World.RunAsync("keys", "rewrap", "--config", "both.json", "--execute")).Exits(0);
        Assert.Equal("", (await World.RunAsync("status", "--config", "both.json")).Exits(0).Error);
        File.Delete(World.KmsFile);

        (await World.RunAsync("verify", "--config", "lost.json")).Exits(4);
        (await World.RunAsync("verify", "--config", "recover.json")).Exits(0);

        void Write(string file, string text) => File.WriteAllText(Path.Combine(World.Directory, file), text);
    }

    [Fact]
    public async Task All_scopes_are_rewrapped_together_and_one_is_shredded_alone()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "create", "tenant-7", "--execute")).Exits(0);
        Assert.Equal(
            ["action\twrap the keys of all 2 scopes anew", "now under\tlocal:efenvelope (not configured: its copies are removed): 1", "wrapped under\tlocal:other", "rows changed\t0"],
            (await PlanAsync("keys", "rewrap", "--kek", "local:other")).Lines);
        Assert.Equal("efenvelope: the keys of 2 scopes were rewrapped.", (await World.RunAsync("keys", "rewrap", "--kek", "local:other", "--execute")).Exits(0).ErrorLines[^1]);
        World.Environment["EFENVELOPE_KMS_KEK"] = "local:other";

        var plan = await PlanAsync("keys", "shred", "tenant-7");
        Assert.Contains("version\ttenant-7:v1 (enabled)", plan.Lines);
        Assert.StartsWith("not reached\tbackups of the database from before", plan.Lines[^1], StringComparison.Ordinal);
        (await RunChangingNothingAsync("keys", "shred", "tenant-7", "--execute")).Fails(2, "Shredding 'tenant-7' needs its name once more", "--confirm tenant-7");
        (await RunChangingNothingAsync("keys", "shred", "tenant-7", "--execute", "--confirm", "clinic")).Fails(2, "is not 'tenant-7'", "Type the scope exactly");
        var done = (await World.RunAsync("keys", "shred", "tenant-7", "--execute", "--confirm", "tenant-7")).Exits(0);
        Assert.Contains("backups from before still have its wrapped keys", done.ErrorLines[^1], StringComparison.Ordinal);

        Assert.Equal(
            [("clinic:v1", "enabled"), ("tenant-7:v1", "destroyed")],
            (await World.JsonAsync("keys", "list")).GetProperty("versions").EnumerateArray().Select(v => (v.GetProperty("version").GetString()!, v.GetProperty("status").GetString()!)));
        (await World.RunAsync("verify", "clinic")).Exits(0);
    }

    private async Task<IEnumerable<string?>> PrincipalsAsync()
        => (await World.JsonAsync("kms", "principals", "list")).GetProperty("principals").EnumerateArray().Select(p => p.GetProperty("name").GetString());
}

/// <summary>The embedded KMS in a database of a server.</summary>
public sealed class KmsOnPostgresTests : ServerTests<PostgresWorld>
{
    [Fact]
    public async Task A_kms_on_a_server_is_made_used_and_audited_by_its_connection_alone()
    {
        World.Environment.Remove("EFENVELOPE_KMS_FILE");
        World.Environment["EFENVELOPE_KMS_PROVIDER"] = "postgresql";
        World.Environment["EFENVELOPE_KMS_CONNECTION"] = World.ConnectionString;
        World.Environment["EFENVELOPE_KMS_KEK"] = "local:clinic";

        (await World.RunAsync("kms", "keys", "list")).Exits(2);
        (await World.RunAsync("kms", "keys", "create", "clinic", "--execute")).Exits(0);
        (await World.RunAsync("keys", "create", "clinic", "--execute")).Exits(0);
        (await World.RunAsync("kms", "keys", "rotate", "clinic", "--execute")).Exits(0);
        Assert.Contains("~intermediate:v1\tlocal:clinic\t1\tunknown\tno\t", (await World.RunAsync("status")).Exits(0).Lines);
        (await World.RunAsync("keys", "rewrap", "--execute")).Exits(0);
        Assert.Contains("~intermediate:v1\tlocal:clinic\t2\tunknown\tno\t", (await World.RunAsync("status")).Exits(0).Lines);
        (await World.RunAsync("audit", "verify")).Exits(0);
    }
}
