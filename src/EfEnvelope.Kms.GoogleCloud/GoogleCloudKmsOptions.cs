namespace EfEnvelope.Kms.GoogleCloud;

/// <summary>How Google Cloud KMS is reached. Two are equal when all of their parts are, handlers by reference.</summary>
public sealed record GoogleCloudKmsOptions : KmsHttpOptions
{
    /// <summary>Gets the project whose quota is used, sent as <c>x-goog-user-project</c>.</summary>
    /// <value>The default is <see langword="null" />: the one of the credentials, if they name one.</value>
    public string? QuotaProject { get; init; }

    // Over plain HTTP the access token could be read on its way; on loopback there is no way.
    internal GoogleCloudKmsOptions Validated()
    {
        if (BaseAddress is { } address && (!address.IsAbsoluteUri || address.Query.Length > 0 || address.UserInfo.Length > 0 || !(address.Scheme == Uri.UriSchemeHttps || IsLoopback(address))))
            throw new ArgumentException(GoogleKmsMessages.MalformedBaseAddress(address), nameof(BaseAddress));
        if (Timeout <= TimeSpan.Zero || Timeout > TimeSpan.FromMinutes(10))
            throw new ArgumentException(GoogleKmsMessages.MalformedTimeout(Timeout), nameof(Timeout));
        if (MaxRetries is < 0 or > 10)
            throw new ArgumentException(GoogleKmsMessages.MalformedMaxRetries(MaxRetries), nameof(MaxRetries));
        return this;
    }

    private static bool IsLoopback(Uri address) => address.Scheme == Uri.UriSchemeHttp && address.IsLoopback;
}
