namespace EfEnvelope.Kms.GoogleCloud;

// Every text a user of Google Cloud KMS can meet, in three beats: what, whose, how to mend. Never a token, never key bytes.
internal static class GoogleKmsMessages
{
    public static string MalformedKeyName(string? name)
        => $"'{name}' is not the name of a key of Google Cloud KMS. Use 'projects/…/locations/…/keyRings/…/cryptoKeys/…', without a version: Google picks the "
            + "primary one.";

    public static string MalformedBaseAddress(Uri address)
        => $"'{KmsHttpOptions.Show(address.OriginalString)}' is not an address of Google Cloud KMS. Give an absolute 'https://' address without a user and a query; plain 'http://' is for loopback only.";

    public static string OtherUniverse(string universe, string? named, string variable)
        => named is null
            ? $"'{universe}', the universe of the Google credentials, is not a domain. Correct 'universe_domain' in them."
            : $"The Google credentials are of the universe '{universe}', but '{variable}' names '{named}'. Nothing was sent. Make both the same.";

    public static string MalformedTimeout(TimeSpan timeout)
        => $"The 'Timeout' of Google Cloud KMS is {timeout}. Use more than zero and at most 10 minutes.";

    public static string MalformedMaxRetries(int retries)
        => $"The 'MaxRetries' of Google Cloud KMS are {retries}. Use 0 to 10.";

    public static string ForeignKek(object kek)
        => $"The key is wrapped under '{kek}', which is not a key of Google Cloud KMS. Configure the KMS that holds it.";

    public static string TransportFailed(object kek)
        => $"The transport for '{kek}' failed with an exception that is not a 'KmsException'. See the inner exception, and let the transport throw what "
            + "'GoogleCloudKms.CreateException(…)' makes.";

    public static string NotUnderstood(object kek)
        => $"What answered for '{kek}' did not answer as Google Cloud KMS does. Look at 'BaseAddress' and at proxies on the way.";

    public static string Damaged(object kek)
        => $"A request or an answer about '{kek}' was damaged on its way: its checksum differs. Retry; if it stays so, look at proxies on the way.";

    // Credentials.

    public static string NoCredentials()
        => "There are no application default credentials for Google Cloud KMS. Set 'GOOGLE_APPLICATION_CREDENTIALS', run "
            + "'gcloud auth application-default login', attach a service account to the workload, or pass a credential.";

    public static string NoToken(string? error)
        => $"The credentials for Google Cloud KMS got no access token ({error ?? "no reason given"}). Look at the service account or the login, and at the clock of this "
            + "machine.";

    public static string TokenServerUnavailable()
        => "The server that gives access tokens for Google Cloud KMS failed. Retry, or look at the network path to it.";

    // What the service refused.

    public static string Unauthenticated(object kek)
        => $"Google Cloud KMS does not accept the access token for '{kek}'. Look at the credentials: they may be revoked, or their token has not the scope "
            + "'https://www.googleapis.com/auth/cloudkms'.";

    public static string AccessDenied(object kek, string permission, string role)
        => $"The caller may not use '{kek}', or it does not exist. Grant '{permission}' on the key, which is in '{role}', or correct the name.";

    public static string ServiceDisabled(object kek)
        => $"The Cloud KMS API, or billing, is disabled in the project that is charged for '{kek}'. Enable 'cloudkms.googleapis.com' there, or set 'QuotaProject'.";

    public static string NotFound(object kek)
        => $"There is no key '{kek}' in Google Cloud KMS. Correct its name, or create it: it is never made on its own.";

    public static string Disabled(object kek)
        => $"A version of '{kek}' that is needed is not enabled. Enable it in Google Cloud KMS if it may be used again.";

    public static string DestroyScheduled(object kek)
        => $"A version of '{kek}' that is needed is scheduled for destruction. Restore it in Google Cloud KMS, then enable it, before its time comes.";

    public static string Destroyed(object kek)
        => $"A version of '{kek}' that is needed was destroyed. What it wrapped opens only from a copy under another KEK; for new keys make another version primary.";

    public static string OtherPurpose(object kek)
        => $"The key '{kek}' is not for symmetric encryption. Name one of the purpose 'ENCRYPT_DECRYPT'.";

    public static string Refused(object kek)
        => $"The wrapped key does not open under '{kek}'. It was altered, was wrapped under another key, or is bound to another encryption context.";

    public static string InvalidRequest(object kek, string status)
        => $"Google Cloud KMS refused a request about '{kek}' with '{status}'. Look at the key's purpose and location, and at 'BaseAddress'.";

    public static string Throttled(object kek)
        => $"Google Cloud KMS asks to slow down for '{kek}'. Retry later, or raise the quota of the project that calls it.";

    public static string Unavailable(object kek)
        => $"Google Cloud KMS failed on its side for '{kek}'. Retry; its state is at 'https://status.cloud.google.com'.";

    public static string TimedOut(object kek)
        => $"Google Cloud KMS did not finish a request about '{kek}' in time. Retry, or look at its state at 'https://status.cloud.google.com'.";
}
