namespace EfEnvelope.Diagnostics;

// Every text a user can meet, in one place and in three beats: what, whose, how to mend. Never a value, never key bytes.
internal static partial class Messages
{
    public static string MalformedKekUri(string? value)
        => $"'{value}' is not a KEK URI. It names a provider and a key, such as 'local:clinic' or 'aws-kms:alias/clinic'.";

    public static string MalformedEncryptionContext(string? name)
        => $"The encryption context pair '{name}' is empty, has no value, or occurs twice. Give each name once, with a value.";

    public static string WrappedKeyWithoutCopy()
        => "A wrapped key needs at least one copy. Give one per KEK.";

    public static string MalformedWrappedKey()
        => "The stored form of a wrapped key could not be read. It was altered or written by something else; restore the row from a backup.";

    public static string NoKmsForKek(IEnumerable<string> keks, IEnumerable<string> configured)
        => $"The key is wrapped under '{string.Join("', '", keks)}', but only '{string.Join("', '", configured)}' is configured. "
            + "Configure the KMS that holds one of these KEKs.";

    public static string KekConfiguredTwice(object kek)
        => $"The KEK '{kek}' is configured twice, so the second could not stand in for the first. Give the key of each KMS a name of its own.";

    public static string IntermediateRefused(object kek)
        => $"A data key does not unwrap under '{kek}': what is stored of it was altered, or is another version's. Restore the key table from a backup, and find out who changed it.";

    public static string IntermediateMissing(object version)
        => $"Intermediate key '{version}', under which data keys are wrapped, is not in the key store. Restore its row from a backup, and find out who removed it.";

    public static string MalformedRecoveryKey(int bits)
        => $"The recovery key is not an unencrypted RSA key of at least {bits} bits in PEM form. Give its public key; make one with 'openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096'.";

    public static string OtherRecoveryKey(object kek, object own)
        => $"A key was wrapped under '{kek}', but the recovery key that is configured is '{own}'. Give the private key that belongs to the former.";

    public static string RecoveryKeyIsOffline(object kek)
        => $"'{kek}' is an offline recovery key: only its public half is configured here, so it wraps and cannot unwrap. To recover, configure its private key.";

    public static string RecoveryCopyRefused(object kek)
        => $"A key does not unwrap under '{kek}': it was altered, or is bound to another encryption context. Restore the key table from a backup, and find out who changed it.";

    public static string ScopeShredded(object scope)
        => $"Every key of scope '{scope}' was destroyed, so what it encrypted is lost for good, and nothing is written under it. Use another scope.";

    public static string KeyNotWrappable(object kek, int size, int minimum, int maximum)
        => $"A key of {size} bytes cannot be wrapped under '{kek}'. Give {minimum} to {maximum} bytes.";

    public static string KmsTimedOut(object kek, TimeSpan timeout)
        => $"The key management service of '{kek}' did not answer within {timeout}. Retry, or look at its network path; the time is set by 'Timeout'.";

    public static string KmsNeverAnswered(object kek, TimeSpan timeout)
        => $"The key management service of '{kek}' did not answer within {timeout}, its retries included. Look at its network path, or at what wraps the keys; the time is set by 'EnvelopeOptions.KmsTimeout'.";

    public static string KmsGaveUp(object kek)
        => $"The key wrapper of '{kek}' gave up a request by a time-out of its own. Retry, or look at the network path and at the time-out of its client.";

    public static string NoPoolThreadForKms(object kek)
        => $"A synchronous call waits for the key management service of '{kek}', which needs a thread of the pool, and none was free for a second: all of them may be callers that wait for the same keys. Load the keys when the application starts, by 'AddEnvelopeWarmUp<TContext>()' or 'Database.LoadEnvelopeKeysAsync()', or call asynchronously.";

    public static string NoPoolThread()
        => "A synchronous call waits for keys that an asynchronous one is loading, which needs a thread of the pool, and none was free for a second. Load the keys when the application starts, by 'AddEnvelopeWarmUp<TContext>()' or 'Database.LoadEnvelopeKeysAsync()', or call asynchronously.";

