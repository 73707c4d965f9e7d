using System.CommandLine;
using EfEnvelope.Rotation;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>Where the database and its KMS are, from flags, the environment and the configuration file, in this order.</summary>
internal sealed class ToolConfiguration
{
    private static readonly string[] KmsGlobals = ["type", "kek"];

    private readonly IReadOnlyDictionary<string, string> _flags;
    private readonly IReadOnlyDictionary<string, string> _environment;
    private readonly ConfigurationFile _file;
    private readonly IReadOnlyList<KmsSettings> _kms;
    private readonly string _directory;

    private ToolConfiguration(GlobalOptions options, ParseResult parse, ToolHost host)
    {
        (_flags, _environment, _directory) = (options.Read(parse), host.Environment, host.Directory);
        _file = ConfigurationFile.Read(parse.GetValue(options.Config) ?? Variable("config"), host);
        _kms = KmsOf(options.ReadKms(parse));
    }

    public string? Scope => Find("scope");

    public TimeSpan ActivationDelay => FindTime("activationDelay") ?? new EnvelopeOptions().ActivationDelay;

    public DatabaseProvider Provider
        => DatabaseProvider.Find(Find("provider") ?? throw new EnvelopeConfigurationException(CliMessages.NoProvider(DatabaseProvider.Names)));

    public EncryptionEngine Engine => EncryptionEngine.Find(Find("engine") ?? EncryptionEngine.Default);

    /// <summary>Gets the KEKs that new keys are wrapped under; known once the database was opened.</summary>
    public IReadOnlyList<ConfiguredKek> Keks { get; private set; } = [];

    /// <summary>Gets whether a KMS is configured.</summary>
    public bool HasKms => _kms.Count > 0;

    /// <summary>Gets the names of the KEKs that are configured, without opening a KMS; <see langword="null" /> when a setting is wrong.</summary>
    public IReadOnlyList<KekName>? KekNames
    {
        get
        {
            try
            {
                return [.. _kms.Select(KmsRegistry.Resolve).Select(k => new KekName(k.Adapter.Scheme, k.Kek?.ToString() ?? k.Adapter.DefaultKek))];
            }
            catch (EnvelopeConfigurationException)
            {
                return null;
            }
        }
    }

    /// <summary>Gets the configuration file whose places were left out, because they were not confirmed, or <see langword="null" />.</summary>
    public string? LeftOut => _file.LeftOut;

    /// <summary>Opens the embedded KMS that is configured, for its administrator. Nothing is connected yet.</summary>
    /// <param name="mayBeMade">Whether a KMS that does not exist may be made.</param>
    public OpenedKms OpenKms(bool mayBeMade)
    {
        if (_kms.Count == 0)
            throw Missing(CliMessages.NoKms());
        return _kms.Where(s => KmsRegistry.Resolve(s).Adapter is LocalKmsAdapter).ToList() switch
        {
            [var one] => LocalKmsAdapter.Open(one, mayBeMade),
            [] => throw new EnvelopeConfigurationException(CliMessages.NoLocalKms()),
            _ => throw new EnvelopeConfigurationException(CliMessages.SeveralLocalKms()),
        };
    }

    public static ToolConfiguration Read(GlobalOptions options, ParseResult parse, ToolHost host) => new(options, parse, host);

    /// <summary>Opens the database. Nothing is connected yet.</summary>
    /// <param name="need">What is wanted of the KMS.</param>
    public EncryptedDatabase Open(KmsNeed need)
    {
        var provider = Provider;
        var (connection, directory) = FindConnection();
        if (need is KmsNeed.Required or KmsNeed.MayBeMade && _kms.Count == 0)
            throw Missing(CliMessages.NoKms());
        return EncryptedDatabase.Open(
            builder =>
            {
                provider.Use(builder, connection, directory);
                builder.UseEnvelopeEncryption(envelope => Configure(envelope, need));
            },
            Find("schema"));
    }

