using Amazon.KeyManagementService;
using EfEnvelope;
using EfEnvelope.Kms.Aws;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Adds AWS KMS to envelope encryption.</summary>
public static class AwsKmsEnvelopeOptionsBuilderExtensions
{
    /// <summary>Wraps data keys by a symmetric key of AWS KMS, with the region and the credentials of the AWS SDK's own chain.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyId">A key ARN (best: it says the region and the account), a key id, <c>alias/</c> and a name, or an alias ARN.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The key's name is malformed.</exception>
    public static EnvelopeOptionsBuilder UseAwsKms(this EnvelopeOptionsBuilder builder, string keyId) => builder.UseAwsKms(keyId, new AwsKmsOptions());

    /// <summary>Wraps data keys by a symmetric key of AWS KMS.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyId">A key ARN (best: it says the region and the account), a key id, <c>alias/</c> and a name, or an alias ARN.</param>
    /// <param name="options">Region, credentials, address, handler, timeout and retries.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The key's name or an option is malformed.</exception>
    public static EnvelopeOptionsBuilder UseAwsKms(this EnvelopeOptionsBuilder builder, string keyId, AwsKmsOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var identity = AwsKms.Identify(keyId, options);
        return builder.UseKms(identity, services => identity.CreateWrapper(services.LoggerFactory));
    }

    /// <summary>Wraps data keys by a symmetric key of AWS KMS, through the caller's own client.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="keyId">A key ARN (best: it says the region and the account), a key id, <c>alias/</c> and a name, or an alias ARN.</param>
    /// <param name="client">The client: the same one for every context. It is not disposed, and its own retries and timeout apply.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The key's name is malformed.</exception>
    public static EnvelopeOptionsBuilder UseAwsKms(this EnvelopeOptionsBuilder builder, string keyId, IAmazonKeyManagementService client)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var identity = AwsKms.Identify(keyId, client);
        return builder.UseKms(identity, services => identity.CreateWrapper(services.LoggerFactory));
    }
}
