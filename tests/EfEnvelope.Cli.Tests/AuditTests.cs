using EfEnvelope.Cli.TestUtilities;
using Microsoft.Data.Sqlite;

namespace EfEnvelope.Cli;

/// <summary>The audit trail of the embedded KMS, as an auditor meets it: in the store, and as a file without the seal.</summary>
public sealed class AuditTests : ServerTests<SqliteWorld>
{
    [Fact]
    public async Task A_whole_trail_exits_with_0_and_an_altered_one_names_the_first_bad_event()
    {
        await World.FillAsync();
        var whole = (await World.RunAsync("audit", "verify")).Exits(0);
        Assert.Equal("whole\tyes", whole.Lines[0]);

        await AlterAsync("UPDATE kms_audit_events SET principal = 'somebody' WHERE sequence = 2");

        var altered = (await World.RunAsync("audit", "verify")).Exits(1);
        Assert.Contains("whole\tno", altered.Lines);
        Assert.Contains("first bad event\t2", altered.Lines);
        Assert.Contains("the audit trail or a row of the KMS was altered", altered.ErrorLines[^1], StringComparison.Ordinal);
        var json = (await World.RunAsync("audit", "verify", "--json")).Exits(1).Json;
        Assert.Equal((false, 2L), (json.GetProperty("isIntact").GetBoolean(), json.GetProperty("firstBadSequence").GetInt64()));
    }

    [Fact]
    public async Task A_store_that_was_put_back_is_found_by_a_checkpoint_that_was_kept()
    {
        await World.FillAsync();
        await ReleasedAsync();
        File.Copy(World.KmsFile, Path.Combine(World.Directory, "old.db"));
        (await World.RunAsync("kms", "keys", "list")).Exits(0);
        Write("kept.json", (await World.RunAsync("audit", "checkpoint")).Exits(0).Out);
        (await World.RunAsync("audit", "verify", "--checkpoint", "kept.json")).Exits(0);

        await ReleasedAsync();
        File.Copy(Path.Combine(World.Directory, "old.db"), World.KmsFile, overwrite: true);

        (await World.RunAsync("audit", "verify")).Exits(0);
        (await World.RunAsync("audit", "verify", "--checkpoint", "kept.json")).Exits(1);
        Write("kept.json", "hunter2");
        (await World.RunAsync("audit", "verify", "--checkpoint", "kept.json")).Fails(2, "kept.json' holds no checkpoint", "audit checkpoint");
    }

    // A file is put in its place when no one has it open: its log would be applied to the new one.
    private async Task ReleasedAsync()
    {
        SqliteConnection.ClearAllPools();
        for (var i = 0; i < 600 && File.Exists(World.KmsFile + "-wal"); i++)
            await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.False(File.Exists(World.KmsFile + "-wal"));
    }

    [Fact]
    public async Task An_exported_trail_is_verified_by_a_process_that_has_no_kms()
    {
        await ExportAsync();
        using var tool = ToolProcess.Start(new Dictionary<string, string>(), World.Directory, "audit", "verify", "--file", "events.jsonl", "--public-key", "audit.pem");

        var result = (await tool.WaitAsync()).Exits(0);

        Assert.Equal("whole\tyes", result.Lines[0]);
        Assert.Equal("checkpoints\t1", result.Lines[2]);
    }

    [Fact]
    public async Task A_part_of_a_trail_is_verified_as_well()
    {
        await ExportAsync("--from", "2");

        (await VerifyAsync()).Exits(0);
    }