    public static string KmsUnreachable(object kek)
        => $"The key management service of '{kek}' cannot be reached. Retry, or look at its address and the network path to it.";

    public static string KeyWrapperFailed(object kek)
        => $"The key wrapper of '{kek}' failed with an exception that is not a 'KmsException'. See the inner exception, and mend the wrapper or what it calls.";

    public static string NoKmsConfigured()
        => "No key management service is configured. Call a provider such as 'UseLocalKms(…)' inside 'UseEnvelopeEncryption(…)'.";

    public static string MalformedScope(string? scope)
        => $"'{scope}' is not a key scope. Use 1 to 200 letters, digits and '.', '_', '/', '-', starting with a letter or digit.";

    public static string OptionOutOfRange(string option, object? value, string range)
        => FormattableString.Invariant($"'EnvelopeOptions.{option}' is {value}. It must be {range}.");

    public static string ActivationDelayTooShort(TimeSpan delay, TimeSpan interval)
        => FormattableString.Invariant($"The activation delay is {delay}, but instances use what they have loaded for {interval} ('EnvelopeOptions.RefreshInterval'), so some would miss what is written under the new version. Give at least that, or zero where one process uses the database.");

    public static string KeyVersionDestroyed(object version)
        => $"Key version '{version}' was destroyed, and what it encrypted is gone for good.";

    public static string KeyVersionDisabled(object version)
        => $"Key version '{version}' is disabled, so what it encrypted cannot be read for now. Enable it to read it again.";

    public static string KeyVersionNotUnwrapped(object version)
        => $"Key version '{version}' could not be unwrapped by its KMS. Nothing was written. See the inner exception, mend the KMS or the access to it, and retry.";

    public static string WrappedKeyDoesNotOpen(object version)
        => $"The wrapped key of '{version}' does not open. It was altered, moved from another scope or version, or belongs to another KMS. Restore its row from a backup.";

    public static string CommitmentDiffers(object version)
        => $"The unwrapped key of '{version}' is not the key that was stored: its commitment differs. The key store or the KMS was tampered with; restore the row from a backup.";

    public static string NoVersionNumberLeft(object version)
        => $"No version can follow '{version}', whose number is the highest there is. Versions count up one by one, so its row was altered or written by something else; restore the key store from a backup.";

    public static string NewVersionNotReadBack(object version)
        => $"Key version '{version}' was stored but could not be read back. Nothing was encrypted under it. Check the key store's table, and retry.";

    public static string NewVersionNotWrapped(object version)
        => $"A data key for '{version}' could not be wrapped by the KMS. Nothing was written. See the inner exception, mend the KMS or the access to it, and retry.";

    public static string NoPrimary(object scope)
        => $"No key version of scope '{scope}' may encrypt now. Nothing was written. Enable a version, or mend the KMS named in the inner exception, and retry.";

    public static string RingTooOld(object scope, TimeSpan age)
        => $"The key ring of scope '{scope}' could not be refreshed for {age}, so its keys may no longer be used. Mend what the inner exception names, and retry.";

    public static string RingMustNotWrite(object scope)
        => $"The key ring of scope '{scope}' is past its time and the key store cannot be read, so nothing may be written under it. Mend what the inner exception names, and retry.";

    public static string RingMustNotSearch(object scope)
        => $"The key ring of scope '{scope}' is past its time and the key store cannot be read, so a search could miss rows under a version that it does not know. Mend what the inner exception names, and retry.";

    public static string NoSearchVersion(object scope)
        => $"No key version of scope '{scope}' may write values that are compared. Nothing was written. Enable its first version again, or rotate with 'includeSearch'.";

    public static string TooManySearchVersions(object scope, int count, int limit)
        => $"{count} key versions of scope '{scope}' are live in searches, but a query looks under {limit}, so it would miss rows. Run 'efenvelope reindex', then 'efenvelope keys retire' with the oldest, until {limit} are left.";

