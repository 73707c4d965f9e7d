using System.Data.Common;
using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EfEnvelope.Cli.TestUtilities;

/// <summary>A database of its own on the server that EFENVELOPE_POSTGRES names; tests/run.sh starts one.</summary>
public sealed class PostgresWorld : ToolWorld
{
    // A busy machine takes its time.
    private static readonly string? Server
        = System.Environment.GetEnvironmentVariable("EFENVELOPE_POSTGRES") is { Length: > 0 } server ? server + ";Timeout=300;Command Timeout=600" : null;

    private readonly string _name = $"efenvelope_cli_{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}";

    public override string Provider => "postgresql";

    public override string ConnectionString => ConnectionOf(b => b.Database = _name);

    /// <summary>Gets a role of this test's own, without any right.</summary>
    public string Role => $"{_name}_role";

    protected override string TablesSql
        => "SELECT tablename::text FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";

    public override DbConnection CreateConnection() => new NpgsqlConnection(ConnectionString);

    public static string ConnectionOf(Action<NpgsqlConnectionStringBuilder> change)
    {
        var builder = new NpgsqlConnectionStringBuilder(Server) { Pooling = false };
        change(builder);
        return builder.ConnectionString;
    }

    public string ConnectionOfRole(string password)
        => ConnectionOf(b => (b.Database, b.Username, b.Password) = (_name, Role, password));

    protected override string ColumnsSql(string table)
        => $"SELECT column_name::text, data_type::text FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position";

    protected override async Task CreateDatabaseAsync()
    {
        Assert.SkipWhen(Server is null, "EFENVELOPE_POSTGRES is not set; run tests/run.sh, which starts a PostgreSQL server.");
        await OnServerAsync($"CREATE DATABASE {_name}");
    }

    protected override async Task DropDatabaseAsync()
    {
        if (Server is null)
            return;
        await OnServerAsync($"DROP DATABASE IF EXISTS {_name} WITH (FORCE)");
        await OnServerAsync($"DROP ROLE IF EXISTS {Role}");
    }

    protected override void UseProvider(DbContextOptionsBuilder builder) => builder.UseNpgsql(ConnectionString);

    private static async Task OnServerAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(ConnectionOf(_ => { }));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
