namespace EfEnvelope.Cli.TestUtilities;

/// <summary>Runs the tool inside this process.</summary>
public static class Tool
{
    public static async Task<ToolResult> RunAsync(
        IReadOnlyDictionary<string, string> environment, string directory, CancellationToken cancellationToken, params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var host = new ToolHost { Out = output, Error = TextWriter.Synchronized(error), Environment = environment, Directory = directory };
        var code = await ToolApp.RunAsync(args, host, cancellationToken);
        return new ToolResult(code, output.ToString(), error.ToString());
    }

    /// <summary>Runs it where nothing is configured.</summary>
    public static Task<ToolResult> RunAsync(params string[] args)
        => RunAsync(new Dictionary<string, string>(), Path.GetTempPath(), CancellationToken.None, args);
}
