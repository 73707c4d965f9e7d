using System.Security.Cryptography;
using System.Text.Json;

namespace EfEnvelope.Cli.Configuration;

/// <summary>The configuration files that the user has confirmed, each with a digest of its content, in the user's own configuration directory.</summary>
internal sealed class TrustedFiles
{
    private readonly string? _path;

    private TrustedFiles(string? path) => _path = path;

    /// <summary>Finds where they are listed: <c>efenvelope/trusted.json</c> in <c>XDG_CONFIG_HOME</c> or <c>~/.config</c>, on Windows in <c>APPDATA</c>.</summary>
    public static TrustedFiles Of(ToolHost host)
    {
        string? Variable(string name) => host.Environment.GetValueOrDefault(name) is { Length: > 0 } value && Path.IsPathFullyQualified(value) ? value : null;
        var directory = Variable("XDG_CONFIG_HOME")
            ?? (OperatingSystem.IsWindows() ? Variable("APPDATA") : Variable("HOME") is { } home ? Path.Combine(home, ".config") : null);
        return new TrustedFiles(directory is null ? null : Path.Combine(directory, CliMessages.Tool, "trusted.json"));
    }

    /// <summary>Tells whether a file was confirmed with this content, and belongs to the user alone.</summary>
    public bool Holds(string file, byte[] content) => FileOwner.IsUsersAlone(file) && Read().GetValueOrDefault(file) == Digest(content);

    /// <summary>Confirms a file with this content.</summary>
    /// <returns>The digest.</returns>
    /// <exception cref="EnvelopeConfigurationException">The list cannot be written.</exception>
    public string Add(string file, byte[] content)
    {
        if (_path is null)
            throw new EnvelopeConfigurationException(CliMessages.NoConfigurationDirectory());
        var files = Read();
        files[file] = Digest(content);
        try
        {
            CreateDirectory(Path.GetDirectoryName(_path)!);
            var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            var draft = $"{_path}.new";
            using (var stream = new FileStream(draft, options))
                JsonSerializer.Serialize(stream, files);
            File.Move(draft, _path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvelopeConfigurationException(CliMessages.UnwritableFile(_path));
        }

        return files[file];
    }

    private static void CreateDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(path);
        else
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static string Digest(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    // A list that cannot be read, or that another user can write, confirms nothing.
    private Dictionary<string, string> Read()
    {
        try
        {
            return _path is not null && File.Exists(_path) && FileOwner.IsUsersAlone(_path)
                ? JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllBytes(_path)) ?? []
                : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return [];
        }
    }
}
