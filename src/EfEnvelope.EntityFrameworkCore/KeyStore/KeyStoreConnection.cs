using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// How the key store of a context is reached. Servers get a connection of their own, outside the application's pool, so that nothing depends on the state of
/// the user's, and no reader of keys waits for a connection that its own waiters hold. SQLite has one writer, and an in-memory database one connection, so
/// there the user's own is borrowed.
/// </summary>
internal sealed class KeyStoreConnection(DbContext user) : IDisposable
{
    private const int MaxKnown = 1000;

    private static readonly ConcurrentDictionary<(string?, string, string, string?), KeyStoreIdentity> Known = new();

    private readonly IRelationalConnection _connection = user.GetService<IRelationalConnection>();
    private readonly Func<object, string?>? _findSchema
        = user.GetService<IDbContextOptions>().FindExtension<EnvelopeOptionsExtension>()?.Configuration.FindSchema;

    private string?[]? _modelSchema;
    private (DbConnection Connection, string ConnectionString, string Database, string? Schema) _identified;
    private KeyStoreIdentity? _identity;
    private bool? _mustLocate;
    private DbConnection? _watched;
    private bool _isLocated;
    private string? _foundSchema;

    /// <summary>Gets whether the store is reached through the user's own connection.</summary>
    public bool IsBorrowed => IsSqlite || _connection.DbConnection is not ICloneable;

    /// <summary>Gets whether the store is reached through a transaction of the user's, which may be rolled back.</summary>
    public bool SharesTransaction => IsBorrowed && _connection.CurrentTransaction?.GetDbTransaction().Connection is not null;

    /// <summary>
    /// Gets whether only an open connection tells where it leads: what intercepts its opening may choose the database, or the schema in which unqualified names
    /// are found. <see cref="LocateAsync" /> then comes before <see cref="Identity" />, once for each opening.
    /// </summary>
    public bool MustLocate => !IsLocated && (_mustLocate ??= !IsBorrowed && HasConnectionInterceptor);

    /// <summary>Gets what tells this key store from every other.</summary>
    public KeyStoreIdentity Identity
    {
        get
        {
            // As it was when its connection was open: a closed one may not know where it leads.
            if (_mustLocate == true && _identity is not null && IsLocated)
                return _identity;

            // Asked for by every command: a connection string is read once, and again only after it was changed.
            var connection = _connection.DbConnection;
            var seen = (connection, connection.ConnectionString, connection.Database, Schema);
            if (_identity is not null && _identified == seen)
                return _identity;
            _identified = seen;
            return _identity = Find(connection);
        }
    }

    /// <summary>Gets whether the context's model has a key store at all: it has none without an encrypted property.</summary>
    public bool HasKeyStore => EnvelopeTables.AreUsedBy(user.Model);

    /// <summary>Finds out where the context's connection leads, by opening it if need be, and by one command where neither the model nor the application says it.</summary>
    /// <exception cref="KeyUnavailableException">The database does not answer.</exception>
    public async ValueTask LocateAsync(bool synchronous, CancellationToken cancellationToken)
    {
        var connection = _connection.DbConnection;
        if (!ReferenceEquals(_watched, connection))
        {
            Dispose();
            connection.StateChange += OnStateChange;
            _watched = connection;
        }

        try
        {
            _ = synchronous ? _connection.Open() : await _connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                _foundSchema = NamedSchema is null ? await SchemaQuery.AskAsync(_connection, user.Database.ProviderName, synchronous, cancellationToken).ConfigureAwait(false) : null;
                _identity = Find(connection);
                _isLocated = true;
            }
            finally
            {
                // Counted by EF Core: what was open before stays open.
                if (synchronous)
                    _connection.Close();
                else
                    await _connection.CloseAsync().ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is DbException or InvalidOperationException or TimeoutException)
        {
            throw new KeyUnavailableException(EnvelopeMessages.KeyStoreFailed(EnvelopeTables.Keys), e);
        }
    }

