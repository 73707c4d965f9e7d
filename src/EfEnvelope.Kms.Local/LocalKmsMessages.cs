namespace EfEnvelope.Kms.Local;

// Every text a user of the embedded KMS can meet, in three beats: what, whose, how to mend. Never a passphrase, never key bytes.
internal static class LocalKmsMessages
{
    public static string MalformedConnectionString(string? reason)
        => $"The connection string of the embedded KMS does not name a file of its own ({reason}). Give a path, such as 'Data Source=kms.db'.";

    public static string MalformedKeyName(string? name)
        => $"'{name}' is not the name of a KEK. Use 1 to 200 letters, digits and '.', '_', '/', '-', starting with a letter or digit.";

    public static string EmptyPassphrase()
        => "The passphrase of the embedded KMS is empty. Give the passphrase that seals the file, from a secret store or the environment.";

    public static string PassphraseNotUnicode()
        => "The passphrase of the embedded KMS is not valid Unicode text. Give whole characters, no half of a surrogate pair.";

    public static string EmptyKeyFilePath()
        => "The path of the key file that seals the embedded KMS is empty. Give a path, such as 'kms.key'.";

    // The file.

    public static string NoKms(string file)
        => $"'{file}' contains no KMS. Correct the path, restore the file from a backup, or create a new one with "
            + $"'LocalKms.CreateAsync()' or 'efenvelope kms keys create'.";

    public static string NoKmsForUnwrap(string file, string key)
        => $"There is no KMS in '{file}', so nothing wrapped under 'local:{key}' can be unwrapped. Correct the path, or restore the file "
            + "from a backup; a new file would hold another key.";

    public static string NoDirectory(string file)
        => $"The directory of '{file}' does not exist. Create it, or correct the path of the KMS.";

    public static string NotAKms(string file)
        => $"'{file}' is not a KMS file. Correct the path; the embedded KMS needs a file of its own.";

    public static string UnknownFormat(string file, int format, int known)
        => $"'{file}' is written in format {format} of the embedded KMS, but this version knows no later format than {known}. "
            + "Use the version of EfEnvelope.Kms.Local that wrote it, or a later one.";

    public static string UnknownProvider(string? provider)
        => $"The store of the embedded KMS is '{provider ?? "not relational"}'. Call 'UseNpgsql(…)' or 'UseSqlServer(…)', or give the connection string of a "
            + "SQLite file instead.";

    public static string NoDatabase(string store)
        => $"The database '{store}' does not exist, or the login may not open it. Create it, grant the login access to it, or correct "
            + $"the connection string of the KMS.";

    public static string Damaged(string file)
        => $"The KMS '{file}' is damaged or was altered. Restore it from a backup.";

    public static string AliasesAltered(string store, string key)
        => $"The aliases of the key '{key}' in '{store}' were changed outside the KMS, so a rule that names one of them would not apply. Restore the "
            + "store from a backup.";

    public static string Trapped(string store, string table)
        => $"'{table}' in '{store}' has a trigger or a rule, or is not an ordinary table, so the database could undo what the KMS writes. Drop what was "
            + "added to it, and look through 'efenvelope kms principals', 'policies' and 'grants' for what it changed.";

    public static string NotKept(string store, string table)
        => $"A change of '{table}' in '{store}' was undone by the database, so nothing was changed. Look for a trigger, a rule or another writer in the "
            + "database, remove it, and try again.";

    public static string Busy(string file)
        => $"The KMS '{file}' is busy with another process. Try again, or raise 'Default Timeout' in the connection string of a SQLite file.";

    public static string TextRefused(string store)
        => $"A text that was given is not one that '{store}' can hold. Give valid Unicode without the character 0.";

    public static string ContextLength(int length, int maximum)
        => $"An encryption context of {length} bytes is not taken, because each event of the audit trail holds it. Give one of up to {maximum} bytes.";

    public static string NotReachable(string file)
        => $"The KMS '{file}' could not be read or written. Check the disk or the server it is on, then try again.";

    public static string NoAccess(string file)
        => $"The KMS '{file}' may not be opened. Let this process read and write the file and its directory, or the database.";

    public static string Closed(string file)
        => $"The KMS '{file}' was disposed. Keep it as long as its keys are used.";

    // The seal.

    public static string WrongPassphrase(string file)
        => $"The passphrase does not open '{file}'. Give the passphrase the file was created with; if it is right, the file was altered: "
            + "restore it from a backup.";

