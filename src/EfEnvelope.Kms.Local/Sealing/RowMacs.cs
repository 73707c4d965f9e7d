using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>
/// Authenticates the rows that decide whether a key may be used, so that who writes the store cannot enable a key or point an alias elsewhere unnoticed.
/// A whole former row with its MAC can still be put back.
/// </summary>
internal static class RowMacs
{
    private const string Purpose = "rows";

    public static void Sign(RootKey root, KeyRow key) => key.Mac = root.Mac(Purpose, Describe(key));

    public static void Sign(RootKey root, KeyVersionRow version) => version.Mac = root.Mac(Purpose, Describe(version));

    public static void Sign(RootKey root, AliasRow alias) => alias.Mac = root.Mac(Purpose, Describe(alias));

    public static bool IsGenuine(RootKey root, KeyRow key) => Equal(key.Mac, root.Mac(Purpose, Describe(key)));

    public static bool IsGenuine(RootKey root, KeyVersionRow version) => Equal(version.Mac, root.Mac(Purpose, Describe(version)));

    public static bool IsGenuine(RootKey root, AliasRow alias) => Equal(alias.Mac, root.Mac(Purpose, Describe(alias)));

    // The canonical bytes of an encryption context, because they are injective. When a row was made, and its description, decide nothing.
    private static ReadOnlySpan<byte> Describe(KeyRow key) => new EncryptionContext(
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
        ]).AssociatedData.Span;

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
