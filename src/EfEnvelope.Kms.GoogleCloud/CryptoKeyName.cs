using System.Text.RegularExpressions;

namespace EfEnvelope.Kms.GoogleCloud;

/// <summary>The name of a key, <c>projects/p/locations/l/keyRings/r/cryptoKeys/k</c>, without a version: Google refuses one when it decrypts.</summary>
internal static partial class CryptoKeyName
{
    public const string Scheme = "gcp-kms";

    public static KekUri Validate(string cryptoKey)
        => cryptoKey is not null && Pattern().IsMatch(cryptoKey)
            ? new KekUri(Scheme, cryptoKey)
            : throw new ArgumentException(GoogleKmsMessages.MalformedKeyName(cryptoKey), nameof(cryptoKey));

    public static bool IsValid(KekUri kek) => kek.Scheme == Scheme && Pattern().IsMatch(kek.Key);

    /// <summary>The number of a version, from its name; <see langword="null" /> when it is not the name of a version.</summary>
    public static string? VersionOf(string? cryptoKeyVersion)
        => cryptoKeyVersion is not null && Version().Match(cryptoKeyVersion) is { Success: true } match ? match.Groups[1].Value : null;

    [GeneratedRegex(@"\Aprojects/[a-z0-9.:-]{1,100}/locations/[a-zA-Z0-9-]{1,63}/keyRings/[a-zA-Z0-9_-]{1,63}/cryptoKeys/[a-zA-Z0-9_-]{1,63}\z")]
    private static partial Regex Pattern();

    [GeneratedRegex(@"/cryptoKeyVersions/([0-9]{1,18})\z")]
    private static partial Regex Version();
}
