using System.Security.Cryptography;
using EfEnvelope.Kms;

namespace EfEnvelope.Cli.Configuration;

/// <summary>The offline recovery key: the public half wraps every key once more; the private half opens them when every KMS is lost.</summary>
internal sealed class RecoveryKeyAdapter : IKmsAdapter
{
    public string Type => "recovery";

    public string Scheme => "recovery";

    public IReadOnlyList<string> Settings { get; } = ["publicKeyFile", "privateKeyFile"];

    public IReadOnlyList<string> Secrets { get; } = [];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        var setting = settings.Choose("publicKeyFile", "privateKeyFile") ?? throw new EnvelopeConfigurationException(CliMessages.RecoveryKeyMissing());
        var path = settings.FindFile(setting)!;
        var pem = Read(path);
        if (setting == "publicKeyFile" && pem.Contains("PRIVATE KEY", StringComparison.Ordinal))
            throw new EnvelopeConfigurationException(CliMessages.PrivateKeyAsPublic(path));
        this.Guard(() => builder.UseRecoveryKey(pem));
        var kek = KekOf(pem);
        return key is null || key == kek.Key ? new ConfiguredKek(kek) : throw new EnvelopeConfigurationException(CliMessages.OtherRecoveryKey(path, kek, $"{Scheme}:{key}"));
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvelopeConfigurationException(CliMessages.UnreadableFile(path));
        }
    }

    // The fingerprint, as 'UseRecoveryKey' takes it.
    private KekUri KekOf(string pem)
    {
        using var rsa = RSA.Create();
        rsa.ImportFromPem(pem);
        return new KekUri(Scheme, Convert.ToHexStringLower(SHA256.HashData(rsa.ExportSubjectPublicKeyInfo()).AsSpan(0, 16)));
    }
}
