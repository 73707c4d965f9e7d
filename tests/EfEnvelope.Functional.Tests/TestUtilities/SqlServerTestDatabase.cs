using System.Data.Common;
using System.Text.RegularExpressions;
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

    private readonly ParsedSqlServer? _parsed = ParsedSqlServer.Current;

    private string? _connectionString;

    public static async Task<bool> ExistsAsync() => await Server.Value is not null;

    public override async ValueTask CreateAsync()
    {
        if (_parsed is not null)
            return;
        _connectionString = await Server.Value;
        Assert.SkipWhen(_connectionString is null, "No SQL Server: EFENVELOPE_SQLSERVER is not set, and no Docker engine answers.");
        await EmptyAsync();
    }

    // How many configurations all tests together have is told by none of them.
    public override DbContextOptionsBuilder UseProvider(DbContextOptionsBuilder options)
        => (_parsed is null ? options.UseSqlServer(_connectionString) : options.UseSqlServer(CreateConnection(), contextOwnsConnection: true))
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));

    public override DbConnection CreateConnection() => _parsed is null ? new SqlConnection(_connectionString) : new ParsedSqlServerConnection(_parsed);

    public override string Quote(string identifier) => $"[{identifier.Replace("]", "]]", StringComparison.Ordinal)}]";

    public override string Literal(string text) => "N" + base.Literal(text);

    // A text that is compared by its characters, and short enough for a key beside another column.
    public override string OwnWords(string sql)
    {
        if (sql.StartsWith("CREATE TABLE", StringComparison.Ordinal) || sql.StartsWith("ALTER TABLE", StringComparison.Ordinal))
        {
            sql = Regex.Replace(sql, @" text\b", " nvarchar(400) COLLATE Latin1_General_100_BIN2").Replace(" boolean", " bit", StringComparison.Ordinal)
                .Replace(" ADD COLUMN ", " ADD ", StringComparison.Ordinal).Replace("length(", "LEN(", StringComparison.Ordinal);
            return Regex.Replace(sql, @"^ALTER TABLE (\w+) RENAME COLUMN (\w+) TO (\w+)", "EXEC sp_rename '$1.$2', '$3', 'COLUMN'");
        }

        sql = Regex.Replace(sql.Replace(" AS text)", " AS nvarchar(max))", StringComparison.Ordinal), @"('[^']*') \|\| (\w+)", "CONCAT($1, $2)");
        sql = Regex.Replace(sql, @"(?<=VALUES \(|\), \()(true|false)(?=, )", m => m.Value == "true" ? "1" : "0");
        const string recursive = "WITH RECURSIVE ";
        return sql.StartsWith(recursive, StringComparison.Ordinal) ? $"WITH {sql[recursive.Length..]} OPTION (MAXRECURSION 0)" : sql;
    }

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
