using Microsoft.Data.Sqlite;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>Where a KMS lies: the full path of its file, and the connection string that opens it and never creates it.</summary>
internal sealed record LocalKmsFile(string Path, string ConnectionString, int TimeoutSeconds)
{
    private const int SmallestPage = 512;

    public static LocalKmsFile Parse(string connectionString)
    {
        ArgumentNullException.ThrowIfNull(connectionString);
        SqliteConnectionStringBuilder given;
        try
        {
            given = new SqliteConnectionStringBuilder(connectionString);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or OverflowException)
        {
            // What is wrong may be quoted from the string, which may hold a password: the cause is withheld.
            throw Malformed("it is not a SQLite connection string");
        }

        var source = given.DataSource;
        if (source.Length == 0)
            throw Malformed("'Data Source' is missing");
        if (source == ":memory:" || given.Mode == SqliteOpenMode.Memory)
            throw Malformed("keys in memory would be lost");
        if (source.StartsWith("file:", StringComparison.OrdinalIgnoreCase) || source.StartsWith("|DataDirectory|", StringComparison.OrdinalIgnoreCase))
            throw Malformed("'Data Source' is not a plain path");
        if (given.Mode == SqliteOpenMode.ReadOnly)
            throw Malformed("it is read-only");
        if (given.Password.Length > 0)
            throw Malformed("'Password' is not used; the file is sealed by a passphrase or a key file");
        if (given.DefaultTimeout < 1)
            throw Malformed("'Default Timeout' is in seconds, at least 1");

        // Not pooled by the driver: ConnectionPool releases the file, and notices another one in its place. Never creating, because a file
        // is made with mode 0600
        // by our own hand and unwrapping must not make one at all.
        var path = System.IO.Path.GetFullPath(source);
        var normalized = new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = SqliteOpenMode.ReadWrite,
            Pooling = false,
            DefaultTimeout = given.DefaultTimeout,
        };
        return new LocalKmsFile(path, normalized.ConnectionString, given.DefaultTimeout);
    }

    /// <summary>Whether there is a file with anything in it. An empty one is a KMS that is about to be made.</summary>
    /// <exception cref="KmsException">The file is shorter than any database.</exception>
    public bool Exists()
    {
        if (new FileInfo(Path) is not { Exists: true, Length: > 0 } file)
            return false;

        // SQLite takes what is shorter than its smallest page for an empty database, and would write a new one over the remains.
        if (file.Length < SmallestPage)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.NotAKms(Path));
        return true;
    }

    /// <summary>Gets what tells the file from another one in its place: when it was made.</summary>
    public DateTime Made() => File.GetCreationTimeUtc(Path);

    /// <summary>Makes an empty file that only its owner may use. SQLite gives its -wal and -shm files the same mode.</summary>
    public void CreateEmpty()
    {
        const UnixFileMode ownerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var options = new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite | FileShare.Delete,
        };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = ownerOnly;
        using var stream = new FileStream(Path, options);
        if (!OperatingSystem.IsWindows() && stream.Length == 0)
            File.SetUnixFileMode(stream.SafeFileHandle, ownerOnly);
    }

    private static ArgumentException Malformed(string reason)
        => new(LocalKmsMessages.MalformedConnectionString(reason), "connectionString");
}
