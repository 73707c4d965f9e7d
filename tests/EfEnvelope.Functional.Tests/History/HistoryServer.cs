using System.Data.Common;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Functional.History;

/// <summary>A database server that a history may harm.</summary>
public abstract class HistoryServer : IAsyncDisposable
{
    /// <summary>Gets the name of EF Core's provider, which the processes are told.</summary>
    public abstract string Provider { get; }

    /// <summary>Gets whether it has connections that can be cut, and can be restarted.</summary>
    public abstract bool IsServer { get; }

    /// <summary>Makes an empty database.</summary>
    /// <returns>How to connect to it.</returns>
    public abstract Task<string> CreateDatabaseAsync(string name);

    public abstract Task DropDatabaseAsync(string connectionString);

    /// <summary>Forgets pooled connections of this process: those that were cut would fail whoever gets them.</summary>
    public abstract void ForgetConnections(string connectionString);

    public abstract DbConnection CreateConnection(string connectionString);

    public abstract void Use(DbContextOptionsBuilder builder, string connectionString);

    /// <summary>Cuts one connection of a database, chosen by chance.</summary>
    public virtual Task CutAsync(string connectionString, Random random) => throw new NotSupportedException();

    /// <summary>Restarts it as a crash would, or at least without waiting for what is under way.</summary>
    public virtual Task RestartAsync(bool asCrash) => throw new NotSupportedException();

    public abstract ValueTask DisposeAsync();

    /// <summary>Runs SQL past EF Core and returns all rows.</summary>
    public async Task<List<object?[]>> QueryAsync(string connectionString, string sql)
    {
        await using var connection = CreateConnection(connectionString);
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