    public static string WrongKeyFile(string file, string keyFile)
        => $"The key file '{keyFile}' does not open '{file}'. Give the key file the KMS was created with; if it is right, the KMS file was "
            + "altered: restore it from a backup.";

    public static string OtherSeal(string file, IEnumerable<string> kinds, string kind)
        => $"'{file}' is sealed by '{string.Join("', '", kinds)}', not by '{kind}'. Configure a seal that it has.";

    public static string WeakSeal(string file, int iterations, int minimum)
        => $"'{file}' asks for {iterations} iterations of PBKDF2, but at least {minimum} are ever written. The file was altered; restore it "
            + "from a backup.";

    public static string NoKeyFile(string keyFile)
        => $"The key file '{keyFile}' does not exist. Correct the path, restore it from a backup, or make one for a new KMS with "
            + "'LocalKmsSeal.CreateKeyFile(…)'.";

    public static string KeyFileExists(string keyFile)
        => $"The key file '{keyFile}' exists already and is left as it is. Use it with 'LocalKmsSeal.KeyFile(…)', or give another path.";

    public static string KeyFileTooOpen(string keyFile, string mode)
        => $"The key file '{keyFile}' may be used by others than its owner (mode {mode}). Run 'chmod 600' on it, and consider whether it has leaked.";

    public static string KeyFileMalformed(string keyFile)
        => $"'{keyFile}' is not a key file, which is 32 random bytes. Restore it from a backup, or correct the path.";

    public static string KeyFileUnreadable(string keyFile)
        => $"The key file '{keyFile}' could not be read or written. Let this process open it.";

    public static string KeyFileDirectoryMissing(string keyFile)
        => $"The directory of the key file '{keyFile}' does not exist. Create it, with access for the user of this process alone, or correct the path.";

    public static string WrongKeyWrapper(string store, KekUri kek)
        => $"The KEK '{kek}' does not open '{store}'. Configure the KEK that seals it; if it is right, the store was altered: restore it from a backup.";

    public static string SealGaveUp(KekUri kek)
        => $"The KMS of '{kek}', which seals the embedded KMS, did not answer in time. Retry, or look at the network path to it.";

    public static string NoSuchSeal(string store)
        => $"'{store}' has no such seal. See 'efenvelope kms seals list', or 'LocalKms.ListSealsAsync()', for those it has.";

    public static string LastSealStays(string store)
        => $"This is the last seal of '{store}', which nobody could open without it. Add another seal first.";

    // Backup and restore.

    public static string NotABackup()
        => "The stream is not a whole backup of an embedded KMS of a known version. Give the file that 'LocalKms.BackupAsync(…)' wrote.";

    public static string BackupRefused()
        => "The backup does not open: the passphrase is another one, or the file was altered. Nothing was restored; give the passphrase it was written with, or "
            + "an undamaged copy.";

    public static string StoreNotEmpty(string store)
        => $"There is a KMS in '{store}' already, and a backup is restored into an empty store alone. Name another store.";

    // The keys and what they wrapped.

    public static string NoKey(string file, string key)
        => $"'{file}' contains no KEK '{key}'. Correct its name, create it with 'LocalKms.CreateKeyAsync(\"{key}\")' or 'efenvelope kms "
            + $"keys create {key}', or, to unwrap what it "
            + "wrapped, restore the file that held it.";

    public static string NoKeyVersion(string file, string key, uint version)
        => $"The KEK '{key}' in '{file}' has no version {version}. The file is older than the wrapped key; restore a later backup.";

    public static string KeyDisabled(string file, string key)
        => $"The KEK '{key}' in '{file}' is disabled. Enable it with 'LocalKms.EnableKeyAsync(\"{key}\")' if it may be used again.";

    public static string KeyVersionDisabled(string file, string key, uint version)
        => $"Version {version} of the KEK '{key}' in '{file}' is disabled. Enable it if it may be used again.";

    public static string KeyForOtherPurpose(string store, string key, string purpose, string wanted)
        => $"The key '{key}' in '{store}' is for '{purpose}', not for '{wanted}'. Name another key.";

    public static string KeyPendingDeletion(string store, string key, DateTimeOffset at)
        => $"The key '{key}' in '{store}' is to be deleted at {at.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z and cannot be used. If it is still needed, call "
            + $"'LocalKms.CancelKeyDeletionAsync(\"{key}\")' and enable it before then.";

