using System.Data.Common;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Testcontainers.MsSql;
using Xunit;

namespace EfEnvelope.Functional.TestUtilities;

/// <summary>
/// The one existing empty database that EFENVELOPE_SQLSERVER names, else a container where Docker runs, else a skip. The database is
/// emptied before and after each test; the classes that use it share one collection, so that they do not meet.
/// </summary>
public sealed class SqlServerTestDatabase : TestDatabase
{
    private static readonly Lazy<Task<string?>> Server = new(FindServerAsync);

    private string? _connectionString;

    public override async ValueTask CreateAsync()
    {
        _connectionString = await Server.Value;
        Assert.SkipWhen(_connectionString is null, "No SQL Server: EFENVELOPE_SQLSERVER is not set, and no Docker engine answers.");
        await EmptyAsync();
    }

    // How many configurations all tests together have is told by none of them.
    public override DbContextOptionsBuilder UseProvider(DbContextOptionsBuilder options)
        => options.UseSqlServer(_connectionString).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));

    public override DbConnection CreateConnection() => new SqlConnection(_connectionString);

    public override string Quote(string identifier) => $"[{identifier}]";

    public override async ValueTask DisposeAsync()
    {
        if (_connectionString is not null)
            await EmptyAsync();
    }

    // The database may not be ours to drop: drop what is in it.
    private async Task EmptyAsync()
    {
        await using var connection = new SqlConnection(_connectionString);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText =
            """
            DECLARE @sql nvarchar(max) = N'';
            SELECT @sql += N'ALTER TABLE ' + QUOTENAME(OBJECT_SCHEMA_NAME(parent_object_id)) + N'.' + QUOTENAME(OBJECT_NAME(parent_object_id)) + N' DROP CONSTRAINT ' + QUOTENAME(name) + N';' FROM sys.foreign_keys;
            SELECT @sql += N'DROP VIEW ' + QUOTENAME(SCHEMA_NAME(schema_id)) + N'.' + QUOTENAME(name) + N';' FROM sys.views WHERE is_ms_shipped = 0;
            SELECT @sql += N'DROP TABLE ' + QUOTENAME(SCHEMA_NAME(schema_id)) + N'.' + QUOTENAME(name) + N';' FROM sys.tables WHERE is_ms_shipped = 0;
            SELECT @sql += N'DROP SEQUENCE ' + QUOTENAME(SCHEMA_NAME(schema_id)) + N'.' + QUOTENAME(name) + N';' FROM sys.sequences;
            EXEC sp_executesql @sql;
            """;
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<string?> FindServerAsync()
    {
        if (Environment.GetEnvironmentVariable("EFENVELOPE_SQLSERVER") is { Length: > 0 } given)
            return given;
        try
        {
            var container = new MsSqlBuilder("mcr.microsoft.com/mssql/server:2022-latest").Build();
            await container.StartAsync();
            return container.GetConnectionString();
        }
        catch (Exception)
        {
            return null;
        }
    }
}
