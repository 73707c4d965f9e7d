using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>All that is SQLite's own: how a connection behaves, and the journal of a new file.</summary>
internal sealed class SqlitePragmas(int timeoutSeconds) : DbConnectionInterceptor
{
    // Waiting is left to SQLite's own busy handler, which polls more often than the driver. Synchronous FULL: a KEK that was
    // lost with the power takes with it all that it wrapped.
    private readonly string _sql = $"PRAGMA busy_timeout = {timeoutSeconds}000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; "
        + "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON;";

    /// <summary>Turns on the write-ahead log, so that readers and a writer do not wait for each other. The file remembers it.</summary>
    public static Task UseWriteAheadLogAsync(KmsDbContext db, CancellationToken cancellationToken)
        => db.Database.ExecuteSqlRawAsync("PRAGMA journal_mode = WAL;", cancellationToken);

    /// <summary>Writes the log into the file, where what was removed is overwritten, and empties it; later, when somebody reads it now.</summary>
    public static Task EmptyLogAsync(KmsDbContext db, CancellationToken cancellationToken)
        => db.Database.ExecuteSqlRawAsync("PRAGMA wal_checkpoint(TRUNCATE);", cancellationToken);

    /// <summary>
    /// Whether the pages fit together. SQLite itself reads a page that was cut off as an empty one, and would find no key there.
    /// </summary>
    public static async Task<bool> IsIntactAsync(KmsDbContext db, CancellationToken cancellationToken)
    {
        await db.Database.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        var command = db.Database.GetDbConnection().CreateCommand();
        await using (command.ConfigureAwait(false))
        {
            command.CommandText = "PRAGMA integrity_check(1);";
            return await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is "ok";
        }
    }

    public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData)
    {
        using var command = connection.CreateCommand();
        command.CommandText = _sql;
        command.ExecuteNonQuery();
    }

    public override async Task ConnectionOpenedAsync(
        DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        var command = connection.CreateCommand();
        await using (command.ConfigureAwait(false))
        {
            command.CommandText = _sql;
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
