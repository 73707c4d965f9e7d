namespace EfEnvelope.Kms.Azure;

// Every text a user of Azure Key Vault can meet, in three beats: what, whose, how to mend. Never a key or a token.
internal static class AzureMessages
{
    public static string MalformedKeyId(string? keyId)
        => $"'{keyId}' is not the identifier of a key. Give it as the portal shows it, without its version, such as 'https://clinic.vault.azure.net/keys/clinic'.";

    public static string VersionedKeyId(string? keyId)
        => $"The key identifier '{keyId}' ends with a version. Leave it out: the newest version wraps, and each copy records its own.";

    public static string MalformedApiVersion(string? version)
        => $"'AzureKeyVaultOptions.ApiVersion' is '{version}'. Give a version of the REST interface, such as '7.4'.";

    public static string MalformedScope(string scope)
        => $"'AzureKeyVaultOptions.Scope' is '{scope}'. Give an https scope, such as 'https://vault.azure.net/.default', or leave it out.";

    public static string MalformedHosts()
        => "'AzureKeyVaultOptions.OtherVaultHosts' holds what is neither a host nor a suffix. Give hosts such as 'clinic2.vault.azure.net', or suffixes such as '.vault.azure.net'.";

    public static string MalformedAddress()
        => "'AzureKeyVaultOptions.BaseAddress' is not an address of a vault. Give an absolute https URI without a user or a query.";

    public static string OptionOutOfRange(string option, object value, string range)
        => FormattableString.Invariant($"'AzureKeyVaultOptions.{option}' is {value}. It must be {range}.");

    public static string Faults(IEnumerable<string> faults) => string.Join(' ', faults);

    public static string ForeignKek(object kek)
        => $"The key is wrapped under '{kek}', which is not a key of Azure Key Vault. Configure the KMS that holds it.";

    public static string ForeignVault(object kek, object own)
        => $"The key is wrapped under '{kek}', which is in another vault than '{own}', so no token was sent there. If that vault is yours, add its host to "
            + "'AzureKeyVaultOptions.OtherVaultHosts'; otherwise find out who changed the record.";

    public static string NoVersion(object kek)
        => $"The copy under '{kek}' does not say which version of the key wrapped it. Its record was altered: restore it.";

    public static string NoVersionFromTransport(object kek)
        => $"The key transport of '{kek}' did not tell which version wrapped. Return the key identifier of the wrap result, which ends with the version.";

    public static string AlgorithmNeedsOwnPipeline(object kek)
        => $"The copy under '{kek}' was wrapped by A256GCM, which a key transport of your own does not offer. Configure the KEK with a credential.";

    public static string ForeignResource(object kek, string? resource)
        => $"The vault of '{kek}' asks for a token for '{resource}', which is not the domain it is in, so none was sent. Look at its address and at proxies on the way.";

    public static string TokenFailed(object kek)
        => $"No token could be had for '{kek}'. See the inner exception, and look at the credential that was given to 'UseAzureKeyVault(…)'.";

    public static string TokenUnavailable(object kek)
        => $"The service that issues tokens for '{kek}' cannot be reached. Retry, or look at the network path to it.";

    public static string Unauthenticated(object kek, string? code, string? requestId)
        => $"The vault did not accept the token for '{kek}' ({Detail(code, requestId)}). Look at the tenant of the credential and at the clock of this machine.";

    public static string AccessDenied(object kek, string permission, string? code, string? requestId)
        => $"The caller may not use '{kek}' ({Detail(code, requestId)}). Assign a role that allows '{permission}', such as 'Key Vault Crypto User', or, in a vault with "
            + "access policies, allow the key permission of that name.";

    public static string Firewall(object kek, string? code, string? requestId)
        => $"The firewall of the vault does not let this caller reach '{kek}' ({Detail(code, requestId)}). Add its network, or use a private endpoint.";

    public static string NotFound(object kek, string? requestId)
        => $"There is no key '{kek}' ({Detail(null, requestId)}). Correct its name or version; if it was deleted, recover it with 'az keyvault key recover'.";

    public static string Disabled(object kek, string? code, string? requestId)
        => $"The key '{kek}' is disabled, not yet valid, or expired ({Detail(code, requestId)}). Enable that version, or correct its dates, if it may be used again.";

    public static string PendingDeletion(object kek, string? code, string? requestId)
        => $"The key '{kek}' was deleted and is not purged yet ({Detail(code, requestId)}). Recover it with 'az keyvault key recover'; once it is purged, what it wrapped is lost.";

    public static string Refused(object kek, string? requestId = null)
        => $"The wrapped key does not open under '{kek}' ({Detail(null, requestId)}). It was altered, wrapped by another key, or is bound to another encryption context.";

    public static string Throttled(object kek, string? requestId)
        => $"The vault asks to slow down requests for '{kek}' ({Detail(null, requestId)}). Retry later, or spread its users over several vaults.";

    public static string Unavailable(object kek, string? code, string? requestId)
        => $"The vault of '{kek}' cannot be reached, or failed on its side ({Detail(code, requestId)}). Retry, or look at its address and the network path to it.";

    public static string TimedOut(object kek, string? requestId)
        => $"The vault of '{kek}' did not answer in time ({Detail(null, requestId)}). Retry, or look at the network path to it.";

    public static string InvalidRequest(object kek, string? code, string? requestId)
        => $"The vault refused a request for '{kek}' ({Detail(code, requestId)}). See what the code means; wrapping needs an RSA key of 2048 bits or more in a vault, "
            + "or an AES key of 256 bits in a Managed HSM.";

    public static string UnknownAnswer(object kek, string? requestId)
        => $"The vault of '{kek}' gave an answer that cannot be read ({Detail(null, requestId)}). Look at what lies between this process and the vault.";

    private static string Detail(string? code, string? requestId)
        => (code, requestId) switch
        {
            (null or "", null or "") => "no answer's id",
            (null or "", _) => $"request '{requestId}'",
            (_, null or "") => code,
            _ => $"{code}, request '{requestId}'",
        };
}
