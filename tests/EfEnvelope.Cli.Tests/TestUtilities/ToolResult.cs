using System.Text.Json;
using System.Text.RegularExpressions;

namespace EfEnvelope.Cli.TestUtilities;

/// <summary>What one run of the tool left behind.</summary>
public sealed partial record ToolResult(int ExitCode, string Out, string Error)
{
    /// <summary>Gets the lines of stdout, with times replaced.</summary>
    public string[] Lines => Split(Out);

    /// <summary>Gets the lines of stderr, with times replaced.</summary>
    public string[] ErrorLines => Split(Error);

    /// <summary>Gets the only JSON document on stdout.</summary>
    public JsonElement Json => JsonDocument.Parse(Out).RootElement;

    public ToolResult Exits(int code)
    {
        Assert.True(ExitCode == code, $"Exit code {ExitCode} instead of {code}.\n{Out}\n{Error}");
        return this;
    }

    /// <summary>Expects an error with its hint on stderr, and nothing on stdout.</summary>
    public ToolResult Fails(int code, string error, string hint)
    {
        FailsAfterPlan(code, error, hint);
        Assert.Equal("", Out);
        return this;
    }

    /// <summary>Expects an error with its hint on stderr, where stdout has the plan already.</summary>
    public ToolResult FailsAfterPlan(int code, string error, string hint)
    {
        Exits(code);
        var lines = ErrorLines;
        Assert.Matches($"^efenvelope: error: .*{error}", lines[^2]);
        Assert.Matches($"^efenvelope: hint: .*{hint}", lines[^1]);
        return this;
    }

    public override string ToString() => $"{ExitCode}\n{Out}\n{Error}";

    private static string[] Split(string text) => Time().Replace(text.ReplaceLineEndings("\n"), "<time>").Split('\n', StringSplitOptions.RemoveEmptyEntries);

    [GeneratedRegex(@"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")]
    private static partial Regex Time();
}
