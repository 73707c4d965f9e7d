using System.Data.Common;
using System.Net.Sockets;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Tells what may pass by itself: a connection that was cut, a server that restarts, a deadlock, a KMS that does not answer.</summary>
internal static class Outages
{
    public static bool IsOutage(Exception e)
        => e is KeyUnavailableException or TimeoutException or IOException or SocketException
            || (e is DbException failure && (IsTransient(failure) || failure.InnerException is IOException or TimeoutException or SocketException))
            || (e is InvalidOperationException or ObjectDisposedException && (IsOfDriver(e) || (e.InnerException is { } inner && IsOutage(inner))));

    /// <summary>Tells whether a statement waited for the lock of another transaction for longer than it may: the database itself is
    /// well.</summary>
    public static bool IsLockWait(Exception e) => e is DbException failure && (failure.SqlState == "55P03" || NumberOf(failure) == 1222);

    /// <summary>Tells whether a statement took longer than a command may, of which SQL Server's client knows no more.</summary>
    public static bool IsOverdue(Exception e) => e is DbException failure && NumberOf(failure) == -2;

    // No dialect is at hand where a connection could not even be opened.
    private static bool IsTransient(DbException e)
        => e.IsTransient
            || e.SqlState is ['0', '8', ..] or ['5', '3', ..] or ['5', '7', 'P', ..] or ['4', '0', ..] or "55P03" or "25P03" or "25P04" or "55006"
            || new[] { "SQLite Error 5:", "SQLite Error 6:", "SQLite Error 10:", "SQLite Error 13:" }.Any(code => e.Message.StartsWith(code, StringComparison.Ordinal))
            || (NumberOf(e) is { } number && SqlServerDialect.IsTransientNumber(number));

    private static int? NumberOf(DbException e) => e.GetType().GetProperty("Number")?.GetValue(e) as int?;

    // A driver's own words for a connection that is no longer open.
    private static bool IsOfDriver(Exception e) => e.Source is "Npgsql" or "Microsoft.Data.SqlClient" or "System.Data.Common";
}
