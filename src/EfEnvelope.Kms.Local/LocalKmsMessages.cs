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
        => $"There is no KMS in '{file}'. Correct the path, restore the file from a backup, or make a new one with 'LocalKms.CreateAsync()'.";

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
        => $"The database '{store}' does not exist. Create it, or correct the connection string of the KMS.";

    public static string Damaged(string file)
        => $"The KMS '{file}' is damaged or was altered. Restore it from a backup.";

    public static string Busy(string file)
        => $"The KMS '{file}' is busy with another process. Try again, or raise 'Default Timeout' in the connection string of a SQLite file.";

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
        => $"'{file}' is sealed by '{string.Join("', '", kinds)}', not by '{kind}'. Configure the seal the file was created with.";

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

    // The KEKs and what they wrapped.

    public static string NoKey(string file, string key)
        => $"There is no KEK '{key}' in '{file}'. Correct its name, make it with 'LocalKms.CreateKeyAsync(\"{key}\")', or, to unwrap what it "
            + "wrapped, restore the file that held it.";

    public static string NoKeyVersion(string file, string key, uint version)
        => $"The KEK '{key}' in '{file}' has no version {version}. The file is older than the wrapped key; restore a later backup.";

    public static string KeyDisabled(string file, string key)
        => $"The KEK '{key}' in '{file}' is disabled. Enable it with 'LocalKms.EnableKeyAsync(\"{key}\")' if it may be used again.";

    public static string KeyVersionDisabled(string file, string key, uint version)
        => $"Version {version} of the KEK '{key}' in '{file}' is disabled. Enable it if it may be used again.";

    public static string KeyNotForWrapping(string file, string key, string purpose)
        => $"The key '{key}' in '{file}' is for '{purpose}', not for wrapping. Name another key.";

    public static string KeyLength(int length)
        => $"A key of {length} bytes cannot be wrapped by the embedded KMS. Give 16 to 64 bytes.";

    public static string ForeignKek(string kek)
        => $"The key is wrapped under '{kek}', which is not a KEK of an embedded KMS. Configure the KMS that holds it.";

    public static string WrappedUnderOtherKey(string file, string key)
        => $"The wrapped key was not made by the KEK '{key}' that is in '{file}'. If the KMS file was replaced, restore the former one.";

    public static string WrappedKeyRefused(string file, string key)
        => $"The wrapped key does not open under the KEK '{key}' in '{file}'. It was altered, or is bound to another encryption context.";
}
