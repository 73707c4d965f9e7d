using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace EfEnvelope.Kms.Vault;

/// <summary>
/// A KEK of a transit engine: <c>vault-transit:transit/clinic</c>, the mount before the last slash. Its parts become a request's path, so nothing else passes.
/// </summary>
internal readonly partial record struct VaultKeyName(string Mount, string Key)
{
    public const string Scheme = "vault-transit";

    public string EncryptPath => $"{Mount}/encrypt/{Key}";

    public string DecryptPath => $"{Mount}/decrypt/{Key}";

    public string KeyPath => $"{Mount}/keys/{Key}";

    public KekUri ToKekUri() => new(Scheme, $"{Mount}/{Key}");

    public static bool TryParse(KekUri kek, [NotNullWhen(true)] out VaultKeyName? name)
    {
        name = null;
        var slash = kek.Key.LastIndexOf('/');
        if (kek.Scheme != Scheme || slash < 0 || !IsPath(kek.Key[..slash]) || !IsName(kek.Key[(slash + 1)..]))
            return false;
        name = new VaultKeyName(kek.Key[..slash], kek.Key[(slash + 1)..]);
        return true;
    }

    public static bool IsName(string? name) => name is { Length: <= 200 } && Name().IsMatch(name);

    public static bool IsPath(string? path) => path is { Length: > 0 and <= 500 } && path.Split('/').All(IsName);

    // As the engine names its keys: letters, digits and '_' at both ends, with '.' and '-' between them.
    [GeneratedRegex(@"^[A-Za-z0-9_]([A-Za-z0-9_.\-]*[A-Za-z0-9_])?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}