    public static string SearchStillRotating(object scope, int limit)
        => $"{limit} key versions of scope '{scope}' are live in searches already, the most that a query looks under. Nothing was changed. Run 'efenvelope reindex', then 'efenvelope keys retire' with the older one; or rotate without 'includeSearch' (in the tool '--include-search'), which leaves what is compared as it is.";

    public static string KeyVersionUnknown(object version)
        => $"There is no key version '{version}' in the key store. Nothing was changed. List the versions with 'efenvelope keys list', and check the database and the scope.";

    public static string KeyVersionLost(object version, string trace)
        => $"Key version '{version}' is not in the key store, but {trace}, so its row was lost, and a new key must not take its number. Nothing was written. Restore the rows of '__EnvelopeKeys' from a backup; if the values are lost for good, delete them and the rows of the scope in '__EnvelopeUsage', and retry.";

    public static string KeyVersionChanging(object version)
        => $"Key version '{version}' was changed by others again and again while it was to be changed here. Nothing was changed. Let one work on it at a time, and retry.";

    public static string KeyVersionStillEncrypts(object version)
        => $"Key version '{version}' encrypts new values, or is the one that is going to. Nothing was changed. Run 'efenvelope keys rotate' first, and wait until the new version has taken over.";

    public static string KeyVersionStillSearched(object version)
        => $"Queries look under key version '{version}', so they would fail without it. Nothing was changed. Run 'efenvelope reindex' under a newer one, then 'efenvelope keys retire'.";

    public static string KeyVersionStillWritten(object version, DateTimeOffset until)
        => FormattableString.Invariant($"Instances whose key ring is older may still write under key version '{version}', until {until:u} by the database's clock. It was not retired. Wait until then, run 'efenvelope reencrypt' for what was written meanwhile, and retry.");

    public static string KeyVersionNotRetired(object version)
        => $"Key version '{version}' is not retired, so rows may need it. Nothing was destroyed. Run 'efenvelope keys retire' first, which proves that none does.";

    public static string KeyVersionRetiredTooRecently(object version, DateTimeOffset retiredAt, DateTimeOffset until)
        => FormattableString.Invariant($"Key version '{version}' was retired at {retiredAt:u}, and may be destroyed from {until:u} on, by the database's clock. Nothing was destroyed. Wait until then, so that no backup needs it, and retry.");

    public static string KeyVersionNotSearched(object version)
        => $"Key version '{version}' writes nothing that is compared. Nothing was changed. Rotate with 'includeSearch' to make one that does.";

    public static string KeyVersionNotKnownYet(object version, DateTimeOffset until)
        => FormattableString.Invariant($"Instances whose key ring is older may not know key version '{version}' until {until:u} by the database's clock, and write rows without their second value under it. Nothing was changed. Wait until then, run 'efenvelope reindex' again, and retry.");

    public static string OnlySearchVersion(object version)
        => $"What is compared is written under key version '{version}', and no newer one takes over. It was not retired. Rotate with 'includeSearch', run 'efenvelope reindex', and retry.";

    public static string NotReindexed(object version, object successor)
        => $"What unique indexes compare is written under key version '{version}' until every row has its second value under '{successor}'. It was not retired. Run 'efenvelope reindex', and retry.";

    public static string RewrappedKeyDoesNotOpen(object version)
        => $"Key version '{version}' was wrapped anew, but the new form does not open to its key. The stored form is as it was. See the inner exception, mend the KMS or the access to it, and retry.";

    public static string RotatedMeanwhile(object version)
        => $"'{version}' was made by somebody else at the same moment, for encryption only. Retry.";

    public static string BudgetDebtTooLarge(object version, string field, long limit)
        => $"One transaction encrypts more than {limit} values of '{field}' under '{version}'. Commit in smaller transactions.";

    public static string BudgetExhausted(object version, string field)
        => $"'{version}' has encrypted 2^32 values of '{field}', the most that is safe. Nothing was written. Rotate the key of its scope.";

    public static string NotAnEnvelope(string field)
        => $"Column '{field}' holds a value that is not an envelope. The row was written outside EfEnvelope, or altered; save it again through EF Core, or restore it.";

