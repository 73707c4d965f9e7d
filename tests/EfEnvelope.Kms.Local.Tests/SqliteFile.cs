using Microsoft.Data.Sqlite;

namespace EfEnvelope.Kms.Local;

/// <summary>Looks into and meddles with a KMS file from outside.</summary>
internal static class SqliteFile
{
    public static async Task<SqliteConnection> OpenAsync(string file)
    {
        var connection = new SqliteConnection($"Data Source={file};Pooling=False");
        await connection.OpenAsync();
        return connection;
    }

    public static async Task<object?> ExecuteAsync(string file, string sql)
    {
        await using var connection = await OpenAsync(file);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteScalarAsync();
    }
}
