namespace EfEnvelope.Kms.Vault;

/// <summary>How Vault or OpenBao is reached. <see cref="KmsHttpOptions.BaseAddress" /> is its address, such as <c>https://vault.example.org:8200</c>.</summary>
public sealed record VaultTransitOptions : KmsHttpOptions
{
    /// <summary>Gets where the transit engine is mounted.</summary>
    /// <value>The default is <c>transit</c>.</value>
    public string Mount { get; init; } = "transit";

    /// <summary>Gets the namespace of the engine and of the login, such as <c>clinic/eu</c>.</summary>
    /// <value>The default is <see langword="null" />: the root namespace, or the token's own.</value>
    public string? Namespace { get; init; }

    /// <summary>Gets whether keys and tokens may travel unencrypted to another machine: over a service mesh that encrypts them itself, for example.</summary>
    /// <value>The default is <see langword="false" />: plain HTTP is refused, except to this machine.</value>
    public bool AllowUnencryptedHttp { get; init; }

    internal void Validate()
    {
        if (BaseAddress is not { IsAbsoluteUri: true } address || address.Scheme is not ("http" or "https")
            || address.UserInfo.Length > 0 || address.Query.Length > 0)
            throw new ArgumentException(VaultMessages.MalformedAddress(), nameof(BaseAddress));
        if (address.Scheme == "http" && !address.IsLoopback && !AllowUnencryptedHttp)
            throw new ArgumentException(VaultMessages.UnencryptedAddress(address.Host), nameof(BaseAddress));
        if (!VaultKeyName.IsPath(Mount))
            throw new ArgumentException(VaultMessages.MalformedMount(Mount), nameof(Mount));
        if (Namespace is not null && !VaultKeyName.IsPath(Namespace.Trim('/')))
            throw new ArgumentException(VaultMessages.MalformedNamespace(Namespace), nameof(Namespace));
        if (Timeout <= TimeSpan.Zero || Timeout > TimeSpan.FromMinutes(10))
            throw new ArgumentException(VaultMessages.TimeoutOutOfRange(Timeout), nameof(Timeout));
        if (MaxRetries is < 0 or > 100)
            throw new ArgumentException(VaultMessages.MaxRetriesOutOfRange(MaxRetries), nameof(MaxRetries));
    }
}
