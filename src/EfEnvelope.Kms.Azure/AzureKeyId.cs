using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace EfEnvelope.Kms.Azure;

/// <summary>A key of a vault, without its version: its KEK URI is <c>azure-kv:clinic.vault.azure.net/keys/clinic</c>.</summary>
internal sealed partial record AzureKeyId(string Host, string Name)
{
    public const string Scheme = "azure-kv";

    public KekUri Kek => new(Scheme, $"{Host}/keys/{Name}");

    public bool IsManagedHsm => Host.Contains(".managedhsm.", StringComparison.Ordinal);

    /// <summary>Reads what a user types: a key identifier as the portal shows it, with or without <c>https://</c>, without a version.</summary>
    public static AzureKeyId Parse(string text, string parameter)
    {
        const string https = "https://";
        var rest = text is not null && text.StartsWith(https, StringComparison.OrdinalIgnoreCase) ? text[https.Length..].TrimEnd('/') : text;
        if (rest is not null && VersionedPattern().IsMatch(rest))
            throw new ArgumentException(AzureMessages.VersionedKeyId(text), parameter);
        return TryParse(rest, out var id) ? id : throw new ArgumentException(AzureMessages.MalformedKeyId(text), parameter);
    }

    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out AzureKeyId? id)
    {
        var match = text is null ? Match.Empty : Pattern().Match(text);
        id = match.Success ? new AzureKeyId(match.Groups["host"].Value.ToLowerInvariant(), match.Groups["name"].Value) : null;
        return id is not null;
    }

    /// <summary>Takes the version out of what the service says a key is: <c>https://{host}/keys/{name}/{version}</c>.</summary>
    public static string? VersionOf(string? kid)
        => kid?.Split('/') is [.., "keys", { Length: > 0 }, var version] && IsVersion(version) ? version : null;

    public static bool IsVersion([NotNullWhen(true)] string? version) => version is not null && VersionPattern().IsMatch(version);

    /// <summary>Gets whether a token may be sent to this key's host.</summary>
    public bool IsAllowedBy(AzureKeyId own, IEnumerable<string> others)
        => Host == own.Host || others.Any(o => o.StartsWith('.') ? Host.EndsWith(o, StringComparison.OrdinalIgnoreCase) : Host.Equals(o, StringComparison.OrdinalIgnoreCase));

    public override string ToString() => $"{Host}/keys/{Name}";

    [GeneratedRegex(@"\A(?<host>[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,5})?)/keys/(?<name>[A-Za-z0-9-]{1,127})\z")]
    private static partial Regex Pattern();

    [GeneratedRegex(@"\A[^/]+/keys/[^/]+/[^/]+\z")]
    private static partial Regex VersionedPattern();

    // A vault's versions are 32 hexadecimal digits; emulators have others, which Azure's own clients take, too.
    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._~-]{0,63}\z")]
    private static partial Regex VersionPattern();
}
