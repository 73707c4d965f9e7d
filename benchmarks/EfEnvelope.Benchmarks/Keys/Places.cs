using System.Security.Cryptography;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace EfEnvelope.Benchmarks.Keys;

/// <summary>A server whose databases hold key rings.</summary>
public enum KeyDatabaseKind
{
    Sqlite,
    PostgreSql,
}

/// <summary>Makes directories and databases, and drops them when the process ends.</summary>
internal static class Places
{
    private static readonly Stack<Action> Drops = new();

    static Places() => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        while (Drops.TryPop(out var drop))
            drop();
    };

    /// <summary>Gets the databases that this machine has: PostgreSQL where EFENVELOPE_POSTGRES says how to reach one.</summary>
    public static IEnumerable<KeyDatabaseKind> Databases
        => Server is null ? [KeyDatabaseKind.Sqlite] : [KeyDatabaseKind.Sqlite, KeyDatabaseKind.PostgreSql];

    private static string? Server => Environment.GetEnvironmentVariable("EFENVELOPE_POSTGRES");

    public static string NewDirectory()
    {
        var directory = Directory.CreateTempSubdirectory("efenvelope-bench-").FullName;
        Drops.Push(() => Directory.Delete(directory, recursive: true));
        return directory;
    }

    /// <summary>Makes an empty database and returns its connection string.</summary>
    public static string NewDatabase(KeyDatabaseKind kind)
    {
        if (kind == KeyDatabaseKind.Sqlite)
        {
            var file = Path.Combine(NewDirectory(), "data.db");
            Drops.Push(SqliteConnection.ClearAllPools);
            return $"Data Source={file}";
        }

        var name = $"efenvelope_bench_{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6))}";
        Execute($"CREATE DATABASE {name}");
        Drops.Push(() => Execute($"DROP DATABASE {name} WITH (FORCE)"));
        return new NpgsqlConnectionStringBuilder(Server) { Database = name }.ConnectionString;
    }

    private static void Execute(string sql)
    {
        using var source = NpgsqlDataSource.Create(Server!);
        using var command = source.CreateCommand(sql);
        command.ExecuteNonQuery();
    }
}
