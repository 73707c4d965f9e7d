using Amazon.KeyManagementService;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Aws;

/// <summary>Makes clients of AWS KMS where there is no context to configure: in tools and tests.</summary>
public static class AwsKms
{
    /// <summary>Makes a key wrapper. Dispose it when it is no longer needed: it is an <see cref="IDisposable" />.</summary>
    /// <param name="keyId">A key id, a key ARN, <c>alias/</c> and a name, or an alias ARN, of a symmetric key for encryption.</param>
    /// <param name="options">How the service is reached; the defaults when <see langword="null" />.</param>
    /// <param name="loggerFactory">Where calls are logged, at the level Debug; nowhere when <see langword="null" />.</param>
    /// <returns>The key wrapper.</returns>
    /// <exception cref="ArgumentException">The key's name or an option is malformed.</exception>
    /// <exception cref="EnvelopeConfigurationException">No region is configured anywhere.</exception>
    public static IKeyWrapper CreateKeyWrapper(string keyId, AwsKmsOptions? options = null, ILoggerFactory? loggerFactory = null)
        => Identify(keyId, options ?? new AwsKmsOptions()).CreateWrapper(loggerFactory ?? NullLoggerFactory.Instance);

    /// <summary>Makes a key wrapper of the caller's own client.</summary>
    /// <param name="keyId">A key id, a key ARN, <c>alias/</c> and a name, or an alias ARN, of a symmetric key for encryption.</param>
    /// <param name="client">The client; it is not disposed, and its own retries and timeout apply.</param>
    /// <param name="loggerFactory">Where calls are logged, at the level Debug; nowhere when <see langword="null" />.</param>
    /// <returns>The key wrapper.</returns>
    /// <exception cref="ArgumentException">The key's name is malformed.</exception>
    public static IKeyWrapper CreateKeyWrapper(string keyId, IAmazonKeyManagementService client, ILoggerFactory? loggerFactory = null)
        => Identify(keyId, client).CreateWrapper(loggerFactory ?? NullLoggerFactory.Instance);

    internal static AwsKmsIdentity Identify(string keyId, AwsKmsOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(nameof(options));
        return new AwsKmsIdentity(AwsKeyId.Parse(keyId, nameof(keyId)), options, Client: null);
    }

    internal static AwsKmsIdentity Identify(string keyId, IAmazonKeyManagementService client)
    {
        ArgumentNullException.ThrowIfNull(client);
        return new AwsKmsIdentity(AwsKeyId.Parse(keyId, nameof(keyId)), Options: null, client);
    }
}