    /// <summary>Does something with the store, over a connection that is open.</summary>
    public async Task<T> UseAsync<T>(Func<StoreLink, Task<T>> work, bool synchronous, CancellationToken cancellationToken)
    {
        if (IsBorrowed)
            return await UseBorrowedAsync(work, synchronous, cancellationToken).ConfigureAwait(false);
        try
        {
            return await UseOwnAsync(work, synchronous, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (OwnPool.Renew(_connection, e))
        {
            return await UseOwnAsync(work, synchronous, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<T> UseBorrowedAsync<T>(Func<StoreLink, Task<T>> work, bool synchronous, CancellationToken cancellationToken)
    {
        var connection = _connection.DbConnection;
        var transaction = SharesTransaction ? _connection.CurrentTransaction!.GetDbTransaction() : null;
        var link = new StoreLink(user, connection, transaction, UserOptions.CommandTimeout, Schema, synchronous);
        if (connection.State == ConnectionState.Open)
            return await work(link).ConfigureAwait(false);
        _ = synchronous ? _connection.Open() : await _connection.OpenAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await work(link).ConfigureAwait(false);
        }
        finally
        {
            if (synchronous)
                _connection.Close();
            else
                await _connection.CloseAsync().ConfigureAwait(false);
        }
    }

    private async Task<T> UseOwnAsync<T>(Func<StoreLink, Task<T>> work, bool synchronous, CancellationToken cancellationToken)
    {
        var context = await CreateAsync(synchronous, cancellationToken).ConfigureAwait(false);
        if (synchronous)
        {
            // In this mode all work ends before its task is returned.
            using (context)
                return context.Database.CreateExecutionStrategy().Execute(() => OnceAsync(CancellationToken.None).GetAwaiter().GetResult());
        }

        await using (context.ConfigureAwait(false))
            return await context.Database.CreateExecutionStrategy().ExecuteAsync(OnceAsync, cancellationToken).ConfigureAwait(false);

        async Task<T> OnceAsync(CancellationToken token)
        {
            var database = context.Database;
            if (synchronous)
                database.OpenConnection();
            else
                await database.OpenConnectionAsync(token).ConfigureAwait(false);
            try
            {
                return await work(new StoreLink(user, database.GetDbConnection(), null, database.GetCommandTimeout(), Schema, synchronous))
                    .ConfigureAwait(false);
            }
            finally
            {
                if (synchronous)
                    database.CloseConnection();
                else
                    await database.CloseConnectionAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>Makes a context for a connection of the store's own, in a pool apart from the application's.</summary>
    public async ValueTask<KeyStoreContext> CreateAsync(bool synchronous, CancellationToken cancellationToken)
    {
        var options = user.GetService<IDbContextOptions>();
        var own = await OwnPool.ConnectAsync(_connection, synchronous, cancellationToken).ConfigureAwait(false);
        var builder = new DbContextOptionsBuilder<KeyStoreContext>();
        ((IDbContextOptionsBuilderInfrastructure)builder).AddOrUpdateExtension(UserOptions.WithConnection(own, owned: true));

        // How many configurations an application has is told by its own contexts; this one must not fail for it.
        builder.ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        if (options.FindExtension<CoreOptionsExtension>()?.Interceptors?.OfType<IDbConnectionInterceptor>().ToList() is { Count: > 0 } interceptors)
            builder.AddInterceptors(interceptors);
        return new KeyStoreContext(builder.Options);
    }

    /// <summary>Finds an encrypted column of the context's model that holds a value.</summary>
    public Task<string?> FindValueAsync(StoreLink link, CancellationToken cancellationToken)
        => KeyTraces.FindColumnAsync(user.Model, link, cancellationToken);

    /// <summary>Stops to watch the connection.</summary>
    public void Dispose()
    {
        if (_watched is not null)
            _watched.StateChange -= OnStateChange;
        (_watched, _isLocated) = (null, false);
    }

    private bool IsSqlite => user.Database.ProviderName == "Microsoft.EntityFrameworkCore.Sqlite";

    private bool IsLocated => _isLocated && ReferenceEquals(_watched, _connection.DbConnection);

    private bool HasConnectionInterceptor
        => user.GetService<IDbContextOptions>().FindExtension<CoreOptionsExtension>()?.Interceptors?.Any(i => i is IDbConnectionInterceptor) == true
            || ((IInfrastructure<IServiceProvider>)user).Instance.GetServices<IInterceptor>().Any(i => i is IDbConnectionInterceptor);

    private string? ModelSchema => (_modelSchema ??= [EnvelopeTables.FindSchema(user.Model)])[0];

    // Where the tables are, as far as the model or the application says it.
    private string? NamedSchema => ModelSchema ?? _findSchema?.Invoke(user);

    /// <summary>Gets the schema of the tables, or <see langword="null" /> for the database's own default.</summary>
    public string? Schema => IsBorrowed ? ModelSchema : NamedSchema ?? _foundSchema;

    private RelationalOptionsExtension UserOptions => RelationalOptionsExtension.Extract(user.GetService<IDbContextOptions>());

    private void OnStateChange(object sender, StateChangeEventArgs e)
    {
        if (e.CurrentState == ConnectionState.Open)
            _isLocated = false;
    }

    // Contexts come and go, and connection strings stay: one is parsed once. What a relative path names depends on the directory of the process, and a
    // database that one connection keeps to itself on that connection, so these are looked at anew.
    private KeyStoreIdentity Find(DbConnection connection)
    {
        if (IsSqlite && !Path.IsPathFullyQualified(connection.DataSource))
            return Identify(connection);
        var seen = (user.Database.ProviderName, connection.ConnectionString, connection.Database, Schema);
        if (Known.TryGetValue(seen, out var identity))
            return identity;
        identity = Identify(connection);
        if (identity.Database is not string)
            return identity;
        if (Known.Count >= MaxKnown)
            Known.Clear();
        return Known.GetOrAdd(seen, identity);
    }

    private KeyStoreIdentity Identify(DbConnection connection)
        => IsSqlite ? new KeyStoreIdentity(SqliteDatabase.Identify(connection), "") : ServerDatabase.Identify(user.Database.ProviderName, connection, Schema);
}
