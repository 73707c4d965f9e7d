using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>In a file of its own, journalled as EF Core sets it up (WAL).</summary>
internal sealed class SqliteCustomers(int rows) : CustomerDatabase(rows)
{
    public string ConnectionString => $"Data Source={File};Default Timeout=60";

    private string File => Path.Combine(Folder, "customers.db");

    private string Template => Path.Combine(Folder, "template.db");

    // Closed by its last connection, a database is one file.
    public override Task RestoreAsync()
    {
        SqliteConnection.ClearAllPools();
        foreach (var rest in new[] { "-wal", "-shm" })
            System.IO.File.Delete(File + rest);
        System.IO.File.Copy(Template, File, overwrite: true);
        return Task.CompletedTask;
    }

    public override ValueTask DisposeAsync()
    {
        SqliteConnection.ClearAllPools();
        return base.DisposeAsync();
    }

    protected override Task CreateDatabaseAsync() => Task.CompletedTask;

    protected override async Task KeepTemplateAsync()
    {
        await using (var connection = new SqliteConnection(ConnectionString))
        {
            await connection.OpenAsync();
            foreach (var sql in new[] { Multiply(), "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)" })
            {
                await using var command = connection.CreateCommand();
                command.CommandText = sql;
                await command.ExecuteNonQueryAsync();
            }
        }

        SqliteConnection.ClearAllPools();
        System.IO.File.Copy(File, Template);
    }

    protected override void UseProvider(DbContextOptionsBuilder options) => options.UseSqlite(ConnectionString);

    protected override async Task<long> CountAsync(string header)
    {
        await using var connection = new SqliteConnection(ConnectionString);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText =
            $"SELECT count(*) FROM \"Customers\" WHERE {string.Join(" AND ", Customer.EncryptedColumns.Select(c => $"substr(\"{c}\", 1, {header.Length / 2}) = x'{header}'"))}";
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private string Multiply()
        => $"""
            WITH RECURSIVE n(i) AS (SELECT {SeedRows + 1} WHERE {SeedRows} < {Rows} UNION ALL SELECT i + 1 FROM n WHERE i < {Rows})
            INSERT INTO "Customers" ("Id", {string.Join(", ", Customer.Columns.Select(c => $"\"{c}\""))})
            SELECT n.i, {string.Join(", ", Customer.Columns.Select(c => $"s.\"{c}\""))} FROM n JOIN "Customers" AS s ON s."Id" = (n.i - 1) % {SeedRows} + 1
            """;
}
