using System.Data.Common;
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
        DbUpdateException { InnerException: DbException inner } => Map(inner, file),

        // Of a text that was given: what a store holds is always decoded to valid Unicode.
        System.Text.EncoderFallbackException or DbUpdateException { InnerException: System.Text.EncoderFallbackException }
            => new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.TextRefused(file), exception),
        DbException server => MapServer(server, file),
        DbUpdateConcurrencyException => new KmsException(KmsErrorKind.Unavailable, LocalKmsMessages.Busy(file), exception),
        DirectoryNotFoundException => new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoDirectory(file), exception),
        UnauthorizedAccessException => new KmsException(KmsErrorKind.AccessDenied, LocalKmsMessages.NoAccess(file), exception),
        IOException or TimeoutException => new KmsException(KmsErrorKind.Unavailable, LocalKmsMessages.NotReachable(file), exception),

        // How Entity Framework says that another attempt may help, when none is configured.
        InvalidOperationException { InnerException: DbException or DbUpdateException or TimeoutException } => Map(exception.InnerException, file),

        // A damaged file shows itself in many ways once its rows are read: a text that is no number, a missing value, a wrong length.
        _ => new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(file), exception),
    };

    /// <summary>Whether a table or a column is missing.</summary>
    public static bool IsMissingTable(Exception exception) => exception switch
    {
        SqliteException sqlite => sqlite.SqliteErrorCode == Error,
        DbException server => server.SqlState is "42P01" or "42703" || SqlServerNumber(server) is 207 or 208,
        _ => false,
    };

    /// <summary>Whether somebody else changed the same rows first, so that the transaction is worth another try.</summary>
    public static bool IsRace(Exception exception) => exception switch
    {
        DbUpdateConcurrencyException => true,
        SqliteException sqlite => sqlite.SqliteErrorCode == Constraint,
        DbException server => server.SqlState is "40001" or "40P01" or "23505" || SqlServerNumber(server) is 1205 or 2601 or 2627 or 3960,
        DbUpdateException or InvalidOperationException when exception.InnerException is { } inner => IsRace(inner),
        _ => false,
    };

    private static KmsException MapServer(DbException exception, string store) => exception.SqlState switch
    {
        _ when IsRace(exception) => new KmsException(KmsErrorKind.Unavailable, LocalKmsMessages.Busy(store), exception),
        { } state when state.StartsWith("28", StringComparison.Ordinal) || state == "42501"
            => new KmsException(KmsErrorKind.AccessDenied, LocalKmsMessages.NoAccess(store), exception),
        "22021" => new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.TextRefused(store), exception),
        "3D000" => new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoDatabase(store), exception),
        "42P01" or "42703" => new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(store), exception),
        _ => SqlServerNumber(exception) switch
        {
            // A login that is refused, disabled, locked or expired, or may not use the database; and rights that it lacks. A server
            // that admits administrators alone, or is being upgraded, is an outage.
            18450 or 18452 or 18456 or 18470 or 18486 or 18487 or 18488 or 916 or 4064 or 229 or 230 or 262 or 297 or 300
                => new KmsException(KmsErrorKind.AccessDenied, LocalKmsMessages.NoAccess(store), exception),
            911 or 4060 => new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoDatabase(store), exception),
            207 or 208 => new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(store), exception),
            _ => new KmsException(KmsErrorKind.Unavailable, LocalKmsMessages.NotReachable(store), exception),
        },
    };

    // Of a SqlException, which this package does not know.
    private static int? SqlServerNumber(DbException exception) => exception.GetType().GetProperty("Number")?.GetValue(exception) as int?;
}
