using System.Data;
using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>One connection to a store: how it is opened, how its names and values are written, and when a command is tried again.</summary>
internal abstract class StoreConnection : IAsyncDisposable
{
    private const int MaximumCommands = 100;

    private readonly Dictionary<string, DbCommand> _commands = new(StringComparer.Ordinal);

    public abstract DbConnection Connection { get; }

    public abstract DbTransaction? Transaction { get; }

    public abstract int? CommandTimeout { get; }

    public abstract Task OpenAsync(CancellationToken cancellationToken);

    /// <summary>Begins a transaction, which is rolled back when it is disposed before it was committed.</summary>
    public abstract Task<IAsyncDisposable> BeginAsync(IsolationLevel isolation, CancellationToken cancellationToken);

    public abstract Task CommitAsync(CancellationToken cancellationToken);

    /// <summary>Runs something that can be run again, as often as the provider was told to.</summary>
    public abstract Task<T> RetryAsync<T>(Func<CancellationToken, Task<T>> run, CancellationToken cancellationToken);

    public abstract string Quote(string name);

    public abstract string TypeOf(KmsColumn column);

    public abstract string LiteralOf(KmsColumn column, object value);

    public abstract DbParameter NewParameter(DbCommand command, string name, KmsColumn column, object? value);

    /// <summary>
    /// Returns a command of this text, without parameters. It belongs to the connection, which keeps it: SQLite takes as long to compile a
    /// statement as
    /// to run it.
    /// </summary>
    public DbCommand Command(string text)
    {
        if (!_commands.TryGetValue(text, out var command))
        {
            if (_commands.Count == MaximumCommands)
                Forget();
            _commands[text] = command = Connection.CreateCommand();
            command.CommandText = text;
        }

        command.Parameters.Clear();
        command.Transaction = Transaction;
        if (CommandTimeout is { } timeout)
            command.CommandTimeout = timeout;
        return command;
    }

    /// <summary>Gets when the connection was made, in milliseconds of the system's uptime.</summary>
    public long MadeAt { get; } = Environment.TickCount64;

    /// <summary>Brings what was written to where a copy of the store finds it.</summary>
    public virtual Task SettleAsync() => Task.CompletedTask;

    /// <summary>Whether the store is still the one that this connection, which is at rest, was opened to.</summary>
    public virtual bool IsOfStore() => true;

    /// <summary>Gives back what only a command in flight needs; returns whether the connection can be used again.</summary>
    public abstract ValueTask<bool> TryRestAsync();

    public ValueTask DisposeAsync()
    {
        Forget();
        return CloseAsync();
    }

    protected abstract ValueTask CloseAsync();

    private void Forget()
    {
        foreach (var command in _commands.Values)
            command.Dispose();
        _commands.Clear();
    }
}

/// <summary>A connection to a SQLite file of the KMS's own.</summary>
internal sealed class FileConnection(LocalKmsFile file) : StoreConnection
{
    private readonly SqliteConnection _connection = new(file.ConnectionString);
    private SqliteTransaction? _transaction;
    private DateTime? _made;

    public override DbConnection Connection => _connection;

    // One that was committed has no connection any more.
    public override DbTransaction? Transaction => _transaction is { Connection: not null } open ? open : null;

    public override int? CommandTimeout => file.TimeoutSeconds;