    public static string KeyDestroyed(string store, string key)
        => $"The key '{key}' in '{store}' was deleted, and what it wrapped is lost with it. Restore a backup from before, or use another key.";

    public static string NameOfDestroyedKey(string store, string key)
        => $"The name '{key}' in '{store}' belonged to a key that was deleted, and is not given away again. Choose another name.";

    public static string KeyOfOtherAlgorithm(string store, string key, string algorithm)
        => $"The key '{key}' in '{store}' exists already and is of the algorithm '{algorithm}'. Choose another name, or ask for that algorithm.";

    public static string KeyWasGenerated(string store, string key)
        => $"The key '{key}' in '{store}' was generated there, so no version can be imported into it. Import under another name.";

    public static string KeyWasImported(string store, string key)
        => $"The key '{key}' in '{store}' was imported, so it cannot be rotated by generating a version. Import the next version with "
            + "'LocalKms.ImportKeyAsync(…)'.";

    public static string NoVersion(string store, string key, int version)
        => $"The key '{key}' in '{store}' has no version {version}. See 'LocalKms.DescribeKeyAsync(\"{key}\")' for those it has.";

    public static string PrimaryVersionStays(string store, string key, int version)
        => $"Version {version} of the key '{key}' in '{store}' is the primary and cannot be disabled alone. Rotate the key first, or disable all of it.";

    public static string RotationPeriod()
        => "A key rotates by itself every 1 to 3,650 days. Give a period of that length, or null to rotate on demand alone.";

    public static string DeletionDays()
        => "A key is deleted after 7 to 30 days. Give a number of days in between.";

    public static string MalformedAlias(string? alias)
        => $"'{alias}' is not an alias. Use 'alias/' and a name after it, together at most 200 letters, digits and '.', '_', '/', '-'.";

    public static string AliasAsName(string name)
        => $"'{name}' is an alias, not the name of a key. Choose a name that does not start with 'alias/'.";

    public static string AliasIsAKey(string store, string alias)
        => $"'{alias}' is the name of a key in '{store}', from before there were aliases. Choose another alias.";

    public static string MalformedTag()
        => "A tag has a name of 1 to 128 characters and a value of up to 256, and a description has up to 1,000, all of "
            + "them valid Unicode without the character 0. Shorten or correct them.";

    public static string MalformedContinuation()
        => "The continuation token was not made by 'LocalKms.ListKeysAsync(…)'. Give back what the former page returned, or start anew without one.";

    public static string PageLimit()
        => "A page of keys holds 1 to 1,000. Give a limit in between.";

    public static string PlaintextLength(int length)
        => $"{length} bytes cannot be encrypted by a key of the embedded KMS. Give up to 4,096 bytes, or encrypt with a data key.";

    public static string DataKeyLength(int length)
        => $"A data key of {length} bytes cannot be made. Ask for 16 to 64 bytes.";

    public static string CiphertextRefused(string store, string key)
        => $"The ciphertext does not decrypt under the key '{key}' in '{store}'. It was altered, or is bound to another encryption context.";

    public static string EncryptedUnderOtherKey(string store, string key)
        => $"The ciphertext was not made by the key '{key}' that is in '{store}'. Name the key that encrypted it.";

    public static string ImportWrappingKeySize()
        => "The wrapping key of an import has 3,072 or 4,096 bits. Ask for one of the two.";

    public static string ImportTokenRefused(string store)
        => $"The import token is not known in '{store}': it was used, has expired, or belongs to another KMS. Get new parameters with "
            + "'LocalKms.GetImportParametersAsync()' and wrap the key again.";

    public static string ImportRefused(string store, string key)
        => $"What was given as the key '{key}' does not open in '{store}', or is no key of that algorithm. Wrap it as 'LocalKms.ImportKeyAsync(…)' describes, "
            + "with the wrapping key of the same token.";

    public static string KeyLength(int length)
        => $"A key of {length} bytes cannot be wrapped by the embedded KMS. Give 16 to 64 bytes.";

    public static string ForeignKek(string kek)
        => $"The key is wrapped under '{kek}', which is not a KEK of an embedded KMS. Configure the KMS that holds it.";

    public static string WrappedUnderOtherKey(string file, string key)
        => $"The wrapped key was not made by the KEK '{key}' that is in '{file}'. If the KMS file was replaced, restore the former one.";

    public static string WrappedKeyRefused(string file, string key)
        => $"The wrapped key does not open under the KEK '{key}' in '{file}'. It was altered, or is bound to another encryption context.";
}
