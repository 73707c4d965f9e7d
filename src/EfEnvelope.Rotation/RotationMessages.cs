namespace EfEnvelope.Rotation;

// Every text a user can meet, in one place and in three beats: what, whose, how to mend. Never a value, never key bytes.
internal static class RotationMessages
{
    public static string ThrottleOutOfRange(string name, string range) => $"The throttle's '{name}' is out of range. Give {range}.";

    public static string NoProvider() => "No database provider is configured. Call one, such as 'UseNpgsql(…)', and then 'UseEnvelopeEncryption(…)'.";

    public static string NoEncryption() => "No KMS is configured for this database. Call 'UseEnvelopeEncryption(…)' after the provider.";

    public static string UnknownProvider(string? provider)
        => $"The database provider '{provider}' is not supported by jobs. Use SQLite, Npgsql (PostgreSQL) or SQL Server.";

    public static string DatabaseUnreachable() => "The database could not be reached. Nothing was changed. See the inner exception, and check the connection string and the server.";

    public static string ConnectionNotShareable()
        => "The database is given as one open connection, which workers cannot share. Configure a connection string or a data source.";

    public static string PrivateDatabase()
        => "The SQLite database lives in the memory of one connection, so no other connection can see it. Use a file, or a shared in-memory database.";
}
