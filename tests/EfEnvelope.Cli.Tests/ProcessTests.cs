using EfEnvelope.Cli.TestUtilities;

namespace EfEnvelope.Cli;

/// <summary>The real executable, as a user starts it.</summary>
public sealed class ProcessTests : ServerTests<SqliteWorld>
{
    [Fact]
    public async Task The_executable_lists_keys_as_json_and_says_nothing_else()
    {
        await World.FillAsync();
        using var tool = ToolProcess.Start(World.Environment, World.Directory, "keys", "list", "--json");

        var result = (await tool.WaitAsync()).Exits(0);

        Assert.Equal("clinic:v1", result.Json.GetProperty("versions")[0].GetProperty("version").GetString());
        Assert.Equal("", result.Error);
    }

    [Fact]
    public async Task The_executable_reads_the_file_in_its_working_directory_when_it_was_confirmed()
    {
        await World.FillAsync();
        await File.WriteAllTextAsync(
            Path.Combine(World.Directory, "efenvelope.json"),
            """
            {
              // Relative paths lead from here.
              "provider": "sqlite",
              "connection": "Data Source=clinic.db",
              "scope": "clinic",
              "kms": { "type": "local", "file": "kms.db", "keyFile": "kms.key", "kek": "local:efenvelope" },
            }
            """,
            TestContext.Current.CancellationToken);
        var environment = new Dictionary<string, string> { ["XDG_CONFIG_HOME"] = Path.Combine(World.Directory, "config") };
        using (var before = ToolProcess.Start(environment, World.Directory, "verify"))
            (await before.WaitAsync()).Fails(2, "efenvelope.json' says where the database or the KMS is, but it was not confirmed as it is now", "run 'efenvelope trust'");
        using (var trust = ToolProcess.Start(environment, World.Directory, "trust"))
            (await trust.WaitAsync()).Exits(0);
        using var tool = ToolProcess.Start(environment, World.Directory, "verify");

        var result = (await tool.WaitAsync()).Exits(0);

        Assert.Contains("clean\tyes", result.Lines);
        Assert.DoesNotContain(result.Out, c => c is '│' or '─' or '\u001b');
    }

    [Fact]
    public async Task Errors_go_to_stderr_with_their_exit_code()
    {
        using var tool = ToolProcess.Start(new Dictionary<string, string>(), World.Directory, "keys", "retire", "v1");

        (await tool.WaitAsync()).Fails(2, "'v1' is not a key version", "'keys list' shows them");
    }

    [Fact]
    public async Task Destroying_is_not_asked_for_where_nobody_can_type()
    {
        await World.FillAsync();
        using var tool = ToolProcess.Start(World.Environment, World.Directory, "keys", "destroy", "clinic:v1", "--execute");

        (await tool.WaitAsync()).Fails(2, "needs its name once more", "--confirm clinic:v1");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_executable_loads_the_libsodium_beside_it_only_where_it_is_chosen(bool chosen)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux lists what a process has loaded in a file.");
        await World.FillAsync(patients: 200, contacts: 0);
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);
        World.Environment["EFENVELOPE_ENGINE"] = chosen ? "sodium" : "platform";
        using var tool = ToolProcess.Start(World.Environment, World.Directory, "reencrypt", "--execute", "--batch-size", "10", "--rows-per-second", "2", "--progress", "plain");

        await tool.ReadUntilAsync("efenvelope: job 1 ");
        var loaded = await File.ReadAllLinesAsync($"/proc/{tool.Id}/maps", TestContext.Current.CancellationToken);
        tool.Interrupt();

        (await tool.WaitAsync()).Exits(130);
        Assert.Equal(chosen, loaded.Any(l => l.Contains(AppContext.BaseDirectory, StringComparison.Ordinal) && l.EndsWith("libsodium.so", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Ctrl_c_stops_after_the_batch_and_the_job_goes_on_where_it_was()
    {
        await World.FillAsync(patients: 200, contacts: 0);
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);
        using (var tool = ToolProcess.Start(
            World.Environment, World.Directory, "reencrypt", "--execute", "--json", "--batch-size", "10", "--rows-per-second", "2", "--progress", "plain"))
        {
            await tool.ReadUntilAsync("efenvelope: job 1 ");
            tool.Interrupt();

            var result = (await tool.WaitAsync()).Exits(130);
            Assert.Equal("efenvelope: to go on: efenvelope jobs run 1", result.ErrorLines[^1]);
            Assert.Equal("running", result.Json.GetProperty("jobs")[0].GetProperty("state").GetString());
        }

        (await World.RunAsync("jobs", "throttle", "1", "--rows-per-second", "none")).Exits(0);
        (await World.RunAsync("jobs", "run", "1")).Exits(0);
        (await World.RunAsync("verify")).Exits(0);
    }
}
