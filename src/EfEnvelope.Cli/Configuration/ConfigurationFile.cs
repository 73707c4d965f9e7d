using System.Text.Json;

namespace EfEnvelope.Cli.Configuration;

/// <summary>The file <c>efenvelope.json</c>: settings, named connections, and one KMS or several.</summary>
internal sealed record ConfigurationFile(
    string Directory,
    IReadOnlyDictionary<string, string> Settings,
    IReadOnlyDictionary<string, string> Connections,
    IReadOnlyList<IReadOnlyDictionary<string, string>> Kms,
    string? LeftOut = null)
{
    public const string Name = "efenvelope.json";

    private static readonly string[] Known =
        ["provider", "connection", "connectionName", "schema", "scope", "engine", "refreshInterval", "activationDelay"];

    private static readonly JsonDocumentOptions Lenient = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };

    public static ConfigurationFile Empty(string directory)
        => new(directory, new Dictionary<string, string>(), new Dictionary<string, string>(), []);

    /// <summary>Gets whether the file says where something is: a database, a KMS, a library, a file or a variable with a secret.</summary>
    public bool NamesPlaces => Settings.ContainsKey("connection") || Connections.Count > 0 || Kms.Count > 0;

    /// <summary>
    /// Reads the file that was named, or the one in the working directory if there is one. Another user may have made that one, as in a directory that was
    /// unpacked or cloned: the places in it count only when the user has confirmed it.
    /// </summary>
    public static ConfigurationFile Read(string? named, ToolHost host)
    {
        var path = Path.GetFullPath(named ?? Name, host.Directory);
        if (!File.Exists(path))
            return named is null ? Empty(host.Directory) : throw new EnvelopeConfigurationException(CliMessages.NoConfigurationFile(path));
        var (file, content) = Read(path);
        return named is not null || !file.NamesPlaces || TrustedFiles.Of(host).Holds(path, content) ? file : file.WithoutPlaces(path);
    }

    /// <summary>Reads a file, and its content as it is.</summary>
    public static (ConfigurationFile File, byte[] Content) Read(string path)
    {
        try
        {
            // Read once: what is confirmed is what is used.
            var content = File.ReadAllBytes(path);
            using var document = JsonDocument.Parse(content.AsMemory(content is [0xEF, 0xBB, 0xBF, ..] ? 3 : 0), Lenient);
            return (Parse(document.RootElement, path), content);
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

    private ConfigurationFile WithoutPlaces(string path)
        => this with
        {
            Settings = Settings.Where(s => s.Key != "connection").ToDictionary(),
            Connections = new Dictionary<string, string>(),
            Kms = [],
            LeftOut = path,
        };

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
