using EfEnvelope.Kms;
using EfEnvelope.Kms.Local;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>The embedded KMS: a file or a database of a server, what opens it, and as whom it is used.</summary>
internal sealed class LocalKmsAdapter : IKmsAdapter
{
    public const string Name = "local";
    private const string DefaultKey = "efenvelope";

    public string Type => Name;

    public string Scheme => Name;

    public string DefaultKek => $"{Name}:{DefaultKey}";

    public IReadOnlyList<string> Settings { get; } =
    [
        "file", "provider", "connection", "connectionEnvironment", "keyFile", .. KmsSettings.SecretSettings("passphrase"), .. KmsSettings.SecretSettings("credential"),
    ];

    public IReadOnlyList<string> Secrets { get; } = ["passphrase", "credential"];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        key ??= DefaultKey;
        var (store, makes) = StoreOf(settings, mayCreate);
        var (seal, credential) = (SealOf(settings), CredentialOf(settings));
        try
        {
            if (store.File is { } file)
                builder.UseLocalKms(file, seal, key, credential);
            else
                builder.UseLocalKms(store.Server!, seal, key, credential);
        }
        catch (ArgumentException)
        {
            throw new EnvelopeConfigurationException(CliMessages.MalformedKek($"{Scheme}:{key}"));
        }

        return new ConfiguredKek(new KekUri(Scheme, key), makes);
    }

    /// <summary>Opens the KMS itself, for its administrator. Nothing is connected yet.</summary>
    public static OpenedKms Open(KmsSettings settings, bool mayCreate)
    {
        var (store, makes) = StoreOf(settings, mayCreate);
        var kms = store.File is { } file ? new LocalKms(file, SealOf(settings)) : new LocalKms(store.Server!, SealOf(settings));
        return new OpenedKms(kms, CredentialOf(settings) is { } credential ? kms.As(credential) : kms, makes);
    }

    // A path that was mistyped must not become a new KMS, whose keys are others.
    private static ((string? File, Action<DbContextOptionsBuilder>? Server) Store, string? Makes) StoreOf(KmsSettings settings, bool mayCreate)
    {
        if (settings.Choose("file", "provider") == "provider")
            return ((null, ServerOf(settings)), null);
        var file = settings.FindPath("file") ?? throw new EnvelopeConfigurationException(CliMessages.KmsFileMissing());
        var exists = File.Exists(file);
        if (!mayCreate && !exists)
            throw new EnvelopeConfigurationException(CliMessages.NoKmsFile(file));
        return ((new SqliteConnectionStringBuilder { DataSource = file }.ConnectionString, null), exists ? null : file);
    }

    private static Action<DbContextOptionsBuilder> ServerOf(KmsSettings settings)
    {
        var name = settings.Find("provider")!;
        if (name is not ("postgresql" or "sqlserver"))
            throw new EnvelopeConfigurationException(CliMessages.UnknownKmsProvider(name));
        if (settings.FindInFile("connection") is { } inFile && DatabaseProvider.HoldsSecret(inFile))
            throw new EnvelopeConfigurationException(CliMessages.SecretInFile("connection", hasFile: false));
        var connection = settings.Choose("connection", "connectionEnvironment") switch
        {
            "connection" => settings.Find("connection")!,
            "connectionEnvironment" => settings.Environment.GetValueOrDefault(settings.Find("connectionEnvironment")!) is { Length: > 0 } text
                ? text
                : throw new EnvelopeConfigurationException(CliMessages.EmptySecret("connection", settings.Find("connectionEnvironment")!)),
            _ => throw new EnvelopeConfigurationException(CliMessages.KmsSettingMissing(Name, "connection", isSecret: true)),
        };
        var provider = DatabaseProvider.Find(name);

        // Read once, here: what is malformed is said before anything is done.
        provider.Use(new DbContextOptionsBuilder(), connection, "");
        return builder => provider.Use(builder, connection, "");
    }

    private static LocalKmsSeal SealOf(KmsSettings settings)
    {
        switch (settings.Choose(["keyFile", .. KmsSettings.SecretSettings("passphrase")]))
        {
            case "keyFile":
                return ByKeyFile(settings.FindPath("keyFile")!);
            case "passphrase":
                return ByPassphrase(settings.Find("passphrase")!, CliMessages.KmsVariable("passphrase"));
            case "passphraseFile":
                var path = settings.FindPath("passphraseFile")!;
                return ByPassphrase(KmsSettings.ReadFirstLine(path), path);
            case "passphraseEnvironment":
                var variable = settings.Find("passphraseEnvironment")!;
                return ByPassphrase(settings.Environment.GetValueOrDefault(variable) ?? "", variable);
            default:
                throw new EnvelopeConfigurationException(CliMessages.KmsSealMissing());
        }
    }

    public static LocalKmsSeal ByKeyFile(string path)
        => File.Exists(path) ? LocalKmsSeal.KeyFile(path) : throw new EnvelopeConfigurationException(CliMessages.NoKeyFile(path));

    public static LocalKmsSeal ByPassphrase(string passphrase, string source)
    {
        try
        {
            return LocalKmsSeal.Passphrase(passphrase);
        }
        catch (ArgumentException)
        {
            throw new EnvelopeConfigurationException(CliMessages.PassphraseUnusable(source));
        }
    }

    private static LocalKmsCredential? CredentialOf(KmsSettings settings)
    {
        try
        {
            return settings.FindSecret("credential") is { } text ? LocalKmsCredential.Parse(text) : null;
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            throw new EnvelopeConfigurationException(CliMessages.CredentialUnusable());
        }
    }
}

/// <summary>The embedded KMS, opened for its administrator.</summary>
/// <param name="Owner">What is disposed of.</param>
/// <param name="Kms">The same KMS as the configured principal sees it.</param>
/// <param name="Makes">The file that has to be made first, or <see langword="null" />.</param>
internal sealed record OpenedKms(LocalKms Owner, LocalKms Kms, string? Makes) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Owner.DisposeAsync();
}
