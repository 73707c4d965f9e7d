using EfEnvelope.Kms;

namespace EfEnvelope.Cli.Configuration;

/// <summary>Adds one kind of KMS by its settings. A new kind is one class, and one entry in the registry.</summary>
internal interface IKmsAdapter
{
    /// <summary>Gets what <c>kms.type</c> calls it.</summary>
    string Type { get; }

    /// <summary>Gets the scheme of its KEK URIs.</summary>
    string Scheme { get; }

    /// <summary>Gets the KEK that is used where none is named, or <see langword="null" />.</summary>
    string? DefaultKek => null;

    /// <summary>Gets the names of its settings, besides <c>type</c> and <c>kek</c>; the variable of <c>keyFile</c> is <c>EFENVELOPE_KMS_KEY_FILE</c>.</summary>
    IReadOnlyList<string> Settings { get; }

    /// <summary>Gets those that may not stand in a configuration file.</summary>
    IReadOnlyList<string> Secrets { get; }

    /// <summary>Adds the KMS.</summary>
    /// <param name="builder">Where to.</param>
    /// <param name="settings">Its settings; the names are checked.</param>
    /// <param name="key">The KEK's name, without the scheme, or <see langword="null" /> if none was given.</param>
    /// <param name="mayCreate">Whether a KMS that does not exist may be made.</param>
    /// <returns>What wraps.</returns>
    ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate);
}

/// <summary>A KEK that wraps new keys.</summary>
/// <param name="Uri">The KEK.</param>
/// <param name="Makes">What has to be made first, or <see langword="null" />.</param>
internal sealed record ConfiguredKek(KekUri Uri, string? Makes = null);

/// <summary>What a command wants of the KMS.</summary>
internal enum KmsNeed
{
    /// <summary>It is not even opened.</summary>
    None,

    /// <summary>It is used if one is configured.</summary>
    IfConfigured,

    /// <summary>It must be there.</summary>
    Required,

    /// <summary>It must be configured, and is made if it is not there.</summary>
    MayBeMade,
}

internal static class KmsRegistry
{
    public static IReadOnlyList<IKmsAdapter> All { get; } =
    [
        new LocalKmsAdapter(), new AwsKmsAdapter(), new AzureKeyVaultAdapter(), new GoogleCloudKmsAdapter(), new OciVaultAdapter(), new VaultTransitAdapter(),
        new Pkcs11Adapter(), new RecoveryKeyAdapter(),
    ];

    /// <summary>Adds the KMS that the settings describe.</summary>
    /// <returns>What wraps.</returns>
    public static ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, bool mayCreate)
    {
        var (adapter, uri) = Resolve(settings);
        return adapter.Add(builder, settings, uri?.Key, mayCreate);
    }

    /// <summary>Finds the kind of KMS that the settings describe, and checks their names.</summary>
    public static (IKmsAdapter Adapter, KekUri? Kek) Resolve(KmsSettings settings)
    {
        var kek = settings.Find("kek");
        KekUri? uri = kek is null ? null : KekUri.TryParse(kek, out var parsed) ? parsed : throw new EnvelopeConfigurationException(CliMessages.MalformedKek(kek));
        var adapter = Find(settings.Find("type"), uri);
        if (uri is { } given && given.Scheme != adapter.Scheme)
            throw new EnvelopeConfigurationException(CliMessages.ForeignKek(kek!, adapter.Type, adapter.Scheme));
        if (settings.Names.Except([.. adapter.Settings, "type", "kek"]).FirstOrDefault() is { } unknown)
            throw new EnvelopeConfigurationException(CliMessages.UnknownKmsSetting(unknown, adapter.Type, [.. adapter.Settings, "kek"]));
        return (adapter, uri);
    }

    private static IKmsAdapter Find(string? type, KekUri? kek)
        => type is not null
            ? All.FirstOrDefault(a => a.Type == type) ?? throw new EnvelopeConfigurationException(CliMessages.UnknownKms(type, All.Select(a => a.Type)))
            : kek is null
                ? All[0]
                : All.FirstOrDefault(a => a.Scheme == kek.Value.Scheme) ?? throw new EnvelopeConfigurationException(CliMessages.UnknownKms(kek.Value.Scheme, All.Select(a => a.Type)));
}

/// <summary>What adapters do alike.</summary>
internal static class KmsAdapterExtensions
{
    /// <summary>Lets a library judge its settings: what it says of them is for who configures the tool.</summary>
    public static void Guard(this IKmsAdapter adapter, Action add)
    {
        try
        {
            add();
        }
        catch (ArgumentException e)
        {
            throw new EnvelopeConfigurationException(CliMessages.KmsSettingRefused(adapter.Type, e));
        }
    }

    public static string Require(this IKmsAdapter adapter, string? key, string example)
        => key ?? throw new EnvelopeConfigurationException(CliMessages.KekMissing(adapter.Type, $"{adapter.Scheme}:{example}"));

    public static EnvelopeConfigurationException Missing(this IKmsAdapter adapter, string setting)
        => new(CliMessages.KmsSettingMissing(adapter.Type, setting, adapter.Secrets.Contains(setting)));
}
