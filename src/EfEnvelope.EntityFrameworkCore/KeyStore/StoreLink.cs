using System.Data;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// An open connection to our tables, and the plain commands by which the key store reads and writes them. EF Core's query and update
/// pipelines would have to
/// be compiled for a second model before an application's first write, which takes longer than the write.
/// </summary>
/// <param name="services">The context whose provider names tables and parameters.</param>
/// <param name="connection">The connection, which is open.</param>
/// <param name="transaction">The transaction that is open on it, or <see langword="null" />.</param>
/// <param name="timeout">The time-out of a command in seconds; <see langword="null" /> for the provider's default.</param>
/// <param name="schema">The schema of the tables, or <see langword="null" /> for the database's own default.</param>
/// <param name="isSynchronous">Whether a synchronous call waits: then every method returns a task that has ended.</param>
internal sealed class StoreLink(
    DbContext services, DbConnection connection, DbTransaction? transaction, int? timeout, string? schema, bool isSynchronous)
{
    private readonly ISqlGenerationHelper _sql = services.GetService<ISqlGenerationHelper>();

    public string? Provider => services.Database.ProviderName;

    public string Quote(string name) => _sql.DelimitIdentifier(name);

    public string Table(StoreTable table) => Table(table.Name, null);

    /// <summary>Quotes the name of a table whose schema is the tables' own, unless it names one.</summary>
    public string Table(string name, string? schemaOfTable) => _sql.DelimitIdentifier(name, schemaOfTable ?? schema);

    /// <summary>Adds a row.</summary>
    /// <returns><see langword="false" /> when there is a row with the same key.</returns>
    /// <exception cref="EnvelopeConfigurationException">The database takes the row's scope for another one that has such a row.</exception>
    public async Task<bool> TryInsertAsync(StoreTable table, IReadOnlyList<object?> row, CancellationToken cancellationToken)
    {
        var values = table.Columns.Select((c, i) => new StoreValue(c, row[i])).ToList();
        var text = $"INSERT INTO {Table(table)} ({string.Join(", ", values.Select(v => Quote(v.Column.Name)))})"
            + $" VALUES ({string.Join(", ", values.Select((_, i) => Parameter(i)))})";
        try
        {
            await ExecuteAsync(text, values, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (DbException) when (connection.State == ConnectionState.Open)
        {
            StoreValue[] key = [.. values.Take(table.KeyLength)];
            if (await HasRowAsync(table, Where(key, 0), key, cancellationToken).ConfigureAwait(false))
                return false;
            if (await HasRowAsync(table, WhereAlike(key), key, cancellationToken).ConfigureAwait(false))
                throw new EnvelopeConfigurationException(EnvelopeMessages.ScopeTakenForAnother(key[0].Value, table.Name));
            throw;
        }
    }

    // If this fails too, what failed first says more.
    private async Task<bool> HasRowAsync(StoreTable table, string where, StoreValue[] key, CancellationToken cancellationToken)
    {
        try
        {
            var found = await ReadAsync($"SELECT 1 FROM {Table(table)} WHERE {where}", key, static _ => true, cancellationToken)
                .ConfigureAwait(false);
            return found.Count > 0;
        }
        catch (DbException)
        {
            return false;
        }
    }

    /// <summary>Changes the rows that have some values.</summary>
    /// <returns>The number of rows.</returns>
    public Task<int> UpdateAsync(StoreTable table, IReadOnlyList<StoreValue> set, IReadOnlyList<StoreValue> where, CancellationToken cancellationToken)
        => ExecuteAsync(
            $"UPDATE {Table(table)} SET {string.Join(", ", set.Select((v, i) => $"{Quote(v.Column.Name)} = {Parameter(i)}"))} WHERE {Where(where, set.Count)}",
            [.. set, .. where],
            cancellationToken);

    /// <summary>Tells whether a table has a column, whether or not it may be read.</summary>
    public async Task<bool> HasColumnAsync(string table, string? schemaOfTable, string column, CancellationToken cancellationToken)
        => (await ReadAsync(StoreQuery.SqlOf(services).FindColumn(table, schemaOfTable ?? schema, column), [], static _ => true, cancellationToken)
            .ConfigureAwait(false))
            .Count > 0;

    /// <summary>Makes the condition that a row has some values, none of which is null. A scope is compared byte by byte.</summary>
    /// <param name="values">The values.</param>
    /// <param name="first">The number of the first one's parameter.</param>
    // Two fields that a database takes for one share a budget, which ends the sooner.
    public string Where(IEnumerable<StoreValue> values, int first)
        => string.Join(
            " AND ",
            values.Select((v, i) => v.Column.Name == EnvelopeTables.Scope
                ? EnvelopeTablesSql.IsName(Provider, Quote(v.Column.Name), Parameter(first + i))
                : IsAlike(v, first + i)));

    private string WhereAlike(IEnumerable<StoreValue> values) => string.Join(" AND ", values.Select(IsAlike));

    private string IsAlike(StoreValue value, int parameter) => $"{Quote(value.Column.Name)} = {Parameter(parameter)}";

    /// <summary>Makes a query that ends after a number of rows.</summary>
    /// <param name="query">The query, without its first word, <c>SELECT</c>.</param>
    /// <param name="rows">The number.</param>
    public string First(string query, int rows)
        => Provider == ServerDatabase.SqlServer ? $"SELECT TOP({rows}) {query}" : $"SELECT {query} LIMIT {rows}";

    /// <summary>Names a parameter.</summary>
    public string Parameter(int index) => _sql.GenerateParameterName($"p{index}");

    /// <summary>Reads all rows of all results of a command.</summary>
    public async Task<List<T>> ReadAsync<T>(
        string text, IReadOnlyList<StoreValue> values, Func<DbDataReader, T> read, CancellationToken cancellationToken)
    {
        var command = NewCommand(text, values);
        await using (command.ConfigureAwait(false))
        {
            var rows = new List<T>();
            var reader = isSynchronous ? command.ExecuteReader() : await command.ExecuteReaderAsync(cancellationToken)
                .ConfigureAwait(false);
            try
            {
                do
                {
                    while (isSynchronous ? reader.Read() : await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                        rows.Add(read(reader));
                }
                while (isSynchronous ? reader.NextResult() : await reader.NextResultAsync(cancellationToken).ConfigureAwait(false));
            }
            finally
            {
                if (isSynchronous)
                    reader.Dispose();
                else
                    await reader.DisposeAsync().ConfigureAwait(false);
            }

            return rows;
        }
    }

    private async Task<int> ExecuteAsync(string text, IReadOnlyList<StoreValue> values, CancellationToken cancellationToken)
    {
        var command = NewCommand(text, values);
        await using (command.ConfigureAwait(false))
            return isSynchronous ? command.ExecuteNonQuery() : await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    // A parameter has its column's own type: one of another type would keep SQL Server from the table's index.
    private DbCommand NewCommand(string text, IReadOnlyList<StoreValue> values)
    {
        var command = connection.CreateCommand();
        command.CommandText = text;
        if (transaction is not null)
            command.Transaction = transaction;
        if (timeout is { } seconds)
            command.CommandTimeout = seconds;
        if (values.Count > 0)
        {
            var types = services.GetService<IRelationalTypeMappingSource>();
            for (var i = 0; i < values.Count; i++)
            {
                var (column, value) = values[i];
                command.Parameters.Add(EnvelopeTablesSql.FindMapping(types, column).CreateParameter(command, Parameter(i), value, column.IsNullable));
            }
        }

        return command;
    }
}

/// <summary>A value of a column of our tables.</summary>
internal readonly record struct StoreValue(StoreColumn Column, object? Value);
