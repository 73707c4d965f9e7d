using Amazon;
using Amazon.KeyManagementService;
using Amazon.Runtime;

namespace EfEnvelope.Kms.Aws;

/// <summary>A client of AWS KMS with what it owns: its connections, and credentials that can be had anew.</summary>
internal sealed class AwsConnection : IDisposable
{
    private readonly AwsHttpClientFactory? _http;
    private readonly AWSCredentials? _credentials;
    private readonly Lock _lock = new();
    private int _generation;

    private AwsConnection(IAmazonKeyManagementService client, AWSCredentials? credentials, AwsHttpClientFactory? http)
        => (Client, _credentials, _http) = (client, credentials, http);

    public IAmazonKeyManagementService Client { get; }

    /// <summary>Gets the region requests go to, when it is known.</summary>
    public string? Region
        => Client.Config is { } config ? config.ServiceURL is null ? config.RegionEndpoint?.SystemName : config.AuthenticationRegion : null;

    /// <summary>Gets how often the credentials were dropped: who was refused tells which ones it used.</summary>
    public int Generation => Volatile.Read(ref _generation);

    public static AwsConnection Over(IAmazonKeyManagementService client) => new(client, credentials: null, http: null);

    public static AwsConnection Open(AwsKeyId key, AwsKmsOptions options)
    {
        var region = options.Region ?? key.Region;
        var config = new AmazonKeyManagementServiceConfig
        {
            RetryMode = RequestRetryMode.Standard,
            MaxErrorRetry = options.MaxRetries,
            Timeout = options.Timeout,
            DisableLogging = true,
        };

        // Set only where they are asked for: 'false' would take away what the environment or a profile says. An address of the caller's own
        // is as it is.
        if (options.UseFipsEndpoint || options.BaseAddress is not null)
            config.UseFIPSEndpoint = options.BaseAddress is null;
        if (options.UseDualStackEndpoint || options.BaseAddress is not null)
            config.UseDualstackEndpoint = options.BaseAddress is null;
        if (options.BaseAddress is { } address)
        {
            region ??= config.RegionEndpoint?.SystemName;
            config.ServiceURL = address.ToString();
            config.AuthenticationRegion = region;
        }
        else if (region is not null)
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        }

        // The SDK takes an address from the environment and from profiles, too.
        if (config.ServiceURL is { Length: > 0 } configured)
        {
            if (!Uri.TryCreate(configured, UriKind.Absolute, out var found) || !AwsKmsOptions.IsSafe(found))
                throw new EnvelopeConfigurationException(AwsKmsMessages.UnsafeEndpoint(key.Kek));
            config.AuthenticationRegion ??= region ?? config.RegionEndpoint?.SystemName;
        }

        if ((region ?? config.RegionEndpoint?.SystemName) is null)
            throw new EnvelopeConfigurationException(AwsKmsMessages.NoRegion(key.Kek));
        var http = new AwsHttpClientFactory(options);
        config.HttpClientFactory = http;
        var client = options.Credentials is { } credentials
            ? new AmazonKeyManagementServiceClient(credentials, config)
            : new AmazonKeyManagementServiceClient(config);
        return new AwsConnection(client, options.Credentials, http);
    }

    /// <summary>
    /// Drops credentials that were refused, unless another caller already did. The SDK looks at the clock alone before it gets new ones, so a
    /// token that its issuer has ended early would be sent until its time is over.
    /// </summary>
    /// <returns>Whether the next request has other credentials.</returns>
    public async ValueTask<bool> RenewAsync(int generation, CancellationToken cancellationToken)
    {
        if (await FindCredentialsAsync(cancellationToken).ConfigureAwait(false) is not RefreshingAWSCredentials credentials)
            return false;
        lock (_lock)
        {
            if (generation != _generation)
                return true;
            credentials.ClearCredentials();
            _generation++;
            return true;
        }
    }

    public void Dispose()
    {
        if (_http is null)
            return;
        Client.Dispose();
        _http.Dispose();
    }

    // A caller's own client does not show the credentials that were given to its constructor, only those of its configuration.
    private async ValueTask<AWSCredentials?> FindCredentialsAsync(CancellationToken cancellationToken)
    {
        if ((_credentials ?? Client.Config?.DefaultAWSCredentials) is { } known)
            return known;
        if (_http is null)
            return null;
        try
        {
            var resolver = Client.Config!.IdentityResolverConfiguration.GetIdentityResolver<AWSCredentials>();
            return await resolver.ResolveIdentityAsync(Client.Config, cancellationToken).ConfigureAwait(false) as AWSCredentials;
        }
        catch (AmazonClientException)
        {
            return null;
        }
    }
}