    public override async Task OpenAsync(CancellationToken cancellationToken)
    {
        if (_connection.State == ConnectionState.Open)
            return;
        var made = file.Made();
        await _connection.OpenAsync(cancellationToken).ConfigureAwait(false);
        _made = made == file.Made() ? made : null;
        var command = _connection.CreateCommand();
        await using (command.ConfigureAwait(false))
        {
            command.CommandText = SqlitePragmas.OfConnection(file.TimeoutSeconds);
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public override async Task<IAsyncDisposable> BeginAsync(IsolationLevel isolation, CancellationToken cancellationToken)
    {
        await OpenAsync(cancellationToken).ConfigureAwait(false);
        return _transaction = _connection.BeginTransaction(isolation);
    }

    public override Task CommitAsync(CancellationToken cancellationToken) => _transaction!.CommitAsync(cancellationToken);

    public override Task<T> RetryAsync<T>(Func<CancellationToken, Task<T>> run, CancellationToken cancellationToken)
        => run(cancellationToken);

    public override string Quote(string name) => $"\"{name}\"";

    public override string TypeOf(KmsColumn column)
        => column.Type == typeof(byte[]) ? "BLOB" : column.Type == typeof(string) || column.Type == typeof(DateTimeOffset) ? "TEXT" : "INTEGER";

    public override string LiteralOf(KmsColumn column, object value)
        => value switch
        {
            byte[] bytes => $"X'{Convert.ToHexString(bytes)}'",
            string text => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'",
            DateTimeOffset time => $"'{time.UtcDateTime:yyyy-MM-dd HH:mm:ss.FFFFFFF}+00:00'",
            bool flag => flag ? "1" : "0",
            _ => $"{value}",
        };

    public override DbParameter NewParameter(DbCommand command, string name, KmsColumn column, object? value)
        => new SqliteParameter(name, value ?? DBNull.Value);

    // Another process that reads at this moment keeps a part of it in the log, until the last one closes the file.
    public override async Task SettleAsync()
    {
        try
        {
            await Command(SqlitePragmas.EmptyLog).ExecuteNonQueryAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (SqliteException)
        {
        }
    }

    public override bool IsOfStore() => _made == file.Made();

    public override ValueTask<bool> TryRestAsync() => new(_connection.State == ConnectionState.Open && Transaction is null && IsOfStore());

    protected override ValueTask CloseAsync() => _connection.DisposeAsync();
}

/// <summary>A connection to a database of a server, made by Entity Framework's provider for it, with the retries and interceptors that it
/// was given.</summary>
internal sealed class ServerConnection(KmsDbContext context) : StoreConnection
{
    private readonly ISqlGenerationHelper _sql = context.GetService<ISqlGenerationHelper>();
    private readonly IRelationalTypeMappingSource _types = context.GetService<IRelationalTypeMappingSource>();

    public override DbConnection Connection => context.Database.GetDbConnection();

    public override DbTransaction? Transaction => context.Database.CurrentTransaction?.GetDbTransaction();

    public override int? CommandTimeout => context.Database.GetCommandTimeout();

    public override Task OpenAsync(CancellationToken cancellationToken) => context.Database.OpenConnectionAsync(cancellationToken);

    public override async Task<IAsyncDisposable> BeginAsync(IsolationLevel isolation, CancellationToken cancellationToken)
        => await context.Database.BeginTransactionAsync(isolation, cancellationToken).ConfigureAwait(false);

    public override Task CommitAsync(CancellationToken cancellationToken) => context.Database.CommitTransactionAsync(cancellationToken);

    public override Task<T> RetryAsync<T>(Func<CancellationToken, Task<T>> run, CancellationToken cancellationToken)
        => context.Database.CreateExecutionStrategy().ExecuteAsync(run, cancellationToken);

    public override string Quote(string name) => _sql.DelimitIdentifier(name);

    public override string TypeOf(KmsColumn column) => MappingOf(column).StoreType;

    public override string LiteralOf(KmsColumn column, object value) => MappingOf(column).GenerateSqlLiteral(value);

    public override DbParameter NewParameter(DbCommand command, string name, KmsColumn column, object? value)
        => MappingOf(column).CreateParameter(command, name, value, column.IsNullable);

    public override async ValueTask<bool> TryRestAsync()
    {
        if (Transaction is not null)
            return false;
        await context.Database.CloseConnectionAsync().ConfigureAwait(false);
        return Connection.State == ConnectionState.Closed;
    }

    protected override ValueTask CloseAsync() => context.DisposeAsync();

    private RelationalTypeMapping MappingOf(KmsColumn column)
        => _types.FindMapping(column.Type, storeTypeName: null, size: column.MaxLength)!;
}
