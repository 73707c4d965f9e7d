namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>Asks the database what time it is, in UTC, as ISO 8601 text: the clock that all instances share.</summary>
internal static class DatabaseClock
{
    public static string Sql(string? provider)
        => provider switch
        {
            "Microsoft.EntityFrameworkCore.Sqlite" => "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS \"Value\"",
            "Npgsql.EntityFrameworkCore.PostgreSQL"
                => "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS \"Value\"",
            "Microsoft.EntityFrameworkCore.SqlServer" => "SELECT CONVERT(varchar(33), SYSUTCDATETIME(), 126) + 'Z' AS [Value]",
            _ => throw new EnvelopeConfigurationException(EnvelopeMessages.UnknownProvider(provider)),
        };
}
