namespace EfEnvelope.Kms.Aws;

// Every text a user of AWS KMS can meet, in three beats: what, whose, how to mend. Never a key, a credential, or the service's own text, which may
// quote a request with its session token.
internal static class AwsKmsMessages
{
    public static string MalformedKeyId(string? keyId)
        => $"'{keyId}' is not the name of a key in AWS KMS. Give a key ARN, a key id, 'alias/' and a name, or an alias ARN.";

    public static string MalformedRegion(string region)
        => $"'AwsKmsOptions.Region' is '{region}', which is not a region. Give its name, such as 'eu-central-1'.";

    public static string MalformedAddress()
        => "'AwsKmsOptions.BaseAddress' is not an address of a service. Give an absolute https URI without a user or a query; plain http is for loopback only, because keys pass.";

    public static string OptionOutOfRange(string option, object value, string range)
        => FormattableString.Invariant($"'AwsKmsOptions.{option}' is {value}. It must be {range}.");

    public static string Faults(IEnumerable<string> faults) => string.Join(' ', faults);

    public static string NoRegion(object kek)
        => $"No region is known for '{kek}'. Set 'AwsKmsOptions.Region' or 'AWS_REGION', or name the key by its ARN.";

    public static string ForeignKek(object kek)
        => $"The key is wrapped under '{kek}', which is not a key of AWS KMS. Configure the KMS that holds it.";

    public static string ForeignRegion(object kek, string region, string own)
        => $"The key is wrapped under '{kek}' in '{region}', but the client is one of '{own}'. Configure the KEK of that region too.";

    public static string Unauthenticated(string whose, string? code, string? requestId)
        => $"AWS did not accept the credentials for '{whose}' ({Detail(code, requestId)}). Look at where they come from, whether they have expired, "
            + "and at the clock of this machine.";

    public static string NoCredentials(string whose)
        => $"The AWS SDK found no credentials for '{whose}'. Give this process a role, or set 'AwsKmsOptions.Credentials'; see the inner exception.";

    public static string AccessDenied(string whose, string permission, string? requestId)
        => $"The caller may not use '{whose}' ({Detail(null, requestId)}). Allow '{permission}' on this key in its key policy or in the caller's IAM policy, "
            + "and look for conditions on the encryption context.";

    public static string NotFound(string whose, string? region, string? requestId)
        => $"AWS KMS has no key '{whose}' in {(region is null ? "the client's region" : $"'{region}'")} ({Detail(null, requestId)}). "
            + "Correct its name, the region or the account.";

    public static string Disabled(string whose, string? requestId)
        => $"The key '{whose}' is disabled ({Detail(null, requestId)}). Enable it with 'aws kms enable-key' if it may be used again.";

    public static string PendingDeletion(string whose, string? requestId)
        => $"The key '{whose}' is scheduled for deletion ({Detail(null, requestId)}). Cancel that with 'aws kms cancel-key-deletion' while there is time, "
            + "then enable it; once it is deleted, what it wrapped is lost.";

    public static string Unusable(string whose, string? state, string? requestId)
        => $"The key '{whose}' cannot be used in its state '{state ?? "unknown"}' ({Detail(null, requestId)}). Import its material, or connect its key store, "
            + "or wait until it is ready.";

    public static string WrongKey(string whose, string? requestId)
        => $"The wrapped key was not made by '{whose}' ({Detail(null, requestId)}). Its record names another KEK than the one that wrapped it: find out who changed it.";

    public static string Refused(string whose, string? requestId = null)
        => $"The wrapped key does not open under '{whose}' ({Detail(null, requestId)}). It was altered, or is bound to another encryption context.";

    public static string NotUnderstood(string whose)
        => $"AWS KMS answered for '{whose}' in a form that is not its own. Look for a proxy or another server at its address; then retry.";

    public static string UnsafeEndpoint(KekUri kek)
        => $"The address for '{kek}' that the environment or a profile gives ('AWS_ENDPOINT_URL_KMS', 'AWS_ENDPOINT_URL', 'endpoint_url') is not https and not "
            + "of this machine, so data keys would be sent to it in clear. Give an https address, or 'BaseAddress'.";

    public static string NotVerified(string whose)
        => $"What AWS KMS wrapped under '{whose}' did not open to the same key, so it was not used. Try again; if it happens twice, look at what lies "
            + "between this process and the service.";

    public static string Throttled(string whose, string? code, string? requestId)
        => $"AWS KMS asks to slow down requests for '{whose}' ({Detail(code, requestId)}). Retry later, or ask for a higher request quota of the account.";

    public static string Unavailable(string whose, string? code, string? requestId)
        => $"AWS KMS cannot be reached for '{whose}', or failed on its side ({Detail(code, requestId)}). Retry, or look at the endpoint and the network path to it.";

    public static string TimedOut(string whose)
        => $"AWS KMS did not answer in time for '{whose}'. Retry, or look at the network path; the time is set by 'AwsKmsOptions.Timeout'.";

    public static string KeyUsage(string whose, string? requestId)
        => $"The key '{whose}' is not one that wraps ({Detail(null, requestId)}). Name a symmetric key with the usage 'ENCRYPT_DECRYPT'.";

    public static string InvalidRequest(string whose, string? code, string? requestId)
        => $"AWS KMS refused a request for '{whose}' ({Detail(code, requestId)}). See what the code means, and correct the key's name or the encryption context.";

    private static string Detail(string? code, string? requestId)
        => (code, requestId) switch
        {
            (null or "", null or "") => "no answer's id",
            (null or "", _) => $"request '{requestId}'",
            (_, null or "") => code,
            _ => $"{code}, request '{requestId}'",
        };
}
