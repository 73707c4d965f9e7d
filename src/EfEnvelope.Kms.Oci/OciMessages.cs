namespace EfEnvelope.Kms.Oci;

// Every text a user of OCI Vault can meet, in three beats: what, whose, how to mend. Never a token, a pass phrase or key bytes.
internal static class OciMessages
{
    public static string MalformedKeyId(string? keyId)
        => $"'{keyId}' is not the OCID of a key of OCI Vault. Use 'ocid1.key.…', as the console shows it; not the OCID of a vault or of a key version.";

    public static string MalformedEndpoint(string? address)
        => $"'{KmsHttpOptions.Show(address)}' is not an endpoint of OCI Vault. Give the vault's 'https://…-crypto.kms.….oraclecloud.com' or '…-management.kms…' without a user and a path; plain "
            + "'http://' is for loopback only.";

    public static string MalformedTimeout(TimeSpan timeout)
        => $"The 'Timeout' of OCI Vault is {timeout}. Use more than zero and at most 10 minutes.";

    public static string MalformedMaxRetries(int retries)
        => $"The 'MaxRetries' of OCI Vault are {retries}. Use 0 to 10.";

    public static string MalformedProfile()
        => "The 'Profile' of OCI Vault is empty. Name one of the configuration file, such as 'DEFAULT'.";

    public static string ForeignKek(object kek)
        => $"The key is wrapped under '{kek}', which is not a key of OCI Vault. Configure the KMS that holds it.";

    public static string TransportFailed(object kek)
        => $"The transport for '{kek}' failed with an exception that is not a 'KmsException'. See the inner exception, and let the transport throw what "
            + "'OciVault.CreateException(…)' makes.";

    public static string NotUnderstood(object kek)
        => $"What answered for '{kek}' did not answer as OCI Vault does. Look at the endpoint, at 'BaseAddress' and at proxies on the way.";

    // Credentials.

    public static string NoConfigFile(string file)
        => $"The OCI configuration file '{file}' cannot be read. Make one with 'oci setup config', name it in 'ConfigFile' or 'OCI_CONFIG_FILE', or pass a signer.";

    public static string NoProfile(string file, string profile)
        => $"The OCI configuration file '{file}' has no profile '{profile}'. Correct 'Profile', or add it with 'oci setup config'.";

    public static string NoEntry(string file, string profile, string entry)
        => $"The profile '{profile}' in the OCI configuration file '{file}' has no '{entry}'. Add it, or name another profile.";

    public static string NoFile(string profile, string entry, string path)
        => $"The file '{path}', which '{entry}' of the profile '{profile}' names, cannot be read. Correct the path, or let this process open it.";

    public static string MalformedPrivateKey(string source)
        => $"The private key in {source} cannot be read. Give an RSA key in PEM and its pass phrase, if it has one; a key of the old form with 'Proc-Type' is converted "
            + "by 'openssl pkcs8 -topk8 -v2 aes-256-cbc'.";

    public static string NoResourcePrincipal(string variable, string? value)
        => $"'{variable}' is {(value is null ? "not set" : $"'{value}'; only version 2.2 of resource principals is supported")}. OCI "
            + "sets it for functions and other resources that have a principal: run there, or sign with a configuration file or the "
            + "principal of an instance.";

    public static string NoPrincipalFile(string variable, string path)
        => $"The file '{path}', which '{variable}' names, cannot be read. Let this process open it, or look at the service that writes it.";

    public static string NoMetadata(string path, int status)
        => $"The metadata service of this machine does not give '{path}' ({status}). Only compute instances of OCI have the principal of "
            + "an instance: run there, or sign with a configuration file.";

    public static string PrincipalUnavailable()
        => "The principal of this instance did not get a token: the metadata service of the machine or OCI's authentication service did "
            + "not answer. Retry. Only compute instances of OCI have such a principal; elsewhere, sign with a configuration file.";

    public static string PrincipalRefused(int status)
        => $"OCI's authentication service did not give a token to the principal of this instance ({status}). Look at the clock of this "
            + "machine, which may be 5 minutes off at most, and at the instance's certificate.";

    public static string PrincipalNotUnderstood(string what)
        => $"The answer to '{what}', which the principal of this instance needs, is not one of OCI's. Look at proxies and at what else "
            + "answers at the metadata address.";

    public static string SignerFailed()
        => "The signer of requests to OCI Vault failed. See the inner exception, and mend the signer or its credentials.";

    // What the service refused.

    public static string Unauthenticated(object kek, string? requestId)
        => $"OCI Vault does not accept the signature of a request about '{kek}'{Of(requestId)}. Look at the user, the fingerprint and the key of the profile, at the "
            + "session's age, and at the clock of this machine, which may be 5 minutes off at most.";

    public static string AccessDenied(object kek, string? requestId)
        => $"The caller may not do this with '{kek}'{Of(requestId)}. Write a policy such as 'allow group … to use keys in compartment … where target.key.id = …'.";

    public static string NotFoundOrDenied(object kek, string permission, string? requestId)
        => $"There is no key '{kek}' at this endpoint, or the caller has not '{permission}'; OCI does not tell which{Of(requestId)}. Correct the OCID and the endpoint, "
            + "or write a policy such as 'allow group … to use keys in compartment … where target.key.id = …'.";

    public static string NoOperation(object kek, string? requestId)
        => $"The endpoint that was asked for '{kek}' knows no such operation{Of(requestId)}. Give the vault's cryptographic endpoint, and its management endpoint in "
            + "'ManagementEndpoint'.";

    public static string Disabled(object kek, string? requestId)
        => $"The key '{kek}' is not enabled{Of(requestId)}. Enable it in OCI Vault if it may be used again.";

    public static string PendingDeletion(object kek, string? requestId)
        => $"The key '{kek}' is scheduled for deletion{Of(requestId)}. Cancel the deletion in OCI Vault before its time comes.";

    public static string Deleted(object kek)
        => $"The key '{kek}' was deleted. What it wrapped opens only from a copy under another KEK, or from a backup of the key.";

    public static string Refused(object kek, string? requestId)
        => $"The wrapped key does not open under '{kek}'{Of(requestId)}. It was altered, was wrapped under another key, or is bound to another encryption context.";

    public static string InvalidRequest(object kek, string code, string? requestId)
        => $"OCI Vault refused a request about '{kek}' with '{code}'{Of(requestId)}. Look at the key's algorithm, which must be AES, and at the endpoint.";

    public static string Throttled(object kek, string? requestId)
        => $"OCI Vault asks to slow down for '{kek}'{Of(requestId)}. Retry later, or ask for a higher limit.";

    public static string Unavailable(object kek, string? requestId)
        => $"OCI Vault failed on its side for '{kek}'{Of(requestId)}. Retry; its state is at 'https://ocistatus.oraclecloud.com'.";

    public static string TimedOut(object kek, string? requestId)
        => $"OCI Vault did not finish a request about '{kek}' in time{Of(requestId)}. Retry, or look at its state at 'https://ocistatus.oraclecloud.com'.";

    private static string Of(string? requestId) => requestId is null ? "" : $" (opc-request-id {requestId})";
}
