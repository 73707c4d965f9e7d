namespace EfEnvelope.Kms.Pkcs11;

// Every text a user of a token can meet, in three beats: what, whose, how to mend. Never a PIN, never key bytes.
internal static class Pkcs11Messages
{
    // Options.

    public static string EmptyModulePath()
        => "The path of the PKCS#11 module is empty. Give the file that came with the token, such as '/usr/lib/softhsm/libsofthsm2.so'.";

    public static string MalformedModuleParameters()
        => "'ModuleParameters' of the PKCS#11 module are empty, or have a zero character. Give the text that the module's manual asks "
            + "for, or leave them out.";

    public static string MalformedTokenLabel(string? label)
        => $"'{label}' is not the label of a token. Give 1 to 32 bytes of text, as 'pkcs11-tool --list-token-slots' shows it.";

    public static string MalformedKeyLabel(string? label)
        => $"'{label}' is not the label of a key object. Give 1 to 200 bytes of text, as 'pkcs11-tool --list-objects' shows it.";

    public static string NoPin(string token)
        => $"The token '{token}' has no PIN source. Set 'Pin', such as 'Pkcs11Pin.FromFile(\"/run/secrets/pin\")'.";

    public static string EmptyPin()
        => "The PIN of the token is empty. Give the PIN of the token's user, from a secret store or the environment.";

    public static string EmptyPinFile()
        => "The path of the file that holds the token's PIN is empty. Give a path, such as '/run/secrets/pin'.";

    public static string MaxSessionsOutOfRange(int value)
        => $"'MaxSessions' of a token is {value}. Set 1 to 1024, and no more than the token allows.";

    public static string TimeoutOutOfRange(TimeSpan value)
        => $"'Timeout' of a token is {value}. Set more than zero and at most an hour.";

    // The module and the token.

    public static string NoModule(string path)
        => $"The PKCS#11 module '{path}' could not be loaded. Correct the path, or install the token's software for this processor architecture.";

    public static string ModuleRefused(string path, string code)
        => $"The PKCS#11 module '{path}' did not start ({code}). Look at its own configuration and at its service.";

    public static string OtherModuleParameters(string path)
        => $"This process has started the PKCS#11 module '{path}' with other 'ModuleParameters', and a module is started once. Give all "
            + "of its tokens the same ones.";

    public static string NoToken(string token, string path)
        => $"The module '{path}' shows no token '{token}'. Connect it, correct its label, or look at the module's own configuration.";

    public static string TwoTokens(string token, string path)
        => $"The module '{path}' shows more than one token '{token}'. Give each its own label, so that no key is looked for on the wrong one.";

    public static string Closed(string token)
        => $"The client of the token '{token}' was disposed. Keep it as long as its keys are used.";

    public static string TimedOut(object kek, TimeSpan timeout)
        => $"The token of '{kek}' did not answer within {timeout}. Retry, or look at the token and its network path; the time is set by 'Timeout'.";

    public static string PinNotGiven(string token)
        => $"The PIN source of the token '{token}' gave no PIN. Look at the inner exception, or at the file or the delegate it comes from.";

    public static string PinRefused(string token, string code)
        => $"The token '{token}' refused the PIN ({code}). Give the right PIN of the token's user and start the process again: so as not to lock the token, a "
            + "refused PIN is not sent twice.";

    public static string PinLocked(string token, string code)
        => $"The PIN of the token '{token}' may not be used ({code}). Let the token's security officer set a new one.";

    public static string OtherUserLoggedIn(string token)
        => $"Another user than the token's own, such as its security officer, is logged in to '{token}' in this process. Log that one out.";

    // The KEKs and what they wrapped.

    public static string NoKey(object kek)
        => $"There is no AES key object for '{kek}'. Correct the label, make one with 'Pkcs11Kms.CreateKeyAsync(…)', or restore the token that held it.";

    public static string NoKeyVersion(object kek, string version)
        => $"'{kek}' has no AES key object with the id {version}. It was removed, or is on another token; restore it from the token's backup.";

    public static string KeyWithoutId(object kek)
        => $"A key object of '{kek}' has no id (CKA_ID), so what it wraps could not be found again. Set one with 'pkcs11-tool --set-id'.";

    public static string KeyNotUnique(object kek, string version)
        => $"'{kek}' has more than one key object with the id {version}. Give each its own id (CKA_ID), so that it is certain which one wraps.";

    public static string KeyNotPermitted(object kek, string code)
        => $"The key object of '{kek}' may not be used for this ({code}). Set its CKA_ENCRYPT and CKA_DECRYPT to true if it may be used again.";

    public static string KeyNotSuitable(object kek, string code)
        => $"The token cannot do AES-GCM with the key object of '{kek}' ({code}). Use an AES key, and a token that has the mechanism CKM_AES_GCM.";

    public static string Refused(object kek, string method, string code)
        => $"The token refused a request for '{kek}' ({method}: {code}). Look the code up in the token's manual.";

    public static string Unavailable(object kek, string method, string code)
        => $"The token of '{kek}' failed ({method}: {code}). Retry, or look at the token and its service.";

    public static string TooManySessions(object kek, string code)
        => $"The token of '{kek}' has no session left ({code}). Lower 'MaxSessions', or close other users' sessions.";

    public static string ReadOnly(object kek, string code)
        => $"The token does not let a key object be made for '{kek}' ({code}). Make it with the vendor's own tool: AES-256, sensitive, not extractable.";

    public static string CallFailed(object kek)
        => $"The call of the PKCS#11 module for '{kek}' failed. See the inner exception, and whether the module is made for this platform.";

    public static string ForeignKek(object kek, object own)
        => $"The key is wrapped under '{kek}', which is not on the token of '{own}'. Configure the KMS that holds it.";

    public static string WrappedKeyRefused(object kek)
        => $"The wrapped key does not open under '{kek}'. It was altered, or is bound to another encryption context.";
}
