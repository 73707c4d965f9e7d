using System.Data.Common;
using EfEnvelope.Specification.History;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EfEnvelope.TestProcess;

/// <summary>What a failure says about the write that met it, and whether it should have been.</summary>
internal static class HistoryFaults
{
    public static WriteOutcome Judge(Exception e, out bool isAlarm)
    {
        isAlarm = false;
        switch (e)
        {
            case DbUpdateConcurrencyException:
            case KeyUnavailableException:
                return WriteOutcome.Failed;
            case EnvelopeException:
                isAlarm = true;
                return WriteOutcome.Failed;
            case DbUpdateException { InnerException: { } inner }:
                return Judge(inner, out isAlarm);
            case PostgresException postgres:
                return Judge(postgres, out isAlarm);
            case SqliteException sqlite:
                return Judge(sqlite, out isAlarm);
            case DbException or IOException or TimeoutException or InvalidOperationException or ObjectDisposedException or System.Net.Sockets.SocketException:
                return WriteOutcome.Unknown;
            default:
                isAlarm = true;
                return WriteOutcome.Unknown;
        }
    }

    private static WriteOutcome Judge(PostgresException e, out bool isAlarm)
    {
        isAlarm = false;
        switch (e.SqlState[..2])
        {
            case "23" when e.SqlState == PostgresErrorCodes.UniqueViolation && e.ConstraintName!.Contains(nameof(HistoryRow.Code), StringComparison.Ordinal):
                return WriteOutcome.Duplicate;

            // Deadlocks and the like roll back.
            case "40":
                return WriteOutcome.Failed;

            // The connection or the server goes down: what was under way may have been committed.
            case "08" or "57":
                return WriteOutcome.Unknown;
            default:
                isAlarm = true;
                return WriteOutcome.Failed;
        }
    }

    private static WriteOutcome Judge(SqliteException e, out bool isAlarm)
    {
        isAlarm = false;
        switch (e.SqliteErrorCode)
        {
            case 19 when e.Message.Contains($".{nameof(HistoryRow.Code)}", StringComparison.Ordinal):
                return WriteOutcome.Duplicate;

            // Busy or locked.
            case 5 or 6:
                return WriteOutcome.Failed;
            default:
                isAlarm = true;
                return WriteOutcome.Failed;
        }
    }
}
