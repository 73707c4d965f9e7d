using System.CommandLine;

namespace EfEnvelope.Cli.Configuration;

/// <summary>The options that every command takes. None holds a secret.</summary>
internal sealed class GlobalOptions
{
    public Option<string?> Config { get; } = Text("--config", CliMessages.ConfigOption());

    public Option<string?> Provider { get; } = Text("--provider", CliMessages.ProviderOption());

    public Option<string?> Connection { get; } = Text("--connection", CliMessages.ConnectionOption());

    public Option<string?> ConnectionName { get; } = Text("--connection-name", CliMessages.ConnectionNameOption());

    public Option<string?> Schema { get; } = Text("--schema", CliMessages.SchemaOption());

    public Option<string?> Scope { get; } = Text("--scope", CliMessages.ScopeOption());

    public Option<string?> Engine { get; } = Text("--engine", CliMessages.EngineOption());

    public Option<string?> Kms { get; } = Text("--kms", CliMessages.KmsOption());

    public Option<string?> Kek { get; } = Text("--kek", CliMessages.KekOption());

    public Option<string?> KmsFile { get; } = Text("--kms-file", CliMessages.KmsFileOption());

    public Option<string?> KmsKeyFile { get; } = Text("--kms-key-file", CliMessages.KmsKeyFileOption());

    public Option<bool> Json { get; } = new("--json") { Description = CliMessages.JsonOption(), Recursive = true };

    public Option<string?> Progress { get; } = Text("--progress", CliMessages.ProgressOption());

    public void AddTo(Command root)
    {
        foreach (Option option in (Option[])[Config, Provider, Connection, ConnectionName, Schema, Scope, Engine, Kms, Kek, KmsFile, KmsKeyFile, Json, Progress])
            root.Add(option);
    }

    /// <summary>Finds what was given as flags, by the names that the configuration file has for it.</summary>
    public Dictionary<string, string> Read(ParseResult parse)
    {
        var flags = new Dictionary<string, string>();
        Add("provider", Provider);
        Add("connection", Connection);
        Add("connectionName", ConnectionName);
        Add("schema", Schema);
        Add("scope", Scope);
        Add("engine", Engine);
        return flags;

        void Add(string name, Option<string?> option)
        {
            if (parse.GetValue(option) is { } value)
                flags[name] = value;
        }
    }

    public Dictionary<string, string> ReadKms(ParseResult parse)
    {
        var flags = new Dictionary<string, string>();
        foreach (var (name, option) in ((string, Option<string?>)[])[("type", Kms), ("kek", Kek), ("file", KmsFile), ("keyFile", KmsKeyFile)])
        {
            if (parse.GetValue(option) is { } value)
                flags[name] = value;
        }

        return flags;
    }

    private static Option<string?> Text(string name, string description) => new(name) { Description = description, Recursive = true };
}
