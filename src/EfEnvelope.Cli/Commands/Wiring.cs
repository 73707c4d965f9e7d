using System.CommandLine;
using EfEnvelope.Cli.Configuration;
using EfEnvelope.Cli.Output;
using EfEnvelope.Keys;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary>Gives every command what it runs with.</summary>
internal sealed class Wiring(ToolHost host, GlobalOptions options)
{
    public Command On(Command command, Func<Call, Task<int>> run)
    {
        command.SetAction((parse, cancellationToken) => run(new Call(host, options, parse, cancellationToken)));
        return command;
    }
}

/// <summary>One call of one command.</summary>
internal sealed class Call(ToolHost host, GlobalOptions options, ParseResult parse, CancellationToken cancellationToken)
{
    private ToolConfiguration? _configuration;

    public ToolHost Host => host;

    public ToolConsole Console { get; } = new(host, parse.GetValue(options.Json));

    public CancellationToken Cancellation => cancellationToken;

    public string? ProgressStyle => parse.GetValue(options.Progress);

    public ToolConfiguration Configuration => _configuration ??= ReadConfiguration();

    public T? Get<T>(Argument<T> argument) => parse.GetValue(argument);

    public T? Get<T>(Option<T> option) => parse.GetValue(option);

    public EncryptedDatabase Open(KmsNeed need = KmsNeed.None)
    {
        ProgressView.Validate(ProgressStyle);
        return Configuration.Open(need);
    }

    /// <summary>Finds the scope that was named, as an argument or as an option; both may be given if they agree.</summary>
    public string? ScopeOf(Argument<string?> argument)
    {
        var (named, option) = (Get(argument), Get(options.Scope));
        if (named is not null && option is not null && named != option)
            throw new EnvelopeConfigurationException(CliMessages.TwoScopes(named, option));
        return (named ?? Configuration.Scope) is { } scope ? Names.ParseScope(scope).Name : null;
    }

    public async Task<KeyScope> ResolveScopeAsync(EncryptedDatabase database, string? scope)
        => await database.Keys.ResolveScopeAsync(scope, Cancellation).ConfigureAwait(false);

    /// <summary>Reports rows of EfEnvelope's own tables that cannot be read, and returns what that comes to.</summary>
    public int Report(IReadOnlyList<MalformedRow> malformed)
    {
        foreach (var row in malformed)
            Console.Note(CliMessages.RowMalformed(row));
        return malformed.Count == 0 ? ExitCodes.Ok : ExitCodes.Findings;
    }

    private ToolConfiguration ReadConfiguration()
    {
        var configuration = ToolConfiguration.Read(options, parse, host);
        if (configuration.LeftOut is { } file)
            Console.Note(CliMessages.FileLeftOut(file));
        return configuration;
    }

    /// <summary>Ends a command that showed its plan and changed nothing.</summary>
    public int Planned()
    {
        Console.Note(CliMessages.NothingChanged());
        return ExitCodes.Ok;
    }
}
