using System.Globalization;
using EfEnvelope.Kms;

namespace EfEnvelope.Cli.Configuration;

/// <summary>The settings of one KMS, from flags, the environment and the configuration file, in this order.</summary>
/// <param name="Levels">The sources, the strongest first, the file last; relative paths of each lead from its directory.</param>
/// <param name="Environment">The environment, for settings that name a variable, and for variables of a KMS's own tools.</param>
/// <param name="Directory">The working directory.</param>
internal sealed record KmsSettings(
    IReadOnlyList<(string Directory, IReadOnlyDictionary<string, string> Values)> Levels,
    IReadOnlyDictionary<string, string> Environment,
    string Directory)
{
    /// <summary>Gets the settings of every KMS that is reached over HTTP.</summary>
    public static IReadOnlyList<string> HttpSettings { get; } = ["timeout", "retries"];

    public IEnumerable<string> Names => Levels.SelectMany(l => l.Values.Keys).Distinct();

    public bool IsEmpty => Levels.All(l => l.Values.Count == 0);

    /// <summary>Names the settings that a secret may be given by: itself, but not in a file; a file of its own; or a variable.</summary>
    public static IEnumerable<string> SecretSettings(string name) => [name, $"{name}File", $"{name}Environment"];

    public string? Find(string name)
        => Levels.Select(l => l.Values.GetValueOrDefault(name)).FirstOrDefault(v => v is not null);

    /// <summary>Finds what the configuration file itself says.</summary>
    public string? FindInFile(string name) => Levels[^1].Values.GetValueOrDefault(name);

    public string? FindPath(string name)
    {
        foreach (var (directory, values) in Levels)
        {
            if (values.GetValueOrDefault(name) is { } path)
                return path.Length > 0 ? Path.GetFullPath(path, directory) : throw new EnvelopeConfigurationException(CliMessages.EmptySetting(name));
        }

        return null;
    }

    public string? FindFile(string name)
        => FindPath(name) is not { } path || File.Exists(path) ? FindPath(name) : throw new EnvelopeConfigurationException(CliMessages.UnreadableFile(path));

    /// <summary>Finds a variable of a KMS's own tools.</summary>
    public string? FindVariable(string name) => Environment.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;

    /// <summary>Finds an address that a key may be sent to.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="variable">The variable of the KMS's own tools that counts where the setting is not given.</param>
    public Uri? FindAddress(string name, string? variable = null)
        => Find(name) is { } text ? AddressOf(name, text)
            : variable is not null && FindVariable(variable) is { } value ? AddressOf(variable, value)
            : null;

    /// <summary>Finds one of several values.</summary>
    public T? FindOne<T>(string name, IReadOnlyDictionary<string, T> known)
        where T : struct
        => Find(name) is not { } text ? null
            : known.TryGetValue(text, out var value) ? value
            : throw new EnvelopeConfigurationException(CliMessages.UnknownValue(name, text, known.Keys));

    /// <summary>Finds how long one attempt at a KMS may take, and how often it is made again, or takes what the library has.</summary>
    public (TimeSpan Timeout, int Retries) FindLimits(KmsHttpOptions defaults)
        => (Find("timeout") is { } text ? Durations.Parse("timeout", text) : defaults.Timeout,
            Find("retries") is not { } count ? defaults.MaxRetries
                : int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var retries) ? retries
                : throw new EnvelopeConfigurationException(CliMessages.MalformedCount("retries")));

    public bool? FindFlag(string name)
        => Find(name) is not { } text ? null
            : bool.TryParse(text, out var flag) ? flag
            : throw new EnvelopeConfigurationException(CliMessages.MalformedFlag(name));

    /// <summary>Finds a secret by whichever of its settings was given. Of a file the first line counts.</summary>
    public string? FindSecret(string name)
    {
        var (secret, source) = Choose([.. SecretSettings(name)]) switch
        {
            null => (null, ""),
            var chosen when chosen == name => (Find(name), CliMessages.KmsVariable(name)),
            var chosen when chosen == $"{name}File" => (ReadFirstLine(FindPath(chosen)!), FindPath(chosen)!),
            var chosen => (Environment.GetValueOrDefault(Find(chosen)!) ?? "", Find(chosen)!),
        };
        return secret is "" ? throw new EnvelopeConfigurationException(CliMessages.EmptySecret(name, source)) : secret;
    }

    /// <summary>Finds which of several settings that exclude each other was given, at the strongest level that has any.</summary>
    public string? Choose(params IReadOnlyList<string> names)
    {
        foreach (var (_, values) in Levels)
        {
            switch (names.Where(values.ContainsKey).ToList())
            {
                case [var one]:
                    return one;
                case { Count: > 1 } several:
                    throw new EnvelopeConfigurationException(CliMessages.SettingsExclude(several));
            }
        }

        return null;
    }

    private static Uri AddressOf(string source, string text)
        => Uri.TryCreate(text, UriKind.Absolute, out var address)
            && (address.Scheme == Uri.UriSchemeHttps || (address.Scheme == Uri.UriSchemeHttp && address.IsLoopback))
            && address.UserInfo.Length == 0
                ? address
                : throw new EnvelopeConfigurationException(CliMessages.MalformedAddress(source));

    public static string ReadFirstLine(string path)
    {
        try
        {
            return File.ReadLines(path).FirstOrDefault("");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvelopeConfigurationException(CliMessages.UnreadableFile(path));
        }
    }
}
