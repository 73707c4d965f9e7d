using System.Data.Common;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional.TestUtilities;

/// <summary>A database of its own on the server that EFENVELOPE_POSTGRES names; tests/run.sh starts one.</summary>
public sealed class PostgresTestDatabase : TestDatabase
{
    // A busy machine takes its time.
    public static string? Server { get; }
        = Environment.GetEnvironmentVariable("EFENVELOPE_POSTGRES") is { Length: > 0 } server ? server + ";Timeout=300;Command Timeout=600" : null;

    public string Name { get; } = $"efenvelope_{Guid.NewGuid():N}";

    public int MaxPoolSize { get; init; } = 30;

    public string ConnectionString
        => new NpgsqlConnectionStringBuilder(Server) { Database = Name, Pooling = true, MaxPoolSize = MaxPoolSize, IncludeErrorDetail = true }.ConnectionString;

    public override async ValueTask CreateAsync()
    {
        Assert.SkipWhen(Server is null, "EFENVELOPE_POSTGRES is not set; run tests/run.sh, which starts a PostgreSQL server.");
        await ExecuteOnServerAsync($"CREATE DATABASE {Name}");
    }

    // How many configurations all tests together have is told by none of them.
    public override DbContextOptionsBuilder UseProvider(DbContextOptionsBuilder options)
        => options.UseNpgsql(ConnectionString).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));

    public override DbConnection CreateConnection() => new NpgsqlConnection(ConnectionString);

    public override async ValueTask DisposeAsync()
    {
        if (Server is null)
            return;
        await using (var connection = new NpgsqlConnection(ConnectionString))
            NpgsqlConnection.ClearPool(connection);
        await ExecuteOnServerAsync($"DROP DATABASE IF EXISTS {Name} WITH (FORCE)");
    }

    private static async Task ExecuteOnServerAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(Server);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