    public static TheoryData<string, string> Changes() => new()
    {
        { "alter", "Event 2 was altered" }, { "drop", "Event 2 is missing" }, { "swap", "Event 2 is missing" }, { "cut", "under no checkpoint" }, { "checkpoint", "The checkpoint at event" },
        { "field", "Event 2 was altered" }, { "twice", "is not a line of an exported trail" }, { "garbage", "Line 3 is not a line" }, { "header", "does not begin with the header" },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task A_changed_export_is_found(string change, string fault)
    {
        await ExportAsync();
        var lines = (await File.ReadAllLinesAsync(Path.Combine(World.Directory, "events.jsonl"), TestContext.Current.CancellationToken)).ToList();
        switch (change)
        {
            case "alter":
                lines[2] = lines[2].Replace("\"outcome\":\"ok\"", "\"outcome\":\"denied\"", StringComparison.Ordinal);
                break;
            case "drop":
                lines.RemoveAt(2);
                break;
            case "swap":
                (lines[2], lines[3]) = (lines[3], lines[2]);
                break;
            case "cut":
                lines.RemoveAt(lines.Count - 1);
                break;
            case "checkpoint":
                lines[^1] = lines[^1].Replace("\"time\":\"20", "\"time\":\"21", StringComparison.Ordinal);
                break;
            case "field":
                lines[2] = lines[2].Replace("{\"type\"", "{\"note\":\"x\",\"type\"", StringComparison.Ordinal);
                break;
            case "twice":
                lines[2] = lines[2].Replace("{\"type\"", "{\"outcome\":\"denied\",\"type\"", StringComparison.Ordinal);
                break;
            case "garbage":
                lines[2] = "hunter2";
                break;
            case "header":
                lines.RemoveAt(0);
                break;
        }

        Write("events.jsonl", string.Join('\n', lines));

        var result = (await VerifyAsync()).Exits(1);
        Assert.Contains(result.Lines, l => l.StartsWith("fault\t", StringComparison.Ordinal) && l.Contains(fault, StringComparison.Ordinal));
        Assert.DoesNotContain("hunter2", result.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_export_of_another_kms_or_one_that_is_too_short_does_not_pass()
    {
        await ExportAsync();
        Write("kept.json", (await World.RunAsync("audit", "checkpoint")).Exits(0).Out);
        var result = (await VerifyAsync("--checkpoint", "kept.json")).Exits(1);
        Assert.Contains(result.Lines, l => l.Contains("that was kept elsewhere", StringComparison.Ordinal));

        using var other = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        Write("audit.pem", other.ExportSubjectPublicKeyInfoPem());
        (await VerifyAsync()).Exits(1);
        Write("audit.pem", "hunter2");
        (await VerifyAsync()).Fails(2, "holds no public key", "audit public-key");
        (await World.RunAsync("audit", "verify", "--file", "events.jsonl")).Fails(2, "'--file' and '--public-key' go together", "Give both");
    }

    [Fact]
    public async Task The_trail_is_of_the_embedded_kms_alone()
    {
        World.Environment.Remove("EFENVELOPE_KMS_FILE");
        World.Environment.Remove("EFENVELOPE_KMS_KEY_FILE");

        (await World.RunAsync("audit", "verify")).Fails(2, "No KMS is configured", "--kms-file");
        (await World.RunAsync("audit", "verify", "--kek", "aws-kms:alias/clinic")).Fails(2, "None of the KMS that are configured is the embedded one", "--kms local");
    }

    private async Task ExportAsync(params string[] args)
    {
        await World.FillAsync();
        (await World.RunAsync("kms", "keys", "list")).Exits(0);
        Write("audit.pem", (await World.RunAsync("audit", "public-key")).Exits(0).Out);
        Write("events.jsonl", (await World.RunAsync(["audit", "export", .. args])).Exits(0).Out);
    }

    private Task<ToolResult> VerifyAsync(params string[] args) => World.RunAsync(["audit", "verify", "--file", "events.jsonl", "--public-key", "audit.pem", .. args]);

    private void Write(string file, string text) => File.WriteAllText(Path.Combine(World.Directory, file), text);

    private async Task AlterAsync(string sql)
    {
        await using var connection = new SqliteConnection($"Data Source={World.KmsFile};Pooling=False");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        Assert.Equal(1, await command.ExecuteNonQueryAsync());
    }
}
