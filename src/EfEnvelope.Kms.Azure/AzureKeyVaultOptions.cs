using System.Text.RegularExpressions;

namespace EfEnvelope.Kms.Azure;

/// <summary>How Key Vault or Managed HSM is reached. Two are equal when all of their parts are, handlers by reference: make those once, not per context.</summary>
public sealed partial record AzureKeyVaultOptions : KmsHttpOptions
{
    /// <summary>Gets the version of the REST interface, such as <c>7.4</c>.</summary>
    /// <value>The default is <c>7.4</c>, which every vault and Managed HSM knows.</value>
    public string ApiVersion { get; init; } = "7.4";

    /// <summary>Gets how new keys are wrapped.</summary>
    /// <value>
    /// The default is <see langword="null" />: <see cref="AzureKeyVaultAlgorithm.A256Gcm" /> where the host is a Managed HSM, else
    /// <see cref="AzureKeyVaultAlgorithm.RsaOaep256" />.
    /// </value>
    public AzureKeyVaultAlgorithm? Algorithm { get; init; }

    /// <summary>Gets the scope of the tokens, such as <c>https://vault.azure.net/.default</c>.</summary>
    /// <value>
    /// The default is <see langword="null" />: scope and tenant are asked of the vault, as Azure's own clients do, with one request without a token and
    /// without content. When it is set, the tenant is the credential's own until the vault names another.
    /// </value>
    public string? Scope { get; init; }

    /// <summary>
    /// Gets the hosts, besides that of the key, to which a wrapped key may lead: a host, or a suffix that starts with a dot. A stored record names its vault,
    /// and a token is sent there.
    /// </summary>
    /// <value>The default is none: copies of another vault are refused.</value>
    public IReadOnlyList<string> OtherVaultHosts { get; init; } = [];

    /// <inheritdoc />
    public bool Equals(AzureKeyVaultOptions? other)
        => other is not null
            && base.Equals(other)
            && ApiVersion == other.ApiVersion
            && Algorithm == other.Algorithm
            && Scope == other.Scope
            && (OtherVaultHosts ?? []).SequenceEqual(other.OtherVaultHosts ?? [], StringComparer.OrdinalIgnoreCase);

    /// <inheritdoc />
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), ApiVersion, Algorithm, Scope, OtherVaultHosts?.Count);

    /// <inheritdoc />
    public override string ToString() => $"AzureKeyVaultOptions({ApiVersion}{(BaseAddress is null ? "" : $" at {BaseAddress}")})";

    internal void Validate(string parameter)
    {
        List<string> faults = [];
        if (ApiVersion is null || !VersionPattern().IsMatch(ApiVersion))
            faults.Add(AzureMessages.MalformedApiVersion(ApiVersion));
        if (Algorithm is { } algorithm && !Enum.IsDefined(algorithm))
            faults.Add(AzureMessages.OptionOutOfRange(nameof(Algorithm), algorithm, "a named algorithm"));
        if (Scope is not null && !(Uri.TryCreate(Scope, UriKind.Absolute, out var scope) && scope.Scheme == Uri.UriSchemeHttps))
            faults.Add(AzureMessages.MalformedScope(Scope));
        if (OtherVaultHosts is null || !OtherVaultHosts.All(h => h is not null && HostPattern().IsMatch(h)))
            faults.Add(AzureMessages.MalformedHosts());
        if (BaseAddress is { } address && !(address.IsAbsoluteUri && address.Scheme == Uri.UriSchemeHttps && address.UserInfo.Length == 0 && address.Query.Length == 0))
            faults.Add(AzureMessages.MalformedAddress());
        if (Timeout <= TimeSpan.Zero || Timeout > TimeSpan.FromMinutes(5))
            faults.Add(AzureMessages.OptionOutOfRange(nameof(Timeout), Timeout, "more than 0 and at most 5 minutes"));
        if (MaxRetries is < 0 or > 10)
            faults.Add(AzureMessages.OptionOutOfRange(nameof(MaxRetries), MaxRetries, "from 0 to 10"));
        if (faults.Count > 0)
            throw new ArgumentException(AzureMessages.Faults(faults), parameter);
    }

    // A suffix of one label, such as '.net', would let any host in.
    [GeneratedRegex(@"\A(\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+)(:[0-9]+)?\z")]
    private static partial Regex HostPattern();

    [GeneratedRegex(@"\A[0-9A-Za-z.-]{1,32}\z")]
    private static partial Regex VersionPattern();
}
