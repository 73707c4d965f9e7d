namespace EfEnvelope.Kms.Oci.Signing;

/// <summary>The configuration file of OCI's own tools: profiles in brackets, <c>name=value</c> lines, <c>DEFAULT</c> for what a profile does not set.</summary>
internal static class OciConfigFile
{
    private const string Default = "DEFAULT";
    private const string TokenFile = "security_token_file";

    /// <exception cref="KmsException">The file or the profile is missing or incomplete.</exception>
    public static OciSigningKey Read(string? file, string profile)
    {
        var path = Expand(file ?? Environment.GetEnvironmentVariable("OCI_CONFIG_FILE") ?? "~/.oci/config");
        var profiles = Parse(ReadFile(path) ?? throw Failure(OciMessages.NoConfigFile(path)));
        if (!profiles.TryGetValue(profile, out var own))
            throw Failure(OciMessages.NoProfile(path, profile));
        var common = profiles.GetValueOrDefault(Default) ?? own;

        // A session belongs to the profile that names it: one with a user of its own must not sign with the session of DEFAULT.
        string? Find(string entry) => own.GetValueOrDefault(entry) ?? (entry == TokenFile ? null : common.GetValueOrDefault(entry));
        string Need(string entry) => Find(entry) ?? throw Failure(OciMessages.NoEntry(path, profile, entry));
        string Content(string entry)
        {
            var named = Expand(Need(entry));
            return ReadFile(named) ?? throw Failure(OciMessages.NoFile(profile, entry, named));
        }

        var keyId = Find(TokenFile) is not null
            ? $"ST${Content(TokenFile).Trim()}"
            : $"{Need("tenancy")}/{Need("user")}/{Need("fingerprint")}";
        var inline = own.GetValueOrDefault("key_content") ?? (own.ContainsKey("key_file") ? null : common.GetValueOrDefault("key_content"));
        var key = OciSigningKey.TryRead(inline ?? Content("key_file"), Find("pass_phrase"));
        return key is null
            ? throw Failure(OciMessages.MalformedPrivateKey(inline is null ? $"'{Expand(Need("key_file"))}'" : $"'{path}'"))
            : new OciSigningKey(keyId, key);
    }

    private static Dictionary<string, Dictionary<string, string>> Parse(string text)
    {
        var profiles = new Dictionary<string, Dictionary<string, string>>(StringComparer.Ordinal);
        Dictionary<string, string>? current = null;
        foreach (var line in text.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0 && l[0] is not ('#' or ';')))
        {
            if (line[0] == '[' && line[^1] == ']')
            {
                var name = line[1..^1].Trim();
                if (!profiles.TryGetValue(name, out current))
                    profiles[name] = current = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            }
            else if (current is not null && line.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals && line[(equals + 1)..].Trim() is { Length: > 0 } value)
            {
                // A key in one line has its line ends written out.
                var name = line[..equals].Trim();
                current[name] = name.Equals("key_content", StringComparison.OrdinalIgnoreCase) ? value.Replace("\\n", "\n", StringComparison.Ordinal) : value;
            }
        }

        return profiles;
    }

    private static string Expand(string path)
        => path.StartsWith("~/", StringComparison.Ordinal) || path.StartsWith("~\\", StringComparison.Ordinal)
            ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), path[2..])
            : path;

    private static string? ReadFile(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return null;
        }
    }

    private static KmsException Failure(string message) => new(KmsErrorKind.Unauthenticated, message);
}
