namespace EfEnvelope.Cli.TestUtilities;

/// <summary>Tests that have a database of their own each.</summary>
public abstract class ServerTests<TWorld> : IAsyncLifetime
    where TWorld : ToolWorld, new()
{
    protected TWorld World { get; } = new();

    public ValueTask InitializeAsync() => World.InitializeAsync();

    public async ValueTask DisposeAsync()
    {
        await World.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Runs a command that must change nothing: neither the database, nor the KMS, nor the working directory.</summary>
    protected async Task<ToolResult> RunChangingNothingAsync(params string[] args)
    {
        var before = await World.DumpAsync();
        var files = Files();

        var result = await World.RunAsync(args);

        Assert.Equal(before, await World.DumpAsync());
        Assert.Equal(files, Files());
        return result;

        // SQLite's own beside a database come and go with its connections.
        List<string> Files() => [.. Directory.GetFiles(World.Directory).Where(f => !f.EndsWith("-wal", StringComparison.Ordinal) && !f.EndsWith("-shm", StringComparison.Ordinal)).Order()];
    }

    /// <summary>Runs a command without <c>--execute</c>, which must show its plan and change nothing.</summary>
    protected async Task<ToolResult> PlanAsync(params string[] args)
    {
        var result = (await RunChangingNothingAsync(args)).Exits(0);

        Assert.Equal("efenvelope: Nothing was changed. Add --execute to do this.", result.ErrorLines[^1]);
        return result;
    }
}
