namespace EfEnvelope.Kms.Oci;

/// <summary>How OCI Vault is reached. Two are equal when all of their parts are, handlers by reference.</summary>
public sealed record OciVaultOptions : KmsHttpOptions
{
    /// <summary>
    /// Gets the vault's management endpoint, such as <c>https://…-management.kms.eu-frankfurt-1.oraclecloud.com</c>. Only describing a key needs it, for
    /// <c>status</c>, <c>doctor</c> and health checks.
    /// </summary>
    /// <value>The default is <see langword="null" />: the state and the present version of a key are not known.</value>
    public Uri? ManagementEndpoint { get; init; }

    /// <summary>Gets the configuration file with the credentials, unless a signer is given.</summary>
    /// <value>The default is <see langword="null" />: what <c>OCI_CONFIG_FILE</c> names, else <c>~/.oci/config</c>.</value>
    public string? ConfigFile { get; init; }

    /// <summary>Gets the profile of the configuration file. What it does not set is taken from <c>DEFAULT</c>.</summary>
    /// <value>The default is <c>DEFAULT</c>.</value>
    public string Profile { get; init; } = "DEFAULT";

    internal OciVaultOptions Validated()
    {
        foreach (var address in (Uri?[])[BaseAddress, ManagementEndpoint])
        {
            if (address is not null)
                Endpoint(address.OriginalString);
        }

        if (Timeout <= TimeSpan.Zero || Timeout > TimeSpan.FromMinutes(10))
            throw new ArgumentException(OciMessages.MalformedTimeout(Timeout), nameof(Timeout));
        if (MaxRetries is < 0 or > 10)
            throw new ArgumentException(OciMessages.MalformedMaxRetries(MaxRetries), nameof(MaxRetries));
        if (string.IsNullOrWhiteSpace(Profile))
            throw new ArgumentException(OciMessages.MalformedProfile(), nameof(Profile));
        return this;
    }

    // The answer to decryption is the key itself, so it must not pass in the clear; on loopback there is no way on which it could be read.
    internal static Uri Endpoint(string? text)
        => Uri.TryCreate(text, UriKind.Absolute, out var address)
            && address.Query.Length == 0
            && address.UserInfo.Length == 0
            && address.AbsolutePath == "/"
            && (address.Scheme == Uri.UriSchemeHttps || (address.Scheme == Uri.UriSchemeHttp && address.IsLoopback))
                ? address
                : throw new ArgumentException(OciMessages.MalformedEndpoint(text), nameof(text));
}
