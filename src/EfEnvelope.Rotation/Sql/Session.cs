using System.Data;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.Rotation.Sql;

/// <summary>One open connection, used by one worker at a time.</summary>
internal sealed class Session(RotationContext context, string? schema) : IAsyncDisposable
{
    public RotationContext Context => context;

    /// <summary>Gets the schema of EfEnvelope's own tables, or <see langword="null" /> for the default.</summary>
    public string? Schema => schema;

    public Dialect Dialect { get; } = Dialect.Of(context);

    public DbConnection Connection => context.Database.GetDbConnection();

    public async ValueTask<IDbContextTransaction> BeginAsync(CancellationToken cancellationToken)
        => await context.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken).ConfigureAwait(false);

    /// <summary>Does something in a transaction, which it commits; otherwise it is rolled back.</summary>
    // A transaction that the server has ended already may fail to roll back. The failure that ended it is the one to report.
    public async Task<T> RunAsync<T>(Func<IDbContextTransaction, Task<T>> work, CancellationToken cancellationToken)
    {
        var transaction = await BeginAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await work(transaction).ConfigureAwait(false);
        }
        finally
        {
            try
            {
                await transaction.DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception e) when (e is DbException or InvalidOperationException)
            {
                await context.Database.UseTransactionAsync(null, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Makes a command in the transaction that is open, if one is. Parameters are named <c>@p0</c>, <c>@p1</c>, … in their order.</summary>
    public DbCommand CreateCommand(string sql, params ReadOnlySpan<object?> values)
    {
        var command = Connection.CreateCommand();
        command.CommandText = sql;
        command.Transaction = context.Database.CurrentTransaction?.GetDbTransaction();
        for (var i = 0; i < values.Length; i++)
            Dialect.AddParameter(command, $"@p{i}", values[i]);
        return command;
    }

    public async ValueTask<int> ExecuteAsync(string sql, object?[] values, CancellationToken cancellationToken)
    {
        var command = CreateCommand(sql, values);
        await using (command.ConfigureAwait(false))
            return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs what is run again and again: parsed and planned once for this connection, where that helps.</summary>
    public async ValueTask<int> ExecutePreparedAsync(string sql, object?[] values, CancellationToken cancellationToken)
    {
        var command = CreateCommand(sql, values);
        await using (command.ConfigureAwait(false))
        {
            if (Dialect.PreparesStatements)
                await command.PrepareAsync(cancellationToken).ConfigureAwait(false);
            return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Asks one question after the other.</summary>
    public async ValueTask AskAsync(IReadOnlyList<Question> questions, CancellationToken cancellationToken)
    {
        foreach (var question in questions)
            question.Judge(await QueryAsync(question.Sql, question.Values, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Sends questions and a command at once. The command has been run when they are judged, so the transaction must not commit if one of them throws.</summary>
    /// <returns>How many rows the command wrote.</returns>
    public async ValueTask<int> ExecuteAsync(IReadOnlyList<Question> questions, string sql, IReadOnlyList<(string Name, object Value)> values, CancellationToken cancellationToken)
    {
        var batch = Connection.CreateBatch();
        await using (batch.ConfigureAwait(false))
        {
            batch.Transaction = context.Database.CurrentTransaction?.GetDbTransaction();
            foreach (var question in questions)
                Add(batch, question.Sql, question.Values.Select((v, i) => ($"@p{i}", v ?? DBNull.Value)));
            var command = Add(batch, sql, values);

            // The server parses and plans it once for this connection.
            await batch.PrepareAsync(cancellationToken).ConfigureAwait(false);
            var answers = new List<List<object?[]>>(questions.Count);
            var reader = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                do
                    answers.Add(await ReadAllAsync(reader, cancellationToken).ConfigureAwait(false));
                while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false));
            }

            for (var i = 0; i < questions.Count; i++)
                questions[i].Judge(answers[i]);
            return command.RecordsAffected;
        }
    }

    /// <summary>Reads all rows; null for a database's null.</summary>
    public async ValueTask<List<object?[]>> QueryAsync(string sql, object?[] values, CancellationToken cancellationToken)
    {
        var command = CreateCommand(sql, values);
        await using (command.ConfigureAwait(false))
        {
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
                return await ReadAllAsync(reader, cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask<object?> ScalarAsync(string sql, object?[] values, CancellationToken cancellationToken)
        => await QueryAsync(sql, values, cancellationToken).ConfigureAwait(false) is [[var first, ..], ..] ? first : null;

    public ValueTask DisposeAsync() => context.DisposeAsync();

    private static DbBatchCommand Add(DbBatch batch, string sql, IEnumerable<(string Name, object Value)> values)
    {
        var command = batch.CreateBatchCommand();
        command.CommandText = sql;
        foreach (var (name, value) in values)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            command.Parameters.Add(parameter);
        }

        batch.BatchCommands.Add(command);
        return command;
    }

    private static async ValueTask<List<object?[]>> ReadAllAsync(DbDataReader reader, CancellationToken cancellationToken)
    {
        var rows = new List<object?[]>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var row = new object?[reader.FieldCount];
            for (var i = 0; i < row.Length; i++)
                row[i] = reader.IsDBNull(i) ? null : reader.GetValue(i);
            rows.Add(row);
        }

        return rows;
    }
}