    private void Configure(EnvelopeOptionsBuilder envelope, KmsNeed need)
    {
        if (need == KmsNeed.None || _kms.Count == 0)
            envelope.UseKms(new MissingKms());
        else
            Keks = [.. _kms.Select(settings => KmsRegistry.Add(envelope, settings, need == KmsNeed.MayBeMade))];
        Engine.Use(envelope);
        if (Scope is { } scope)
            envelope.UseScope(Names.ParseScope(scope).Name);
        if (FindTime("refreshInterval") is { } refresh)
            envelope.Configure(o => o with { RefreshInterval = refresh });
        if (FindTime("activationDelay") is { } delay)
            envelope.Configure(o => o with { ActivationDelay = delay });
    }

    private (string Connection, string Directory) FindConnection()
    {
        if (_flags.GetValueOrDefault("connection") is { } flag)
            return DatabaseProvider.HoldsSecret(flag) ? throw new EnvelopeConfigurationException(CliMessages.SecretOnCommandLine()) : (flag, _directory);
        if (_flags.ContainsKey("connectionName"))
            return Named();
        if (Variable("connection") is { } variable)
            return (variable, _directory);
        if (Find("connectionName") is not null)
            return Named();
        return _file.Settings.GetValueOrDefault("connection") is { } connection
            ? (connection, _file.Directory)
            : throw Missing(CliMessages.NoConnection());

        (string, string) Named()
        {
            var name = Find("connectionName")!;
            return _file.Connections.GetValueOrDefault(name) is { } connection
                ? (connection, _file.Directory)
                : throw Missing(CliMessages.NoSuchConnection(name, _file.Connections.Keys));
        }
    }

    // Flags and variables describe one KMS. A file may have several, which then stand as they are.
    private List<KmsSettings> KmsOf(Dictionary<string, string> flags)
    {
        foreach (var secret in KmsRegistry.All.SelectMany(a => a.Secrets).Where(s => _file.Kms.Any(k => k.ContainsKey(s))))
            throw new EnvelopeConfigurationException(CliMessages.SecretInFile(secret, hasFile: true));
        if (_file.Kms.Count > 1 && flags.Count > 0)
            throw new EnvelopeConfigurationException(CliMessages.SeveralKms());
        if (_file.Kms.Count > 1)
            return [.. _file.Kms.Select(values => new KmsSettings([(_file.Directory, values)], _environment, _directory))];
        var variables = new Dictionary<string, string>();
        foreach (var name in KmsRegistry.All.SelectMany(a => a.Settings).Concat(KmsGlobals).Distinct())
        {
            if (_environment.GetValueOrDefault(CliMessages.KmsVariable(name)) is { Length: > 0 } value)
                variables[name] = value;
        }

        var ofFile = _file.Kms.SingleOrDefault() ?? new Dictionary<string, string>();
        var settings = new KmsSettings(
            [(_directory, flags), (_directory, variables), (_file.Directory, ofFile)], _environment, _directory);
        return settings.IsEmpty ? [] : [settings];
    }

    // What is missing may stand in the file that was left out.
    private EnvelopeConfigurationException Missing(string message) => new(LeftOut is { } file ? CliMessages.FileNotConfirmed(file) : message);

    private string? Find(string name) => _flags.GetValueOrDefault(name) ?? Variable(name) ?? _file.Settings.GetValueOrDefault(name);

    private string? Variable(string name) => _environment.GetValueOrDefault(CliMessages.Variable(name)) is { Length: > 0 } value ? value : null;

    private TimeSpan? FindTime(string name)
        => Find(name) is { } text ? Durations.Parse(name, text) : null;
}

/// <summary>A configured KEK, as far as its settings alone tell.</summary>
/// <param name="Scheme">The scheme of its KMS.</param>
/// <param name="Kek">The KEK, or <see langword="null" /> when only a key file tells.</param>
internal sealed record KekName(string Scheme, string? Kek)
{
    public bool Is(string kek)
        => Kek is null
            ? kek.StartsWith($"{Scheme}:", StringComparison.OrdinalIgnoreCase)
            : string.Equals(Uri.UnescapeDataString(kek), Uri.UnescapeDataString(Kek), StringComparison.OrdinalIgnoreCase);
}
