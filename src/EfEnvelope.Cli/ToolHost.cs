namespace EfEnvelope.Cli;

/// <summary>The outside, as one run of the tool sees it.</summary>
internal sealed record ToolHost
{
    public required TextWriter Out { get; init; }

    public required TextWriter Error { get; init; }

    public TextReader In { get; init; } = TextReader.Null;

    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Gets the working directory, from which relative paths lead.</summary>
    public required string Directory { get; init; }

    public bool OutIsTerminal { get; init; }

    public bool ErrorIsTerminal { get; init; }

    public bool InIsTerminal { get; init; }

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    public bool IsDebugging => Environment.GetValueOrDefault("EFENVELOPE_DEBUG") is not (null or "" or "0");

    public static ToolHost OfProcess()
    {
        var variables = System.Environment.GetEnvironmentVariables();
        return new ToolHost
        {
            Out = Console.Out,
            Error = Console.Error,
            In = Console.In,
            Environment = variables.Keys.Cast<string>().ToDictionary(name => name, name => (string?)variables[name] ?? "", StringComparer.Ordinal),
            Directory = System.Environment.CurrentDirectory,
            OutIsTerminal = !Console.IsOutputRedirected,
            ErrorIsTerminal = !Console.IsErrorRedirected,
            InIsTerminal = !Console.IsInputRedirected,
        };
    }
}
