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

    public IReadOnlyList<string> Settings { get; } = ["region", "profile", "endpoint", "fips", "dualStack", .. KmsSettings.HttpSettings];

    public IReadOnlyList<string> Secrets { get; } = [];

    public ConfiguredKek Add(EnvelopeOptionsBuilder builder, KmsSettings settings, string? key, bool mayCreate)
    {
        key = this.Require(key, "alias/clinic");
        var (credentials, profile) = settings.Find("profile") is { } name ? OfProfile(name) : (null, null);
        var (timeout, retries) = settings.FindLimits(new AwsKmsOptions());
        this.Guard(() => builder.UseAwsKms(key, new AwsKmsOptions
        {
            Region = settings.Find("region") ?? profile?.Region?.SystemName,
            Credentials = credentials,
            BaseAddress = settings.FindAddress("endpoint"),
            UseFipsEndpoint = settings.FindFlag("fips") ?? profile?.UseFIPSEndpoint ?? false,
            UseDualStackEndpoint = settings.FindFlag("dualStack") ?? profile?.UseDualstackEndpoint ?? false,
            Timeout = timeout,
            MaxRetries = retries,
        }));
        return new ConfiguredKek(new KekUri(Scheme, key));
    }

    private static (AWSCredentials Credentials, CredentialProfile Profile) OfProfile(string name)
    {
        var chain = new CredentialProfileStoreChain();
        return chain.TryGetProfile(name, out var profile) && chain.TryGetAWSCredentials(name, out var credentials)
            ? (credentials, profile)
            : throw new EnvelopeConfigurationException(CliMessages.NoAwsProfile(name));
    }
}
