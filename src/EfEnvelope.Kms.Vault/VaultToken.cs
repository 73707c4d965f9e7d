namespace EfEnvelope.Kms.Vault;

/// <summary>A token of Vault or OpenBao. Prints no secret.</summary>
/// <param name="Value">The token.</param>
/// <param name="Lease">How long it lives; <see langword="null" /> when it does not end, or this is not known.</param>
/// <param name="IsRenewable">Whether its life can be prolonged, so that it is, before two thirds of it are over.</param>
public sealed record VaultToken(string Value, TimeSpan? Lease = null, bool IsRenewable = false)
{
    /// <inheritdoc />
    public override string ToString() => $"VaultToken({(Lease is { } lease ? $"lease {lease}" : "no lease")})";
}

/// <summary>Where the tokens come from that let this process into Vault or OpenBao. See <see cref="VaultTokens" /> for those that exist.</summary>
/// <remarks>Who writes one makes it equal to another that would give the same tokens, so that equal contexts share one client.</remarks>
public interface IVaultTokenSource
{
    /// <summary>
    /// Gets a fresh token. It is called when none is at hand, when the last one's lease has ended, and once when the last one was refused; never by two callers
    /// of one client at once.
    /// </summary>
    /// <param name="login">Logs in at the same server, namespace and transport as the client.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The token.</returns>
    /// <exception cref="KmsException">The login was refused, or could not be served.</exception>
    ValueTask<VaultToken> GetTokenAsync(IVaultLogin login, CancellationToken cancellationToken);
}

/// <summary>Logs in to Vault or OpenBao.</summary>
public interface IVaultLogin
{
    /// <summary>Logs in: <c>POST /v1/auth/{path}</c>.</summary>
    /// <param name="path">The path under <c>auth</c>, such as <c>approle/login</c>.</param>
    /// <param name="parameters">The body's fields, such as <c>role_id</c> and <c>secret_id</c>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The token of the answer's <c>auth</c>.</returns>
    /// <exception cref="KmsException">The login was refused, or could not be served.</exception>
    ValueTask<VaultToken> LogInAsync(string path, IReadOnlyDictionary<string, string> parameters, CancellationToken cancellationToken);
}
