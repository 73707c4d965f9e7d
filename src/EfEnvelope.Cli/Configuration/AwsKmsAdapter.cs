using Amazon.Runtime;
using Amazon.Runtime.CredentialManagement;
using EfEnvelope.Kms;
using EfEnvelope.Kms.Aws;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.Configuration;

/// <summary>AWS KMS: the KEK alone is enough; region and credentials come from the SDK's own chain.</summary>
internal sealed class AwsKmsAdapter : IKmsAdapter
{
    public string Type => "aws";

    public string Scheme => "aws-kms";

    public IReadOnlyList<string> Settings { get; } = ["region", "profile", "endpoint"];

    public IReadOnlyList<string> Secrets { get; } = [];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        key = this.Require(key, "alias/clinic");
        var (credentials, region) = settings.Find("profile") is { } profile ? OfProfile(profile) : (null, null);
        this.Guard(() => builder.UseAwsKms(key, new AwsKmsOptions
        {
            Region = settings.Find("region") ?? region,
            Credentials = credentials,
            BaseAddress = settings.FindAddress("endpoint"),
        }));
        return new ConfiguredKek(new KekUri(Scheme, key));
    }

    private static (AWSCredentials Credentials, string? Region) OfProfile(string name)
    {
        var chain = new CredentialProfileStoreChain();
        return chain.TryGetProfile(name, out var profile) && chain.TryGetAWSCredentials(name, out var credentials)
            ? (credentials, profile.Region?.SystemName)
            : throw new EnvelopeConfigurationException(CliMessages.NoAwsProfile(name));
    }
}