    public static string UnknownAlgorithm(string field, int algorithm)
        => $"Column '{field}' holds an envelope of algorithm {algorithm}, which this version does not know. It was altered, or written by a newer version of EfEnvelope; update EfEnvelope.";

    public static string UnknownKeyVersion(string field, string scope, uint number)
        => $"Column '{field}' holds an envelope under key version {number}, which scope '{scope}' does not have. Either the value belongs to another scope ('UseScope'), or the key row was lost (restore '__EnvelopeKeys' from a backup), or the value was altered.";

    public static string DecryptionFailed(string field, object version)
        => $"'{field}' could not be decrypted under '{version}'. Either the column or its table was renamed without a migration (keep the former name with 'Context'), or the value belongs to another key scope ('UseScope'), or it was altered, or copied from another column (restore it from a backup).";

    public static string BelongsToOtherScope(string field, object scope, object owner)
        => $"A value of '{field}' belongs to key scope '{owner}', but this context uses '{scope}', so it was not decrypted. Read it with a context that calls 'UseScope(\"{owner}\")', or filter the rows of other scopes out; if it should belong to '{scope}', find out who copied it.";

    public static string WrongPlaintextSize(string field, string type)
        => $"Column '{field}' was decrypted, but its content is not a '{type}'. It was written by another version of the application; give the property the type it was written with.";

    public static string BlindIndexOfJson(string property)
        => $"'{property}' has a blind index but is stored as JSON, whose bytes serve no comparison. Remove the index, or keep what is searched for in a property of a plain type.";

    public static string BlindIndexNormalizesNoText(string property, string type, object normalization)
        => $"The blind index of '{property}' normalizes by '{normalization}', but its values are '{type}', not text. Use 'Normalization.Exact', or make the property a 'string'.";

    public static string BlindIndexProjectsNoText(string property, string type, object projection)
        => $"The blind index of '{property}' holds the '{projection}' characters, but its values are '{type}', not text. Use 'BlindIndexProjection.Whole', or make the property a 'string'.";

    public static string BlindIndexNeedsCharacters(string property, object projection, int characters)
        => $"The blind index of '{property}' holds the '{projection}' characters, and 'Characters' is {characters}. Set it to how many, 1 or more.";

    public static string BlindIndexOfWholeCountsCharacters(string property, int characters)
        => $"The blind index of '{property}' holds the whole value, but 'Characters' is {characters}. Remove it, or set 'Projection' to 'First' or 'Last'.";

    public static string BlindIndexOptionUnknown(string property, string option, int value)
        => $"The blind index of '{property}' has {value} as its '{option}', which has no meaning. Use a named value of the enumeration.";

    public static string BlindIndexLength(string property, int length, int min, int max)
        => $"The blind index of '{property}' keeps {length} bytes of the hash. Set 'Length' to {min} to {max}: fewer are equal by chance too often, and there are no more.";

    public static string BlindIndexSearchLength(string field, object projection, int characters)
        => $"The blind index of '{field}' holds the '{projection}' {characters} characters after normalization, so it can tell of no start or end with more or fewer. "
            + $"Search with exactly {characters}, or call 'AsEnumerable()' to filter in memory.";

    public static string PlatformDoesNotNormalize(string name, object normalization)
        => $"The blind index of '{name}' normalizes by '{normalization}', but this process does not normalize Unicode, as in globalization-invariant mode, so it would miss what other hosts wrote. "
            + "Install ICU, set 'InvariantGlobalization' to 'false' and unset 'DOTNET_SYSTEM_GLOBALIZATION_INVARIANT', or use 'Normalization.Exact' or 'Normalization.DigitsOnly'.";

    public static string KeyWasDropped(object version)
        => $"Key version '{version}' was dropped while it was in use. Nothing was written. Retry.";

    public static string InvalidUnicode(string field)
        => $"The value for '{field}' is not valid Unicode (it has half of a surrogate pair), so it cannot be encrypted without loss. Mend the text, or make the property a 'byte[]'.";
}
