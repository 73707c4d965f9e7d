using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// How the key store of a context is reached. Servers get a connection of their own, so that nothing depends on the state of
/// the user's. SQLite has one writer, and an in-memory database one connection, so there the user's own is borrowed.
/// </summary>
internal sealed class KeyStoreConnection(DbContext user)
{
    private const string PostgreSql = "Npgsql.EntityFrameworkCore.PostgreSQL";
    private const string SqlServer = "Microsoft.EntityFrameworkCore.SqlServer";
    private static readonly string[] ApplicationNames = ["Application Name", "ApplicationName", "App"];

    private const int MaxKnown = 1000;

    private static readonly ConcurrentDictionary<(string?, string, string, string, string?), KeyStoreIdentity> Known = new();

    private readonly IRelationalConnection _connection = user.GetService<IRelationalConnection>();
    private (DbConnection Connection, string ConnectionString, string Database) _identified;
    private KeyStoreIdentity? _identity;

    /// <summary>Gets whether the store is reached through the user's own connection.</summary>
    public bool IsBorrowed => IsSqlite || UserOptions.Connection is { } given and not ICloneable;

    /// <summary>Gets whether the store is reached through a transaction of the user's, which may be rolled back.</summary>
    public bool SharesTransaction => IsBorrowed && _connection.CurrentTransaction?.GetDbTransaction().Connection is not null;

    /// <summary>Gets whether the user's own connection is borrowed and open, as it is while a command of the user's waits for its ring.</summary>
    public bool IsBorrowedOpen => IsBorrowed && _connection.DbConnection.State == ConnectionState.Open && HasKeyStore;

    /// <summary>Gets the user's own connection for a command, with the transaction that is open on it and the timeout of commands that the user configured.</summary>
    public (DbContext User, DbConnection Connection, DbTransaction? Transaction, int? Timeout) Borrow()
        => (user, _connection.DbConnection, SharesTransaction ? _connection.CurrentTransaction!.GetDbTransaction() : null, UserOptions.CommandTimeout);

    /// <summary>Gets what tells this key store from every other.</summary>
    public KeyStoreIdentity Identity
    {
        get
        {
            // Asked for by every command: a connection string is read once, and again only after it was changed.
            var connection = _connection.DbConnection;
            var seen = (connection, connection.ConnectionString, connection.Database);
            if (_identity is not null && _identified == seen)
                return _identity;
            _identified = seen;
            return _identity = Find(connection);
        }
    }

    // Contexts come and go, and connection strings stay: one is parsed once. What a relative path names depends on the directory of the process, and a
    // database that one connection keeps to itself on that connection, so these are looked at anew.
    private KeyStoreIdentity Find(DbConnection connection)
    {
        if (IsSqlite && !Path.IsPathFullyQualified(connection.DataSource))
            return Identify(connection);
        var seen = (user.Database.ProviderName, connection.ConnectionString, connection.DataSource, connection.Database, Schema);
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
    {
        var parts = new DbConnectionStringBuilder { ConnectionString = connection.ConnectionString };
        if (IsSqlite)
            return new KeyStoreIdentity(SqliteDatabase.Identify(connection, parts), "");

        // Users, search paths and default schemas may find other tables in the same database.
        foreach (var secret in new[] { "Password", "Pwd" })
            parts.Remove(secret);
        return new KeyStoreIdentity(
            $"{user.Database.ProviderName}|{connection.DataSource}|{connection.Database}", $"{parts}|{Schema}");
    }

    /// <summary>Gets whether the context's model has a key store at all: it has none without an encrypted property.</summary>
    public bool HasKeyStore => user.Model.FindEntityType(EnvelopeTables.Keys) is not null;

    private bool IsSqlite => user.Database.ProviderName == "Microsoft.EntityFrameworkCore.Sqlite";

    /// <summary>Opens a context over the key store's tables; the caller disposes it.</summary>
    public KeyStoreContext Create()
    {
        var options = user.GetService<IDbContextOptions>();
        var provider = options.Extensions.OfType<RelationalOptionsExtension>().Single();
        var builder = new DbContextOptionsBuilder<KeyStoreContext>();
        ((IDbContextOptionsBuilderInfrastructure)builder).AddOrUpdateExtension(Redirect(provider));

        // How many configurations an application has is told by its own contexts; this one must not fail for it.
        builder.ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        builder.ReplaceService<IModelCacheKeyFactory, KeyStoreContext.SchemaCacheKeyFactory>();
        if (options.FindExtension<CoreOptionsExtension>()?.Interceptors?.OfType<IDbConnectionInterceptor>().ToList() is { Count: > 0 } interceptors)
            builder.AddInterceptors(interceptors);

        var context = new KeyStoreContext(builder.Options, Schema);

        // Given afterwards, not by the options: from those, EF Core would set up a SQLite connection anew, which SQLite refuses
        // while a reader is open on it.
        if (IsBorrowed)
            context.Database.SetDbConnection(_connection.DbConnection);
        if (SharesTransaction)
            context.Database.UseTransaction(_connection.CurrentTransaction!.GetDbTransaction());
        return context;
    }

    private string? Schema => user.Model.FindEntityType(EnvelopeTables.Keys)?.GetSchema();

    private RelationalOptionsExtension UserOptions => RelationalOptionsExtension.Extract(user.GetService<IDbContextOptions>());

    private RelationalOptionsExtension Redirect(RelationalOptionsExtension provider)
    {
        if (IsBorrowed)
        {
            return provider.WithExecutionStrategyFactory(null)
                .WithConnectionString(null)
                .WithConnection(null);
        }

        // PostgreSQL's and SQL Server's connections can be cloned, secrets included; one that cannot is shared.
        if ((provider.Connection ?? ConnectionSetLater(provider)) is ICloneable given)
            return provider.WithConnection((DbConnection)given.Clone(), owned: true);

        // A data source brings its own secrets; else the string the context uses now, which may have been set since.
        return HasDataSource(provider) ? provider : provider.WithConnectionString(WithOwnPool(_connection.ConnectionString));
    }

    // A connection given by 'SetDbConnection' no longer shows its secrets once it was opened. EF Core then has no string of its
    // own, and answers with the connection's.
    private DbConnection? ConnectionSetLater(RelationalOptionsExtension provider)
        => !HasDataSource(provider)
            && _connection.ConnectionString != provider.ConnectionString
            && _connection.ConnectionString == _connection.DbConnection.ConnectionString
                ? _connection.DbConnection
                : null;

    // Pools are told apart by their strings. In the user's pool, writers that each hold a connection and wait for one more to read
    // the keys would wait for each other until the pool's timeout.
    private string? WithOwnPool(string? connectionString)
    {
        if (connectionString is null || user.Database.ProviderName is not (PostgreSql or SqlServer))
            return connectionString;
        var parts = new DbConnectionStringBuilder { ConnectionString = connectionString };
        var given = "";
        foreach (var keyword in ApplicationNames)
        {
            if (parts.TryGetValue(keyword, out var value))
                given = value.ToString()!;
            parts.Remove(keyword);
        }

        // SQL Server refuses a longer name.
        const string Keys = "EfEnvelope keys", Suffix = $" ({Keys})";
        parts[ApplicationNames[0]] = given.Length == 0 ? Keys : given[..Math.Min(given.Length, 128 - Suffix.Length)] + Suffix;
        return parts.ConnectionString;
    }

    // Known to Npgsql's options only, which this library does not reference.
    private static bool HasDataSource(RelationalOptionsExtension provider)
        => provider.GetType().GetProperty("DataSource")?.GetValue(provider) is DbDataSource;
}
