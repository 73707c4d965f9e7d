using EfEnvelope.Cli.TestUtilities;

namespace EfEnvelope.Cli;

public abstract class JobsTests<TWorld> : ServerTests<TWorld>
    where TWorld : ToolWorld, new()
{
    [Fact]
    public async Task Where_there_are_no_jobs_it_says_so_and_makes_no_tables()
    {
        await World.FillAsync();

        var result = (await RunChangingNothingAsync("jobs", "list")).Exits(0);

        Assert.Equal("", result.Out);
        Assert.Equal(["efenvelope: there is no job."], result.ErrorLines);
        (await RunChangingNothingAsync("jobs", "show", "7")).Fails(2, "7", ".");
        (await RunChangingNothingAsync("jobs", "run")).Exits(0);
    }

    [Fact]
    public async Task A_job_is_paused_throttled_resumed_and_run_to_its_end()
    {
        await StoredAsync();
        Assert.Matches("^1\treencrypt\tPatients\tclinic\tpending\t", (await RunChangingNothingAsync("jobs", "list")).Exits(0).Lines[1]);

        var paused = (await World.RunAsync("jobs", "pause", "1")).Exits(0);
        Assert.Contains("state\tpaused", paused.Lines);
        Assert.Equal("efenvelope: job 1 is paused; its workers stop before their next batch. To go on: 'efenvelope jobs resume 1'.", paused.ErrorLines[^1]);
        (await World.RunAsync("jobs", "run", "1", "--no-wait")).Exits(3);

        var throttled = (await World.JsonAsync("jobs", "throttle", "1", "--rows-per-second", "5000", "--window", "00:00-23:59", "--duty-cycle", "1")).GetProperty("job").GetProperty("throttle");
        Assert.Equal((5000, 1.0, "00:00:00", "23:59:00"), (throttled.GetProperty("rowsPerSecond").GetInt32(), throttled.GetProperty("dutyCycle").GetDouble(),
            throttled.GetProperty("windowStart").GetString(), throttled.GetProperty("windowEnd").GetString()));
        throttled = (await World.JsonAsync("jobs", "throttle", "1", "--window", "none")).GetProperty("job").GetProperty("throttle");
        Assert.Equal(5000, throttled.GetProperty("rowsPerSecond").GetInt32());
        Assert.Equal(System.Text.Json.JsonValueKind.Null, throttled.GetProperty("windowStart").ValueKind);

        (await World.RunAsync("jobs", "resume", "1")).Exits(0);
        (await World.RunAsync("jobs", "run")).Exits(0);

        var shown = (await RunChangingNothingAsync("jobs", "show", "1")).Exits(0).Lines;
        Assert.Equal(["job\t1", "kind\treencrypt", "table\tPatients", "scope\tclinic", "state\tcompleted"], shown.Where(l => !l.StartsWith("column", StringComparison.Ordinal)).Take(5));
        (await RunChangingNothingAsync("jobs", "pause", "1")).Exits(3);
        (await RunChangingNothingAsync("jobs", "resume", "1")).Exits(3);
        (await RunChangingNothingAsync("jobs", "cancel", "1")).Exits(3);
    }

    [Fact]
    public async Task A_cancelled_job_frees_its_table()
    {
        await StoredAsync();

        Assert.Contains("state\tcancelled", (await World.RunAsync("jobs", "cancel", "1")).Exits(0).Lines);

        (await World.RunAsync("jobs", "run", "1")).Exits(1);
        (await World.RunAsync("reencrypt", "--execute")).Exits(0);
        Assert.Empty((await World.JsonAsync("jobs", "list", "--active")).GetProperty("jobs").EnumerateArray());
        Assert.Equal([2L, 1L], (await World.JsonAsync("jobs", "list")).GetProperty("jobs").EnumerateArray().Select(j => j.GetProperty("id").GetInt64()));
    }

    [Theory]
    [InlineData("jobs show 7")]
    [InlineData("jobs run 7")]
    [InlineData("jobs run 1 7")]
    [InlineData("jobs pause 7")]
    [InlineData("jobs resume 7")]
    [InlineData("jobs cancel 7")]
    [InlineData("jobs throttle 7 --rows-per-second 5")]
    public async Task An_unknown_job_changes_nothing(string line)
    {
        await StoredAsync();

        (await RunChangingNothingAsync(line.Split(' '))).Fails(2, "7", ".");
    }

    private async Task StoredAsync()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "rotate", "--execute")).Exits(0);
        (await World.RunAsync("reencrypt", "--enqueue-only", "--execute")).Exits(0);
    }
}

public sealed class SqliteJobsTests : JobsTests<SqliteWorld>;

public sealed class PostgresJobsTests : JobsTests<PostgresWorld>;
