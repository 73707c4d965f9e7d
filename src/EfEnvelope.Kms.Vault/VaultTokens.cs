namespace EfEnvelope.Kms.Vault;

/// <summary>Where tokens come from. Two sources are equal when they give the same tokens for the same reason. None prints a secret.</summary>
public static class VaultTokens
{
    private const string ServiceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";

    /// <summary>Gets the token that the <c>vault</c> command would use: <c>VAULT_TOKEN</c> in the environment, else the file <c>.vault-token</c> at home.</summary>
    public static IVaultTokenSource Default { get; } = new DefaultToken();

    /// <summary>A token that is known. It is not renewed; who gives it keeps it alive.</summary>
    /// <param name="token">The token, from a secret store or the environment.</param>
    /// <returns>The source.</returns>
    /// <exception cref="ArgumentException">The token is empty or malformed.</exception>
    public static IVaultTokenSource Fixed(string token) => new FixedToken(Require(token, nameof(token)));

    /// <summary>A token in a file that another program keeps fresh, such as Vault Agent's sink. It is read again when a token is refused.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The source.</returns>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    public static IVaultTokenSource FromFile(string path) => new FileToken(Require(path, nameof(path)));

    /// <summary>A login by AppRole. Its token is renewed before its lease ends; at the end of its longest life the role logs in again.</summary>
    /// <param name="roleId">The role's id.</param>
    /// <param name="secretId">The secret's id, which must allow more than one use: a token does not live for ever.</param>
    /// <param name="mount">Where the method is mounted under <c>auth</c>.</param>
    /// <returns>The source.</returns>
    /// <exception cref="ArgumentException">An id is empty, or the mount is malformed.</exception>
    public static IVaultTokenSource AppRole(string roleId, string secretId, string mount = "approle")
        => new AppRoleLogin(Require(roleId, nameof(roleId)), Require(secretId, nameof(secretId)), RequireMount(mount));

    /// <summary>A login by the service account of this Kubernetes pod, whose token is read again at each login.</summary>
    /// <param name="role">The role in Vault.</param>
    /// <param name="mount">Where the method is mounted under <c>auth</c>.</param>
    /// <param name="tokenFile">The file with the service account's token; the pod's own by default.</param>
    /// <returns>The source.</returns>
    /// <exception cref="ArgumentException">The role or the file is empty, or the mount is malformed.</exception>
    public static IVaultTokenSource Kubernetes(string role, string mount = "kubernetes", string tokenFile = ServiceAccountToken)
        => new KubernetesLogin(Require(role, nameof(role)), RequireMount(mount), Require(tokenFile, nameof(tokenFile)));

    /// <summary>Tokens of the caller's own.</summary>
    /// <param name="getToken">Returns a fresh token. Two sources are equal when they have the very same delegate: keep it in a field.</param>
    /// <returns>The source.</returns>
    public static IVaultTokenSource From(Func<CancellationToken, ValueTask<string>> getToken)
    {
        ArgumentNullException.ThrowIfNull(getToken);
        return new DelegateToken(getToken);
    }

    private static string Require(string value, string name)
        => string.IsNullOrWhiteSpace(value) || value.Any(char.IsControl) ? throw new ArgumentException(VaultMessages.EmptyCredential(name), name) : value;

    private static string RequireMount(string mount)
        => VaultKeyName.IsPath(mount) ? mount : throw new ArgumentException(VaultMessages.MalformedMount(mount), nameof(mount));

    private static async ValueTask<string> ReadAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return (await File.ReadAllTextAsync(path, cancellationToken).ConfigureAwait(false)).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KmsException(KmsErrorKind.Unauthenticated, VaultMessages.TokenFileUnreadable(path), e);
        }
    }

    private sealed record DefaultToken : IVaultTokenSource
    {
        public async ValueTask<VaultToken> GetTokenAsync(IVaultLogin login, CancellationToken cancellationToken)
            => new(Environment.GetEnvironmentVariable("VAULT_TOKEN") is { Length: > 0 } token
                ? token
                : await ReadAsync(
                    Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".vault-token"), cancellationToken).ConfigureAwait(false));
    }

    private sealed record FixedToken(string Token) : IVaultTokenSource
    {
        public ValueTask<VaultToken> GetTokenAsync(IVaultLogin login, CancellationToken cancellationToken) => new(new VaultToken(Token));

        public override string ToString() => "VaultTokens.Fixed";
    }

    private sealed record FileToken(string Path) : IVaultTokenSource
    {
        public async ValueTask<VaultToken> GetTokenAsync(IVaultLogin login, CancellationToken cancellationToken)
            => new(await ReadAsync(Path, cancellationToken).ConfigureAwait(false));
    }

    private sealed record DelegateToken(Func<CancellationToken, ValueTask<string>> GetToken) : IVaultTokenSource
    {
        public async ValueTask<VaultToken> GetTokenAsync(IVaultLogin login, CancellationToken cancellationToken)
        {
            try
            {
                return new(await GetToken(cancellationToken).ConfigureAwait(false));
            }
            catch (Exception e) when (e is not (KmsException or OperationCanceledException))
            {
                throw new KmsException(KmsErrorKind.Unauthenticated, VaultMessages.TokenSourceFailed(), e);
            }
        }
    }

    private sealed record AppRoleLogin(string RoleId, string SecretId, string Mount) : IVaultTokenSource
    {
        public ValueTask<VaultToken> GetTokenAsync(IVaultLogin login, CancellationToken cancellationToken)
            => login.LogInAsync(
                $"{Mount}/login", new Dictionary<string, string> { ["role_id"] = RoleId, ["secret_id"] = SecretId }, cancellationToken);

        public override string ToString() => $"VaultTokens.AppRole({Mount})";
    }

    private sealed record KubernetesLogin(string Role, string Mount, string TokenFile) : IVaultTokenSource
    {
        public async ValueTask<VaultToken> GetTokenAsync(IVaultLogin login, CancellationToken cancellationToken)
        {
            var jwt = await ReadAsync(TokenFile, cancellationToken).ConfigureAwait(false);
            return await login.LogInAsync(
                $"{Mount}/login", new Dictionary<string, string> { ["role"] = Role, ["jwt"] = jwt }, cancellationToken).ConfigureAwait(false);
        }
    }
}
