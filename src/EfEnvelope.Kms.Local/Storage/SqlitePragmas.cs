namespace EfEnvelope.Kms.Local.Storage;

/// <summary>All that is SQLite's own: how a connection behaves, and the journal of a new file.</summary>
internal static class SqlitePragmas
{
    public const string EmptyLog = "PRAGMA wal_checkpoint(TRUNCATE);";

    // Waiting is left to SQLite's own busy handler, which polls more often than the driver. Synchronous FULL: a KEK that was
    // lost with the power takes with it all that it wrapped.
    public static string OfConnection(int timeoutSeconds)
        => $"PRAGMA busy_timeout = {timeoutSeconds}000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; "
            + "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON;";

    /// <summary>Turns on the write-ahead log, so that readers and a writer do not wait for each other. The file remembers it.</summary>
    public static Task UseWriteAheadLogAsync(KmsSession db, CancellationToken cancellationToken)
        => db.ExecuteAsync("PRAGMA journal_mode = WAL;", cancellationToken);

    /// <summary>Writes the log into the file, where what was removed is overwritten, and empties it; later, when somebody reads it now.</summary>
    public static Task EmptyLogAsync(KmsSession db, CancellationToken cancellationToken)
        => db.ExecuteAsync(EmptyLog, cancellationToken);

    /// <summary>
    /// Whether the pages fit together. SQLite itself reads a page that was cut off as an empty one, and would find no key there.
    /// </summary>
    public static async Task<bool> IsIntactAsync(KmsSession db, CancellationToken cancellationToken)
        => await db.QueryAsync("PRAGMA integrity_check(1);", static r => r.GetString(0), cancellationToken).ConfigureAwait(false) is ["ok"];
}
