using System.Text.RegularExpressions;
using Amazon.Runtime;

namespace EfEnvelope.Kms.Aws;

/// <summary>How AWS KMS is reached. Two are equal when all of their parts are, handlers and credentials by reference: make those once, not per context.</summary>
/// <remarks>
/// The SDK sends requests again by itself (its retry mode is <c>Standard</c>: with jitter, after up to 1 and up to 2 seconds); <see cref="KmsHttpOptions.MaxRetries" /> only says how often.
/// </remarks>
public sealed partial record AwsKmsOptions : KmsHttpOptions
{
    /// <summary>Gets the region, such as <c>eu-central-1</c>.</summary>
    /// <value>The default is <see langword="null" />: the region in the key's ARN, else that of the SDK's own chain (environment, profile, instance).</value>
    public string? Region { get; init; }

    /// <summary>Gets the credentials, such as <c>AssumeRoleAWSCredentials</c>.</summary>
    /// <value>The default is <see langword="null" />: the SDK's own chain (environment, web identity, profile, container, instance).</value>
    public AWSCredentials? Credentials { get; init; }

    /// <summary>Gets whether requests go to the region's endpoint with FIPS 140 validated TLS.</summary>
    /// <value>
    /// The default is <see langword="false" />: what the SDK's own settings say (<c>AWS_USE_FIPS_ENDPOINT</c>, <c>use_fips_endpoint</c> of
    /// a profile). It has no effect
    /// with <see cref="KmsHttpOptions.BaseAddress" />.
    /// </value>
    public bool UseFipsEndpoint { get; init; }

    /// <summary>Gets whether requests go to the region's endpoint that is reached by IPv6, too.</summary>
    /// <value>
    /// The default is <see langword="false" />: what the SDK's own settings say (<c>AWS_USE_DUALSTACK_ENDPOINT</c>,
    /// <c>use_dualstack_endpoint</c> of a profile). It has
    /// no effect with <see cref="KmsHttpOptions.BaseAddress" />.
    /// </value>
    public bool UseDualStackEndpoint { get; init; }

    /// <inheritdoc />
    public override string ToString() => $"AwsKmsOptions({Region ?? "default region"}{(BaseAddress is null ? "" : $" at {BaseAddress}")})";

    internal void Validate(string parameter)
    {
        List<string> faults = [];
        if (Region is not null && !RegionPattern().IsMatch(Region))
            faults.Add(AwsKmsMessages.MalformedRegion(Region));
        if (BaseAddress is { } address && !IsSafe(address))
            faults.Add(AwsKmsMessages.MalformedAddress());
        if (Timeout <= TimeSpan.Zero || Timeout > TimeSpan.FromMinutes(5))
            faults.Add(AwsKmsMessages.OptionOutOfRange(nameof(Timeout), Timeout, "more than 0 and at most 5 minutes"));
        if (MaxRetries is < 0 or > 10)
            faults.Add(AwsKmsMessages.OptionOutOfRange(nameof(MaxRetries), MaxRetries, "from 0 to 10"));
        if (faults.Count > 0)
            throw new ArgumentException(AwsKmsMessages.Faults(faults), parameter);
    }

    /// <summary>Tells whether data keys may be sent to an address: they are in clear in a request.</summary>
    internal static bool IsSafe(Uri address)
        => address.IsAbsoluteUri && (address.Scheme == "https" || (address.Scheme == "http" && address.IsLoopback))
            && address.UserInfo.Length == 0 && address.Query.Length == 0;

    [GeneratedRegex(@"\A[a-z]{2,}(-[a-z0-9]+)+\z")]
    private static partial Regex RegionPattern();
}
