using System.Data.Common;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>One empty database on a real server (or a SQLite file), dropped when disposed.</summary>
public abstract class TestDatabase : IAsyncDisposable
{
    /// <summary>Makes the database, or skips the test with a plain reason where the server is missing.</summary>
    public abstract ValueTask CreateAsync();

    /// <summary>Gets whether there is a server: what fails before a command is sent can be seen without one.</summary>
    public virtual bool Exists => true;

    /// <summary>Configures the provider for this database.</summary>
    public abstract DbContextOptionsBuilder UseProvider(DbContextOptionsBuilder options);

    /// <summary>Makes an unopened plain ADO.NET connection to this database.</summary>
    public abstract DbConnection CreateConnection();

    /// <summary>Quotes an identifier as the server does.</summary>
    public virtual string Quote(string identifier) => $"\"{identifier.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>Writes a text as a literal of the server.</summary>
    public virtual string Literal(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    /// <summary>Writes a statement that SQLite and PostgreSQL understand in the server's own words: types, concatenation, columns added and
    /// renamed.</summary>
    public virtual string OwnWords(string sql) => sql;

    /// <summary>Gets the condition by which the tables of EfEnvelope show the scopes of applications, without the product's own.</summary>
    public string OfApplications => $"{Quote("Scope")} NOT LIKE '~%'";

    public abstract ValueTask DisposeAsync();

    /// <summary>Runs SQL past EF Core and returns the first column of all rows.</summary>
    public async Task<List<object?>> QueryAsync(string sql, params (string Name, object Value)[] parameters)
    {
        await using var connection = CreateConnection();
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            command.Parameters.Add(parameter);
        }

        var rows = new List<object?>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            rows.Add(reader.IsDBNull(0) ? null : reader.GetValue(0));
        return rows;
    }
}
