using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Functional.History;

/// <summary>SQLite files, with a write-ahead log as EF Core makes them.</summary>
public sealed class SqliteHistoryServer : HistoryServer
{
    private readonly string _folder = Directory.CreateTempSubdirectory("efenvelope-").FullName;

    public override string Provider => "Microsoft.EntityFrameworkCore.Sqlite";

    public override bool IsServer => false;

    public override Task<string> CreateDatabaseAsync(string name) => Task.FromResult($"Data Source={Path.Combine(_folder, name)}.db");

    public override Task DropDatabaseAsync(string connectionString)
    {
        ForgetConnections(connectionString);
        var file = new SqliteConnectionStringBuilder(connectionString).DataSource;
        foreach (var suffix in new[] { "", "-wal", "-shm" })
            File.Delete(file + suffix);
        return Task.CompletedTask;
    }

    public override void ForgetConnections(string connectionString)
    {
        using var connection = new SqliteConnection(connectionString);
        SqliteConnection.ClearPool(connection);
    }

    public override DbConnection CreateConnection(string connectionString) => new SqliteConnection(connectionString);

    public override void Use(DbContextOptionsBuilder builder, string connectionString) => builder.UseSqlite(connectionString);

    public override ValueTask DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }
}
