using System.Data.Common;
using System.Text;
using System.Text.RegularExpressions;
using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.Sqlite;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteChinookTests() : ChinookSpecification(new SqliteTestDatabase())
{
    private SqliteConnection? _open;

    // A connection that stays open keeps the write-ahead log beside the file, so that both are searched.
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _open = (SqliteConnection)Database.CreateConnection();
        await _open.OpenAsync();
        await using var command = _open.CreateCommand();
        command.CommandText = "PRAGMA journal_mode = 'wal'; CREATE TABLE Opened (Id INTEGER); DROP TABLE Opened;";
        await command.ExecuteNonQueryAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await _open!.DisposeAsync();
        await base.DisposeAsync();
    }

    protected override Task<List<object?[]>> ReadOriginalsAsync(string table, IReadOnlyList<string> columns)
        => ChinookOriginals.ReadSqliteAsync(table, columns);

    protected override async Task<byte[]> DumpAsync()
    {
        var path = ((SqliteTestDatabase)Database).Path;
        Assert.True(File.Exists(path + "-wal"));
        var dump = new MemoryStream();
        foreach (var suffix in new[] { "", "-wal" })
        {
            await using var file = new FileStream(path + suffix, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            await file.CopyToAsync(dump);
        }

        return dump.ToArray();
    }
}

public sealed class PostgresChinookTests() : ChinookSpecification(new PostgresTestDatabase())
{
    private readonly PostgresTestDatabase _original = new();

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        var script = await File.ReadAllTextAsync(SharedData.Chinook("Chinook_PostgreSql_AutoIncrementPKs.sql"));
        await _original.CreateAsync();
        await using var connection = _original.CreateConnection();
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = Regex.Replace(script, @"^(DROP DATABASE|CREATE DATABASE|\\c) .*;\s*$", "", RegexOptions.Multiline);
        await command.ExecuteNonQueryAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await _original.DisposeAsync();
        await base.DisposeAsync();
    }

    protected override async Task<List<object?[]>> ReadOriginalsAsync(string table, IReadOnlyList<string> columns)
    {
        await using var connection = _original.CreateConnection();
        var names = columns.Select(c => Regex.Replace(c, "(?<=[a-z])([A-Z])", "_$1").ToLowerInvariant());
        return await ChinookOriginals.ReadAsync(connection, $"SELECT {string.Join(", ", names)} FROM {table.ToLowerInvariant()} ORDER BY 1");
    }

    protected override Task<byte[]> DumpAsync() => PostgresTools.DumpAsync(((PostgresTestDatabase)Database).ConnectionString);
}

[Collection("SqlServer")]
public sealed class SqlServerChinookTests() : ChinookSpecification(new SqlServerTestDatabase())
{
    protected override Task<List<object?[]>> ReadOriginalsAsync(string table, IReadOnlyList<string> columns)
        => ChinookOriginals.ReadSqliteAsync(table, columns);

    // The files of a server are out of reach here: every value of every table, and every definition, stands for them.
    protected override async Task<byte[]> DumpAsync()
    {
        var dump = new MemoryStream();
        foreach (var name in await Database.QueryAsync("SELECT name FROM sys.columns UNION SELECT name FROM sys.tables"))
            dump.Write(Encoding.UTF8.GetBytes($"{name}\n"));
        foreach (var table in await Database.QueryAsync("SELECT name FROM sys.tables"))
        {
            await using var connection = Database.CreateConnection();
            foreach (var value in (await ChinookOriginals.ReadAsync(connection, $"SELECT * FROM [{table}]")).SelectMany(row => row))
                dump.Write(value as byte[] ?? Encoding.UTF8.GetBytes(value is DateTime date ? $"{date:yyyy-MM-dd}" : $"{value}\n"));
        }

        return dump.ToArray();
    }
}

internal static class ChinookOriginals
{
    public static async Task<List<object?[]>> ReadSqliteAsync(string table, IReadOnlyList<string> columns)
    {
        var path = SharedData.Chinook("Chinook_Sqlite_AutoIncrementPKs.sqlite");
        await using var connection = new SqliteConnection($"Data Source={path};Mode=ReadOnly;Pooling=False");
        return await ReadAsync(connection, $"SELECT {string.Join(", ", columns)} FROM {table} ORDER BY 1");
    }

    public static async Task<List<object?[]>> ReadAsync(DbConnection connection, string sql)
    {
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<object?[]>();
        while (await reader.ReadAsync())
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : reader.GetValue(i))]);
        return rows;
    }
}
