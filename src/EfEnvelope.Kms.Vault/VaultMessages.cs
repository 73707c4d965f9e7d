namespace EfEnvelope.Kms.Vault;

// Every text a user of Vault or OpenBao can meet, in three beats: what, whose, how to mend. Never a token, never key bytes.
internal static class VaultMessages
{
    // Options.

    public static string MalformedAddress()
        => "The address of Vault is missing or not an HTTP address without query and credentials. Set 'BaseAddress', such as 'https://vault.example.org:8200'.";

    public static string UnencryptedAddress(string host)
        => $"The address of Vault at '{host}' is plain HTTP, so keys and tokens would travel unencrypted. Use 'https', or set 'AllowUnencryptedHttp' if the "
            + "network encrypts them itself.";

    public static string MalformedMount(string? mount)
        => $"'{mount}' is not where an engine is mounted in Vault. Give a path such as 'transit' or 'team/transit', without slashes at its ends.";

    public static string MalformedNamespace(string? name)
        => $"'{name}' is not a namespace of Vault. Give a path such as 'clinic/eu'.";

    public static string MalformedKeyName(string? name)
        => $"'{name}' is not the name of a transit key. Use letters, digits and '_', with '.' and '-' between them.";

    public static string TimeoutOutOfRange(TimeSpan value)
        => $"'Timeout' of Vault is {value}. Set more than zero and at most 10 minutes.";

    public static string MaxRetriesOutOfRange(int value)
        => $"'MaxRetries' of Vault is {value}. Set 0 to 100.";

    public static string EmptyCredential(string name)
        => $"'{name}' of a token source of Vault is empty or has control characters. Give it, from a secret store or the environment.";

    // Tokens.

    public static string TokenFileUnreadable(string path)
        => $"The token file '{path}' for Vault could not be read. Correct the path, let this process read it, or, for 'VaultTokens.Default', set 'VAULT_TOKEN'.";

    public static string TokenSourceFailed()
        => "The token source of Vault failed. See the inner exception, and mend the delegate given to 'VaultTokens.From(…)'.";

    public static string NoToken(object kek)
        => $"The token source for '{kek}' gave no token, or one with control characters. Look at the variable, file or delegate it comes from.";

    public static string LoginRefused(object kek, string path, int status, string said)
        => $"The login at 'auth/{path}' for '{kek}' was refused ({status}{said}). Correct the role and its secret, or look whether the secret has expired.";

    public static string Denied(object kek, string path, string capability)
        => $"Vault denies '{capability}' on '{path}' for '{kek}', or its token is not valid any more: it does not say which. Grant '{capability}' on that path in "
            + "the token's policy, or give a valid token.";

    // Answers.

    public static string NoKey(object kek)
        => $"There is no transit key for '{kek}'. Correct its name, make it with 'vault write -f {{mount}}/keys/{{key}}', or restore the engine that held it.";

    public static string NoEngine(object kek, string said)
        => $"There is no transit engine for '{kek}'{said}. Correct the mount and the namespace, or enable the engine.";

    public static string KeyNotSuitable(object kek, string why)
        => $"The transit key of '{kek}' cannot wrap keys with their context ({why}). Use a key of type 'aes256-gcm96' that is not derived.";

    public static string VersionTooOld(object kek)
        => $"The version of '{kek}' that wrapped the key is below 'min_decryption_version'. Lower that to let it be unwrapped and rewrapped.";

    public static string WrappedKeyRefused(object kek)
        => $"The wrapped key does not open under '{kek}'. It was altered, or is bound to another encryption context.";

    public static string Sealed(object kek)
        => $"The Vault of '{kek}' is sealed. Unseal it.";

    public static string Throttled(object kek, string said)
        => $"The Vault of '{kek}' asks to slow down{said}. Retry later, or raise its rate limit quota.";

    public static string Unavailable(object kek, int status, string said)
        => $"The Vault of '{kek}' could not serve the request ({status}{said}). Retry, or look at the server and what is in front of it.";

    public static string Redirected(object kek, int status)
        => $"The Vault of '{kek}' sends requests on to another address ({status}). Give the address of the active node, or of a load balancer.";

    public static string Refused(object kek, int status, string said)
        => $"Vault refused the request for '{kek}' ({status}{said}). Look at the mount, the key's type and the server's version.";

    public static string NotVault(object kek)
        => $"The answer for '{kek}' is not one of Vault's. Look at the address, and at proxies in front of it.";

    public static string ForeignKek(object kek)
        => $"The key is wrapped under '{kek}', which is not a key of a transit engine. Configure the KMS that holds it.";
}
