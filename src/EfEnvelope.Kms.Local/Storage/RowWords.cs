namespace EfEnvelope.Kms.Local.Storage;

/// <summary>The states of a key and of a version, as text.</summary>
internal static class KeyStates
{
    public const string Enabled = "enabled";

    public const string Disabled = "disabled";

    public const string PendingDeletion = "pending-deletion";

    public const string Destroyed = "destroyed";

    public static LocalKmsKeyState Parse(string text) => text switch
    {
        Enabled => LocalKmsKeyState.Enabled,
        Disabled => LocalKmsKeyState.Disabled,
        PendingDeletion => LocalKmsKeyState.PendingDeletion,
        Destroyed => LocalKmsKeyState.Destroyed,
        _ => throw new FormatException("Unknown key state."),
    };
}

/// <summary>What a key is for, as text.</summary>
internal static class KeyPurposes
{
    public const string Wrap = "wrap";

    public const string Sign = "sign";

    public const string Mac = "mac";
}

/// <summary>Where the material of a key came from, as text.</summary>
internal static class KeyOrigins
{
    public const string Generated = "generated";

    public const string Imported = "imported";
}

/// <summary>The algorithms of keys, as text.</summary>
internal static class KeyAlgorithms
{
    public const string Aes256 = "aes-256";

    private static readonly (string Text, LocalKmsKeyAlgorithm Algorithm, string Purpose)[] All =
    [
        (Aes256, LocalKmsKeyAlgorithm.Aes256, KeyPurposes.Wrap),
        ("ecdsa-p256", LocalKmsKeyAlgorithm.EcdsaP256, KeyPurposes.Sign),
        ("ecdsa-p384", LocalKmsKeyAlgorithm.EcdsaP384, KeyPurposes.Sign),
        ("rsa-pss-2048", LocalKmsKeyAlgorithm.RsaPss2048, KeyPurposes.Sign),
        ("rsa-pss-3072", LocalKmsKeyAlgorithm.RsaPss3072, KeyPurposes.Sign),
        ("rsa-pss-4096", LocalKmsKeyAlgorithm.RsaPss4096, KeyPurposes.Sign),
        ("hmac-sha256", LocalKmsKeyAlgorithm.HmacSha256, KeyPurposes.Mac),
    ];

    public static LocalKmsKeyAlgorithm Parse(string text)
        => All.FirstOrDefault(a => a.Text == text) is { Text: not null } known ? known.Algorithm : throw new FormatException("Unknown key algorithm.");

    public static string Format(LocalKmsKeyAlgorithm algorithm) => Find(algorithm).Text;

    public static string PurposeOf(LocalKmsKeyAlgorithm algorithm) => Find(algorithm).Purpose;

    private static (string Text, LocalKmsKeyAlgorithm Algorithm, string Purpose) Find(LocalKmsKeyAlgorithm algorithm)
        => All.FirstOrDefault(a => a.Algorithm == algorithm) is { Text: not null } known
            ? known
            : throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, null);
}
