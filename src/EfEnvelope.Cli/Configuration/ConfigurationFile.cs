using System.Text.Json;

namespace EfEnvelope.Cli.Configuration;

/// <summary>The file <c>efenvelope.json</c>: settings, named connections, and one KMS or several.</summary>
internal sealed record ConfigurationFile(
    string Directory,
    IReadOnlyDictionary<string, string> Settings,
    IReadOnlyDictionary<string, string> Connections,
    IReadOnlyList<IReadOnlyDictionary<string, string>> Kms)
{
    public const string Name = "efenvelope.json";

    private static readonly string[] Known =
        ["provider", "connection", "connectionName", "schema", "scope", "engine", "refreshInterval", "activationDelay"];

    private static readonly JsonDocumentOptions Lenient = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };

    public static ConfigurationFile Empty(string directory)
        => new(directory, new Dictionary<string, string>(), new Dictionary<string, string>(), []);

    /// <summary>Reads the file that was named, or the one in the working directory if there is one.</summary>
    public static ConfigurationFile Read(string? named, string directory)
    {
        var path = Path.GetFullPath(named ?? Name, directory);
        if (!File.Exists(path))
            return named is null ? Empty(directory) : throw new EnvelopeConfigurationException(CliMessages.NoConfigurationFile(path));
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(path), Lenient);
            return Parse(document.RootElement, path);
        }
        catch (JsonException e)
        {
            // The position only: the text around it may be a connection string.
            throw new EnvelopeConfigurationException(CliMessages.MalformedConfigurationFile(path, e.LineNumber + 1));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvelopeConfigurationException(CliMessages.UnreadableFile(path));
        }
    }

    private static ConfigurationFile Parse(JsonElement root, string path)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw new EnvelopeConfigurationException(CliMessages.MalformedConfigurationFile(path, 1));
        var settings = new Dictionary<string, string>();
        IReadOnlyDictionary<string, string> connections = new Dictionary<string, string>();
        List<IReadOnlyDictionary<string, string>> kms = [];
        foreach (var property in root.EnumerateObject())
        {
            if (property.NameEquals("kms"))
                kms.AddRange(property.Value.ValueKind == JsonValueKind.Array ? property.Value.EnumerateArray().Select(Strings) : [Strings(property.Value)]);
            else if (property.NameEquals("connections"))
                connections = Strings(property.Value);
            else if (Known.Contains(property.Name))
                settings[property.Name] = Text(property);
            else
                throw new EnvelopeConfigurationException(CliMessages.UnknownSetting(path, property.Name, [.. Known, "connections", "kms"]));
        }

        return new ConfigurationFile(Path.GetDirectoryName(path)!, settings, connections, kms);

        IReadOnlyDictionary<string, string> Strings(JsonElement element)
            => element.ValueKind == JsonValueKind.Object
                ? element.EnumerateObject().ToDictionary(p => p.Name, Text)
                : throw new EnvelopeConfigurationException(CliMessages.MalformedConfigurationFile(path, null));

        string Text(JsonProperty property)
            => property.Value.ValueKind == JsonValueKind.String
                ? property.Value.GetString()!
                : throw new EnvelopeConfigurationException(CliMessages.SettingIsNoText(path, property.Name));
    }
}
