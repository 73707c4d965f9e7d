namespace EfEnvelope.Kms;

/// <summary>How a service is reached over HTTP. Two are equal when all of their parts are, handlers by reference.</summary>
public abstract record KmsHttpOptions
{
    /// <summary>Shows an address in a message, without a user and a password.</summary>
    internal static string? Show(string? address)
        => Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.UserInfo.Length > 0
            ? uri.GetComponents(UriComponents.AbsoluteUri & ~UriComponents.UserInfo, UriFormat.UriEscaped)
            : address;

    /// <summary>Gets the address of the service, for private endpoints and proxies.</summary>
    /// <value>The default is <see langword="null" />: the service's own public address.</value>
    public Uri? BaseAddress { get; init; }

    /// <summary>
    /// Gets what sends the requests; it is not disposed. It must not follow redirects (<c>AllowAutoRedirect = false</c>): keys and tokens would go with them.
    /// </summary>
    /// <value>The default is <see langword="null" />: a <see cref="SocketsHttpHandler" /> that renews its connections every 5 minutes.</value>
    public HttpMessageHandler? Handler { get; init; }

    /// <summary>Gets how long one attempt may take.</summary>
    /// <value>The default is 5 seconds.</value>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Gets how often a request that was throttled, not answered, or failed on the service's side is sent again.</summary>
    /// <value>The default is 2, after 100 to 200 and 200 to 400 milliseconds, or after what the service asks for, at most 5 seconds.</value>
    public int MaxRetries { get; init; } = 2;
}
