using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>
/// Authenticates the rows that decide whether a key may be used, so that who writes the store can neither enable a key nor move or remove an alias
/// unnoticed. A whole former row with its MAC can still be put back.
/// </summary>
internal static class RowMacs
{
    private const string Purpose = "rows";

    public static void Sign(RootKey root, KeyRow key) => key.Mac = root.Mac(Purpose, Describe(key));

    public static void Sign(RootKey root, KeyVersionRow version) => version.Mac = root.Mac(Purpose, Describe(version));

    public static void Sign(RootKey root, AliasRow alias) => alias.Mac = root.Mac(Purpose, Describe(alias));

    public static bool IsGenuine(RootKey root, KeyRow key) => key.Aliases is not null && Equal(key.Mac, root.Mac(Purpose, Describe(key)));

    /// <summary>Whether a row is as format 2 left it, which did not say which aliases the key has.</summary>
    public static bool IsGenuineOfFormat2(RootKey root, KeyRow key) => key.Aliases is null && Equal(key.Mac, root.Mac(Purpose, Describe(key)));

    public static bool IsGenuine(RootKey root, KeyVersionRow version) => Equal(version.Mac, root.Mac(Purpose, Describe(version)));

    public static bool IsGenuine(RootKey root, AliasRow alias) => Equal(alias.Mac, root.Mac(Purpose, Describe(alias)));

    /// <summary>What a key's row says of its aliases.</summary>
    public static byte[] DigestOf(IEnumerable<string> aliases)
    {
        var names = new CanonicalBytes();
        foreach (var alias in aliases.Order(StringComparer.Ordinal))
            names.Add(alias);
        return SHA256.HashData(names.Span);
    }

    /// <summary>Whether these are the aliases of the key, none more and none less, each genuine.</summary>
    public static bool AreAliases(RootKey root, KeyRow key, IReadOnlyCollection<AliasRow> aliases)
        => key.Aliases is { } digest && Equal(digest, DigestOf(aliases.Select(a => a.Alias))) && aliases.All(a => a.KeyId == key.KeyId && IsGenuine(root, a));

    // The canonical bytes of an encryption context, because they are injective. When a row was made, and its description, decide nothing.
    private static ReadOnlySpan<byte> Describe(KeyRow key)
    {
        List<KeyValuePair<string, string>> pairs =
        [
            new("type", "key"),
            new("key", key.KeyId),
            new("name", key.Name),
            new("purpose", key.Purpose),
            new("algorithm", key.Algorithm),
            new("state", key.State),
            new("primary", Format(key.PrimaryVersion)),
            new("origin", key.Origin),
            new("rotation", Format(key.RotationPeriod)),
            new("next rotation", Format(key.NextRotation)),
            new("deletion", Format(key.DeletionAt)),
            new("revision", Format(key.Revision)),
        ];
        if (key.Aliases is { } aliases)
            pairs.Add(new("aliases", Convert.ToBase64String(aliases)));
        return new EncryptionContext(pairs).AssociatedData.Span;
    }

    private static ReadOnlySpan<byte> Describe(KeyVersionRow version) => new EncryptionContext(
        [
            new("type", "version"),
            new("key", version.KeyId),
            new("version", Format(version.Version)),
            new("state", version.State),
            new("material", Convert.ToBase64String(SHA256.HashData(version.SealedMaterial))),
            new("public", Convert.ToBase64String(version.PublicKey ?? [])),
        ]).AssociatedData.Span;

    private static ReadOnlySpan<byte> Describe(AliasRow alias) => new EncryptionContext(
        [new("type", "alias"), new("alias", alias.Alias), new("key", alias.KeyId)]).AssociatedData.Span;

    private static string Format(long? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "";

    private static string Format(DateTimeOffset? time) => Format(time?.ToUnixTimeMilliseconds());

    private static bool Equal(byte[] left, byte[] right) => CryptographicOperations.FixedTimeEquals(left, right);
}
