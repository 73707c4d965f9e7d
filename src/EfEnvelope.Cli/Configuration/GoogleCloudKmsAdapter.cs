using System.Text.Json;
using EfEnvelope.Kms;
using EfEnvelope.Kms.GoogleCloud;
using Google.Apis.Auth.OAuth2;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>Google Cloud KMS: with the application default credentials, a file of credentials, or an access token.</summary>
internal sealed class GoogleCloudKmsAdapter : IKmsAdapter
{
    public string Type => "google";

    public string Scheme => "gcp-kms";

    public IReadOnlyList<string> Settings { get; } =
        [.. KmsSettings.SecretSettings("token"), "credentialsFile", "endpoint", .. KmsSettings.HttpSettings];

    public IReadOnlyList<string> Secrets { get; } = ["token"];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        key = this.Require(key, "projects/…/locations/…/keyRings/…/cryptoKeys/clinic");
        var (timeout, retries) = settings.FindLimits(new GoogleCloudKmsOptions());
        var options = new GoogleCloudKmsOptions { BaseAddress = settings.FindAddress("endpoint"), Timeout = timeout, MaxRetries = retries };
        switch (settings.Choose([.. KmsSettings.SecretSettings("token"), "credentialsFile"]))
        {
            case null:
                this.Guard(() => builder.UseGoogleCloudKms(key, options));
                break;
            case "credentialsFile":
                var credential = OfFile(settings.FindFile("credentialsFile")!);
                this.Guard(() => builder.UseGoogleCloudKms(key, credential, options));
                break;
            default:
                var token = settings.FindSecret("token")!;
                this.Guard(() => builder.UseGoogleCloudKms(key, _ => new ValueTask<string>(token), options));
                break;
        }

        return new ConfiguredKek(new KekUri(Scheme, key));
    }

    // What is wrong may be quoted from a private key: the cause is withheld.
    private static GoogleCredential OfFile(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(path));
            var type = document.RootElement.GetProperty("type").GetString()!;
            return CredentialFactory.FromFile(path, type);
        }
        catch (Exception)
        {
            throw new EnvelopeConfigurationException(CliMessages.NoGoogleCredentials(path));
        }
    }
}
