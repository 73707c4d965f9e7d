using System.Data.Common;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// Makes connections to the database of the application's connection, by the same means and with the same secrets, but in a pool of their own. In the
/// application's pool, callers that each hold a connection and wait for one more to read the keys would wait for each other until the pool's timeout.
/// Pools are told apart by their connection strings, so these have another application name.
/// </summary>
internal static class OwnPool
{
    private const BindingFlags Public = BindingFlags.Instance | BindingFlags.Public | BindingFlags.DoNotWrapExceptions;

    private static readonly string[] ApplicationNames = ["Application Name", "ApplicationName", "App"];
    private static readonly string[] MinimumSizes = ["Minimum Pool Size", "MinPoolSize", "Min Pool Size", "MinimumPoolSize"];
    private static readonly ConditionalWeakTable<DbDataSource, Origin> Origins = [];

    /// <summary>Makes a connection that is not open yet; the caller disposes it.</summary>
    public static async ValueTask<DbConnection> ConnectAsync(IRelationalConnection connection, bool synchronous, CancellationToken cancellationToken)
    {
        var used = connection.DbConnection;
        if (FindCloneWith(used) is not { } cloneWith)
            return Clone(used, connection.ConnectionString);
        if (FindDataSource(connection) is not { } source)
            return await CloneWithAsync(used, cloneWith, synchronous, cancellationToken).ConfigureAwait(false);

        // The passwords of a data source may change all the time, and each would have a pool: one is used for as long as it opens connections.
        var origin = Origins.GetOrCreateValue(source);
        if (origin.SharesPool)
            return (DbConnection)((ICloneable)used).Clone();
        if (origin.Prototype is not { } prototype)
            origin.Prototype = prototype = await CloneWithAsync(used, cloneWith, synchronous, cancellationToken).ConfigureAwait(false);
        return (DbConnection)((ICloneable)prototype).Clone();
    }

    /// <summary>
    /// Decides what becomes of a data source whose connection did not open in a pool of its own: its password is asked for again, and where it trusts its server by
    /// a callback, which Npgsql hands to no one, its own pool is used.
    /// </summary>
    /// <returns>Whether the next connection is another one.</returns>
    public static bool Renew(IRelationalConnection connection, Exception failure)
    {
        if (FindDataSource(connection) is not { } source || !Origins.TryGetValue(source, out var origin) || origin is { SharesPool: true } or { Prototype: null })
            return false;
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            if (cause is AuthenticationException)
                return origin.SharesPool = true;
            if (cause is DbException { SqlState: "28P01" or "28000" })
            {
                origin.Prototype = null;
                return true;
            }
        }

        return false;
    }

    /// <summary>Gives a connection string another application name, and no connections that nobody asked for.</summary>
    public static string Rename(string connectionString)
    {
        var parts = new DbConnectionStringBuilder { ConnectionString = connectionString };
        var given = "";
        foreach (var keyword in ApplicationNames)
        {
            if (parts.TryGetValue(keyword, out var value))
                given = Convert.ToString(value, CultureInfo.InvariantCulture)!;
            parts.Remove(keyword);
        }

        foreach (var keyword in MinimumSizes)
            parts.Remove(keyword);

        // SQL Server refuses a longer name.
        const string Keys = "EfEnvelope keys", Suffix = $" ({Keys})";
        parts[ApplicationNames[0]] = given.Length == 0 ? Keys : given[..Math.Min(given.Length, 128 - Suffix.Length)] + Suffix;
        return parts.ConnectionString;
    }

    // A clone has the secrets. SQL Server's client hides a password once a connection was opened, and gives a clone no other string with it: then the pool stays.
    private static DbConnection Clone(DbConnection used, string? connectionString)
    {
        var clone = (DbConnection)((ICloneable)used).Clone();
        if (connectionString is not null && !HidesPassword(connectionString))
            clone.ConnectionString = Rename(connectionString);
        return clone;
    }

    private static bool HidesPassword(string connectionString)
    {
        var parts = new DbConnectionStringBuilder { ConnectionString = connectionString };
        bool Has(params ReadOnlySpan<string> names)
        {
            foreach (var name in names)
            {
                if (parts.TryGetValue(name, out var value) && value is not "")
                    return true;
            }

            return false;
        }

        return Has("User ID", "Uid", "User") && !Has("Password", "Pwd");
    }

    // Npgsql's own way to another pool, which takes the password, from whatever provides it, and the TLS callbacks along. This library does not reference it.
    private static (MethodInfo Synchronous, MethodInfo Asynchronous)? FindCloneWith(DbConnection used)
        => used.GetType().GetMethod("CloneWith", [typeof(string)]) is { } synchronous
            && used.GetType().GetMethod("CloneWithAsync", [typeof(string), typeof(CancellationToken)]) is { } asynchronous
                ? (synchronous, asynchronous)
                : null;

    private static async ValueTask<DbConnection> CloneWithAsync(
        DbConnection used, (MethodInfo Synchronous, MethodInfo Asynchronous) cloneWith, bool synchronous, CancellationToken cancellationToken)
    {
        var connectionString = Rename(used.ConnectionString);
        if (synchronous)
            return (DbConnection)cloneWith.Synchronous.Invoke(used, Public, null, [connectionString], null)!;
        var cloning = cloneWith.Asynchronous.Invoke(used, Public, null, [connectionString, cancellationToken], null)!;
        var task = (Task)cloning.GetType().GetMethod("AsTask")!.Invoke(cloning, null)!;
        await task.ConfigureAwait(false);
        return (DbConnection)task.GetType().GetProperty("Result")!.GetValue(task)!;
    }

    // However it came to the context: by its options, from the application's services, made by EF Core's provider, or set later.
    private static DbDataSource? FindDataSource(IRelationalConnection connection)
        => connection.GetType().GetProperty("DbDataSource")?.GetValue(connection) as DbDataSource;

    private sealed class Origin
    {
        public volatile DbConnection? Prototype;
        public volatile bool SharesPool;
    }
}
