using EfEnvelope.Kms;
using EfEnvelope.Kms.Local;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>The embedded KMS: a file, and a passphrase or a key file that opens it.</summary>
internal sealed class LocalKmsAdapter : IKmsAdapter
{
    public string Type => "local";

    public string Scheme => "local";

    public IReadOnlyList<string> Settings { get; } = ["file", "keyFile", "passphrase", "passphraseFile", "passphraseEnvironment"];

    public IReadOnlyList<string> Secrets { get; } = ["passphrase"];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        var file = settings.FindPath("file") ?? throw new EnvelopeConfigurationException(CliMessages.KmsFileMissing());

        // A path that was mistyped must not become a new KMS, whose keys are others.
        var exists = File.Exists(file);
        if (!mayCreate && !exists)
            throw new EnvelopeConfigurationException(CliMessages.NoKmsFile(file));
        key ??= "efenvelope";
        var connection = new SqliteConnectionStringBuilder { DataSource = file }.ConnectionString;
        try
        {
            builder.UseLocalKms(connection, SealOf(settings), key);
        }
        catch (ArgumentException)
        {
            throw new EnvelopeConfigurationException(CliMessages.MalformedKek($"local:{key}"));
        }

        return new ConfiguredKek(new KekUri(Scheme, key), exists ? null : file);
    }

    private LocalKmsSeal SealOf(KmsSettings settings)
    {
        switch (settings.Choose("keyFile", "passphrase", "passphraseFile", "passphraseEnvironment"))
        {
            case "keyFile":
                var keyFile = settings.FindPath("keyFile")!;
                return File.Exists(keyFile) ? LocalKmsSeal.KeyFile(keyFile) : throw new EnvelopeConfigurationException(CliMessages.NoKeyFile(keyFile));
            case "passphrase":
                return ByPassphrase(settings.Find("passphrase")!, CliMessages.KmsVariable("passphrase"));
            case "passphraseFile":
                var path = settings.FindPath("passphraseFile")!;
                return ByPassphrase(ReadFirstLine(path), path);
            case "passphraseEnvironment":
                var variable = settings.Find("passphraseEnvironment")!;
                return ByPassphrase(settings.Environment.GetValueOrDefault(variable) ?? "", variable);
            default:
                throw new EnvelopeConfigurationException(CliMessages.KmsSealMissing());
        }
    }

    private static LocalKmsSeal ByPassphrase(string passphrase, string source)
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

    private static string ReadFirstLine(string path)
    {
        try
        {
            return File.ReadLines(path).FirstOrDefault("");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvelopeConfigurationException(CliMessages.UnreadableFile(path));
        }
    }
}
