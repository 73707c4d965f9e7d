using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>Turns what the store throws into the one set of kinds.</summary>
internal static class StoreErrors
{
    private const int Error = 1, Perm = 3, Busy = 5, Locked = 6, ReadOnly = 8, IoError = 10, Corrupt = 11, CannotOpen = 14, Protocol = 15;
    private const int Mismatch = 20, Auth = 23, NotADatabase = 26, Constraint = 19, IoErrorShortRead = 522;

    // InvalidRequest: the file is no KMS of a known format. InvalidCiphertext: it is one, and is damaged or was altered.
    public static KmsException Map(Exception exception, string file) => exception switch
    {
        KmsException known => known,
        DbUpdateException { InnerException: SqliteException inner } => Map(inner, file),
        SqliteException sqlite => sqlite.SqliteErrorCode switch
        {
            Busy or Locked or Protocol => new KmsException(KmsErrorKind.Unavailable, LocalKmsMessages.Busy(file), sqlite),
            NotADatabase => new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.NotAKms(file), sqlite),
            Error or Corrupt or Constraint or Mismatch => new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(file), sqlite),
            IoError when sqlite.SqliteExtendedErrorCode == IoErrorShortRead
                => new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(file), sqlite),
            Perm or ReadOnly or CannotOpen or Auth => new KmsException(KmsErrorKind.AccessDenied, LocalKmsMessages.NoAccess(file), sqlite),
            _ => new KmsException(KmsErrorKind.Unavailable, LocalKmsMessages.NotReachable(file), sqlite),
        },
        DbUpdateConcurrencyException => new KmsException(KmsErrorKind.Unavailable, LocalKmsMessages.Busy(file), exception),
        DirectoryNotFoundException => new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoDirectory(file), exception),
        UnauthorizedAccessException => new KmsException(KmsErrorKind.AccessDenied, LocalKmsMessages.NoAccess(file), exception),
        IOException => new KmsException(KmsErrorKind.Unavailable, LocalKmsMessages.NotReachable(file), exception),

        // A damaged file shows itself in many ways once its rows are read: a text that is no number, a missing value, a wrong length.
        _ => new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(file), exception),
    };

    /// <summary>Whether a table or a column is missing.</summary>
    public static bool IsMissingTable(Exception exception) => exception is SqliteException { SqliteErrorCode: Error };

    /// <summary>Whether somebody else changed the same rows first, so that the transaction is worth another try.</summary>
    public static bool IsRace(Exception exception)
        => exception is DbUpdateConcurrencyException
            or DbUpdateException { InnerException: SqliteException { SqliteErrorCode: Constraint } };
}
