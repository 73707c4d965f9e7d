namespace EfEnvelope.Cli.Configuration;

/// <summary>The settings of one KMS, from flags, the environment and the configuration file, in this order.</summary>
/// <param name="Levels">The sources, the strongest first; relative paths of each lead from its directory.</param>
/// <param name="Environment">The environment, for settings that name a variable.</param>
internal sealed record KmsSettings(
    IReadOnlyList<(string Directory, IReadOnlyDictionary<string, string> Values)> Levels, IReadOnlyDictionary<string, string> Environment)
{
    public IEnumerable<string> Names => Levels.SelectMany(l => l.Values.Keys).Distinct();

    public bool IsEmpty => Levels.All(l => l.Values.Count == 0);

    public string? Find(string name)
        => Levels.Select(l => l.Values.GetValueOrDefault(name)).FirstOrDefault(v => v is not null);

    public string? FindPath(string name)
    {
        foreach (var (directory, values) in Levels)
        {
            if (values.GetValueOrDefault(name) is { } path)
                return path.Length > 0 ? Path.GetFullPath(path, directory) : throw new EnvelopeConfigurationException(CliMessages.EmptySetting(name));
        }

        return null;
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
}
