using EfEnvelope.Benchmarks.Running;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>On the server that EFENVELOPE_POSTGRES names; benchmarks/run.sh starts one.</summary>
internal sealed class PostgresCustomers(int rows) : CustomerDatabase(rows)
{
    private readonly string _name = $"efenvelope_bench_{Guid.NewGuid():N}";

    /// <summary>Gets or sets the table that rows are restored from.</summary>
    public string Template { get; set; } = "Template";

    /// <summary>Gets the database of that name that all rows and passes of a class share; made the first time.</summary>
    public static Task<PostgresCustomers> GetAsync(int rows, string name = "customers", Func<PostgresCustomers, Task>? prepare = null)
        => Kept.GetAsync(
            name,
            () => new PostgresCustomers(rows),
            async customers =>
            {
                await customers.CreateAsync();
                await (prepare?.Invoke(customers) ?? Task.CompletedTask);
            });

    private static string Columns => $"\"Id\", {string.Join(", ", Customer.Columns.Select(c => $"\"{c}\""))}";

    private static string Server
        => Environment.GetEnvironmentVariable("EFENVELOPE_POSTGRES") is { Length: > 0 } server
            ? server
            : throw new InvalidOperationException("EFENVELOPE_POSTGRES is not set, so there is no PostgreSQL to measure. Run benchmarks/run.sh, which starts one.");

    public string ConnectionString => new NpgsqlConnectionStringBuilder(Server) { Database = _name, CommandTimeout = 0 }.ConnectionString;

    public async Task ExecuteAsync(params IEnumerable<string> statements)
    {
        await using var connection = new NpgsqlConnection(ConnectionString);
        await connection.OpenAsync();
        foreach (var sql in statements)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    public async Task<object?> ScalarAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    // Without autovacuum no round has the luck, or the bad luck, of it; each begins behind a checkpoint, on a table without a dead row.
    public override Task RestoreAsync()
        => ExecuteAsync(
            "TRUNCATE \"Customers\"",
            $"INSERT INTO \"Customers\" ({Columns}) SELECT {Columns} FROM \"{Template}\" ORDER BY \"Id\"",
            "VACUUM (FREEZE, ANALYZE) \"Customers\"",
            "CHECKPOINT");

    public override async ValueTask DisposeAsync()
    {
        await using (var connection = new NpgsqlConnection(ConnectionString))
            NpgsqlConnection.ClearPool(connection);
        await ExecuteOnServerAsync($"DROP DATABASE IF EXISTS {_name} WITH (FORCE)");
        await base.DisposeAsync();
    }

    protected override Task CreateDatabaseAsync() => ExecuteOnServerAsync($"CREATE DATABASE {_name}");

    protected override Task KeepTemplateAsync()
        => ExecuteAsync(
            "ALTER TABLE \"Customers\" SET (autovacuum_enabled = false)",
            $"""
            CREATE UNLOGGED TABLE "Template" AS
            SELECT n AS "Id", {string.Join(", ", Customer.Columns.Select(c => $"s.\"{c}\""))}
            FROM generate_series(1::bigint, {Rows}) AS n JOIN "Customers" AS s ON s."Id" = (n - 1) % {SeedRows} + 1 ORDER BY n
            """,
            "ALTER TABLE \"Template\" SET (autovacuum_enabled = false)");

    protected override void UseProvider(DbContextOptionsBuilder options) => options.UseNpgsql(ConnectionString);

    protected override async Task<long> CountAsync(string header)
        => (long)(await ScalarAsync(
            $"SELECT count(*) FROM \"Customers\" WHERE {string.Join(" AND ", Customer.EncryptedColumns.Select(c => $"substring(\"{c}\" from 1 for {header.Length / 2}) = '\\x{header}'"))}"))!;

    private static async Task ExecuteOnServerAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(Server);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
