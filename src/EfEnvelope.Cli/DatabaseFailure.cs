using System.Data.Common;
using System.Net.Sockets;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace EfEnvelope.Cli;

/// <summary>What a database's own exception comes to. Its message is shown only where it names things and never values.</summary>
internal static class DatabaseFailure
{
    public static Failure? Find(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (OfOne(exception) is { } failure)
                return failure;
        }

        return null;
    }

    public static Failure? OfOne(Exception exception)
        => exception switch
        {
            PostgresException e => OfPostgres(e),
            SqliteException e => OfSqlite(e),
            SqlException e => OfSqlServer(e),
            NpgsqlException e => Find(e.InnerException) ?? Unreachable(e.InnerException?.Message),
            SocketException e => Unreachable(e.Message),
            TimeoutException => Unreachable(null),
            DbException e => Unknown(e, e.SqlState),
            _ => null,
        };

    private static Failure OfPostgres(PostgresException e)
        => e.SqlState switch
        {
            "28P01" or "28000" => Denied(e.MessageText),
            "3D000" => NoDatabase(e.MessageText),
            "42501" => NoRights(e.MessageText),
            "42P01" => NoTable(e.MessageText),
            "57014" or "55P03" => Busy(e.SqlState),
            ['0', '8', ..] or ['5', '3', ..] or ['5', '7', ..] => Unreachable(e.MessageText),
            _ when e.IsTransient => Busy(e.SqlState),
            _ => Unknown(e, e.SqlState),
        };

    private static Failure OfSqlite(SqliteException e)
        => e.SqliteErrorCode switch
        {
            5 or 6 => Busy(null),
            1 when e.Message.Contains("no such table", StringComparison.Ordinal) => NoTable(e.Message),
            3 or 8 or 23 => NoRights(e.Message),
            14 => NoDatabase(e.Message),
            11 or 26 => NoDatabase(e.Message),
            _ => Unknown(e, e.SqliteExtendedErrorCode.ToString(System.Globalization.CultureInfo.InvariantCulture)),
        };

    private static Failure OfSqlServer(SqlException e)
        => e.Number switch
        {
            18456 => Denied(null),
            4060 or 911 => NoDatabase(null),
            229 or 230 or 262 or 297 or 300 or 916 or 1088 => NoRights(null),
            208 => NoTable(null),
            -2 or -1 or 2 or 53 or 258 or 10053 or 10054 or 10060 or 10061 or 11001 => Unreachable(null),
            _ when e.IsTransient => Busy(null),
            _ => Unknown(e, e.Number.ToString(System.Globalization.CultureInfo.InvariantCulture)),
        };

    private static Failure Unreachable(string? cause) => new(ExitCodes.Unavailable, CliMessages.Unreachable(cause), CliMessages.UnreachableHint());

    private static Failure Busy(string? state) => new(ExitCodes.Unavailable, CliMessages.Busy(state), CliMessages.UnavailableHint());

    private static Failure Denied(string? cause) => new(ExitCodes.Usage, CliMessages.LoginRefused(cause), CliMessages.LoginRefusedHint());

    private static Failure NoDatabase(string? cause) => new(ExitCodes.Usage, CliMessages.NoDatabase(cause), CliMessages.NoDatabaseHint());

    private static Failure NoRights(string? cause) => new(ExitCodes.Usage, CliMessages.NoRights(cause), CliMessages.NoRightsHint());

    private static Failure NoTable(string? cause) => new(ExitCodes.Usage, CliMessages.NoTable(cause), CliMessages.NoTableHint());

    private static Failure Unknown(DbException e, string? state)
        => new(ExitCodes.Internal, CliMessages.DatabaseError(e.GetType().Name, state), CliMessages.UnexpectedHint());
}
