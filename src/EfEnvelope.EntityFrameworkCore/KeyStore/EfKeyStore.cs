using System.Data.Common;
using System.Globalization;
using System.Transactions;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Storage;
using Row = System.Collections.Generic.Dictionary<string, object>;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>The key store in the application's own database.</summary>
/// <param name="connection">How the database is reached.</param>
/// <param name="synchronous">Whether a synchronous call waits: then all I/O is synchronous too, and needs no further thread.</param>
internal sealed class EfKeyStore(KeyStoreConnection connection, bool synchronous = false) : IKeyStore
{
    public bool IsInTransaction => connection.SharesTransaction;

    public bool SharesConnection => connection.IsBorrowed;

    public bool IsSynchronous => synchronous;

    public ValueTask<KeyStoreSnapshot> ReadAsync(KeyScope scope, CancellationToken cancellationToken)
        => GuardAsync(() => connection.IsBorrowedOpen ? ReadBorrowedAsync(scope, cancellationToken) : UseAsync(context => ReadOwnAsync(context, scope, cancellationToken)));

    public ValueTask<string?> FindTraceAsync(KeyVersion version, CancellationToken cancellationToken)
        => RunAsync(
            async context => version.Scope == KeyScope.Intermediate
                ? await FindDataKeyUnderAsync(context, version, cancellationToken).ConfigureAwait(false)
                : await FindUseAsync(context, version, cancellationToken).ConfigureAwait(false));

    /// <summary>Finds scopes of the application that have a version of this number, in the order of their names.</summary>
    public ValueTask<List<string>> FindScopesAsync(int version, int count, CancellationToken cancellationToken)
        => RunAsync(
            context => ToListAsync(
                OfApplications(context.Keys).Where(r => (int)r[EnvelopeTables.Version] == version)
                    .OrderBy(r => (string)r[EnvelopeTables.Scope]).Select(r => (string)r[EnvelopeTables.Scope]).Take(count),
                cancellationToken));

    public ValueTask<bool> TryAddAsync(StoredKey key, CancellationToken cancellationToken)
        => WriteAsync(
            context => TryInsertAsync(
                context,
                context.Keys,
                ToRow(key),
                context.Keys.Where(
                    r => (string)r[EnvelopeTables.Scope] == key.Version.Scope.Name && (int)r[EnvelopeTables.Version] == key.Version.Number),
                cancellationToken));

    public ValueTask<bool> TryUpdateAsync(StoredKey key, CancellationToken cancellationToken)
        => WriteAsync(
            async context =>
            {
                var row = ToRow(key);
                var changed = await UpdateAsync(
                    context.Keys.Where(
                        r => (string)r[EnvelopeTables.Scope] == key.Version.Scope.Name
                            && (int)r[EnvelopeTables.Version] == key.Version.Number
                            && (int)r[EnvelopeTables.Revision] == key.Revision),
                    set => set
                        .SetProperty(r => (string)r[EnvelopeTables.Status], (string)row[EnvelopeTables.Status])
                        .SetProperty(r => (string?)r[EnvelopeTables.WrappedKey], (string?)row[EnvelopeTables.WrappedKey])
                        .SetProperty(r => (string?)r[EnvelopeTables.EncryptsFrom], (string?)row[EnvelopeTables.EncryptsFrom])
                        .SetProperty(r => (string?)r[EnvelopeTables.EncryptsUntil], (string?)row[EnvelopeTables.EncryptsUntil])
                        .SetProperty(r => (string?)r[EnvelopeTables.SearchesFrom], (string?)row[EnvelopeTables.SearchesFrom])
                        .SetProperty(r => (string?)r[EnvelopeTables.UniqueFrom], (string?)row[EnvelopeTables.UniqueFrom])
                        .SetProperty(r => (string?)r[EnvelopeTables.RetiredAt], (string?)row[EnvelopeTables.RetiredAt])
                        .SetProperty(r => (int)r[EnvelopeTables.Revision], key.Revision + 1),
                    cancellationToken).ConfigureAwait(false);
                return changed == 1;
            });

    public async ValueTask<long?> ReserveAsync(KeyVersion version, string field, long count, CancellationToken cancellationToken)
    {
        if (connection.SharesTransaction)
            return null;
        return await RunAsync(
            async context =>
            {
                var usage = context.Usage.Where(
                    r => (string)r[EnvelopeTables.Scope] == version.Scope.Name
                        && (int)r[EnvelopeTables.Version] == version.Number
                        && (string)r[EnvelopeTables.Field] == field);
                var first = new Row
                {
                    [EnvelopeTables.Scope] = version.Scope.Name,
                    [EnvelopeTables.Version] = version.Number,
                    [EnvelopeTables.Field] = field,
                    [EnvelopeTables.Reserved] = count,
                };

                // Compare-and-set instead of "add": the sum that this process is told must be one that it made.
                while (true)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (await ToListAsync(usage.Select(r => (long)r[EnvelopeTables.Reserved]), cancellationToken).ConfigureAwait(false) is not [var reserved])
                    {
                        if (await TryInsertAsync(context, context.Usage, first, usage, cancellationToken).ConfigureAwait(false))
                            return count;
                        continue;
                    }

                    // Nobody counts down, or so far: the row was altered, and what it would allow may not be trusted.
                    if (reserved < 0 || reserved > long.MaxValue - count)
                        throw new EnvelopeDecryptionException(EnvelopeMessages.UsageRowMalformed(EnvelopeTables.Usage, version, field, reserved));
                    var total = reserved + count;
                    if (await UpdateAsync(
                            usage.Where(r => (long)r[EnvelopeTables.Reserved] == reserved),
                            set => set.SetProperty(r => (long)r[EnvelopeTables.Reserved], total),
                            cancellationToken).ConfigureAwait(false) == 1)
                        return total;
                }
            }).ConfigureAwait(false);
    }

    private async Task<string?> FindUseAsync(KeyStoreContext context, KeyVersion version, CancellationToken cancellationToken)
    {
        var used = await ToListAsync(
            context.Usage.Where(r => (string)r[EnvelopeTables.Scope] == version.Scope.Name && (int)r[EnvelopeTables.Version] >= version.Number)
                .OrderBy(r => (int)r[EnvelopeTables.Version]).Select(r => (int)r[EnvelopeTables.Version]).Take(1),
            cancellationToken).ConfigureAwait(false);
        if (used is [var number])
            return EnvelopeMessages.UsedInUsage(EnvelopeTables.Usage, new KeyVersion(version.Scope, number));

        // Whose a value is shows in nothing that is stored: it tells of lost keys where no scope has any, before it was read and after.
        return await HasKeysAsync(context, cancellationToken).ConfigureAwait(false)
            || await connection.FindValueAsync(context, synchronous, cancellationToken).ConfigureAwait(false) is not { } column
            || await HasKeysAsync(context, cancellationToken).ConfigureAwait(false)
                ? null
                : EnvelopeMessages.UsedByValue(column);
    }

    private async Task<string?> FindDataKeyUnderAsync(KeyStoreContext context, KeyVersion version, CancellationToken cancellationToken)
    {
        var name = $"\"{IntermediateWrapping.Scheme}:{version.Number.ToString(CultureInfo.InvariantCulture)}\"";
        var under = await ToListAsync(
            OfApplications(context.Keys).Where(r => ((string?)r[EnvelopeTables.WrappedKey])!.Contains(name))
                .Select(r => new { Scope = (string)r[EnvelopeTables.Scope], Version = (int)r[EnvelopeTables.Version] }).Take(1),
            cancellationToken).ConfigureAwait(false);
        return under is [var key] ? EnvelopeMessages.UsedByDataKey(EnvelopeTables.Keys, $"{key.Scope}:v{key.Version}") : null;
    }

    private async Task<bool> HasKeysAsync(KeyStoreContext context, CancellationToken cancellationToken)
        => (await ToListAsync(OfApplications(context.Keys).Select(r => (int)r[EnvelopeTables.Version]).Take(1), cancellationToken).ConfigureAwait(false)).Count > 0;

    private static IQueryable<Row> OfApplications(IQueryable<Row> keys) => keys.Where(r => !((string)r[EnvelopeTables.Scope]).StartsWith("~"));

    private Task<List<T>> ToListAsync<T>(IQueryable<T> query, CancellationToken cancellationToken)
        => synchronous ? Task.FromResult(query.ToList()) : query.ToListAsync(cancellationToken);

    private Task<int> UpdateAsync(IQueryable<Row> rows, Action<UpdateSettersBuilder<Row>> set, CancellationToken cancellationToken)
        => synchronous ? Task.FromResult(rows.ExecuteUpdate(set)) : rows.ExecuteUpdateAsync(set, cancellationToken);

    private async Task<bool> TryInsertAsync(
        KeyStoreContext context, DbSet<Row> table, Row row, IQueryable<Row> same, CancellationToken cancellationToken)
    {
        table.Add(row);
        try
        {
            if (synchronous)
                context.SaveChanges();
            else
                await context.SaveChangesAsync(cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (DbUpdateException)
        {
            context.ChangeTracker.Clear();
            if ((await ToListAsync(same, cancellationToken).ConfigureAwait(false)).Count > 0)
                return false;
            throw;
        }
        finally
        {
            context.ChangeTracker.Clear();
        }
    }

    // A new key inside somebody's transaction could be rolled back with it, while other rows are already written under it.
    private ValueTask<bool> WriteAsync(Func<KeyStoreContext, Task<bool>> write)
        => connection.SharesTransaction
            ? throw new KeyUnavailableException(EnvelopeMessages.KeyStoreInTransaction())
            : RunAsync(write);

    // The application's connection, open for the command that asks for the ring: a context of our own would have nothing to do there.
    private Task<KeyStoreSnapshot> ReadBorrowedAsync(KeyScope scope, CancellationToken cancellationToken)
    {
        var (user, borrowed, transaction, timeout) = connection.Borrow();
        return synchronous
            ? Task.FromResult(KeyRows.Read(user, borrowed, transaction, timeout, scope))
            : KeyRows.ReadAsync(user, borrowed, transaction, timeout, scope, cancellationToken);
    }

    private Task<KeyStoreSnapshot> ReadOwnAsync(KeyStoreContext context, KeyScope scope, CancellationToken cancellationToken)
    {
        var (database, strategy) = (context.Database, context.Database.CreateExecutionStrategy());
        return synchronous
            ? Task.FromResult(
                strategy.Execute(
                    () =>
                    {
                        database.OpenConnection();
                        try
                        {
                            return KeyRows.Read(
                                context, database.GetDbConnection(), database.CurrentTransaction?.GetDbTransaction(), database.GetCommandTimeout(), scope);
                        }
                        finally
                        {
                            database.CloseConnection();
                        }
                    }))
            : strategy.ExecuteAsync(
                async token =>
                {
                    await database.OpenConnectionAsync(token).ConfigureAwait(false);
                    try
                    {
                        return await KeyRows.ReadAsync(
                            context,
                            database.GetDbConnection(),
                            database.CurrentTransaction?.GetDbTransaction(),
                            database.GetCommandTimeout(),
                            scope,
                            token).ConfigureAwait(false);
                    }
                    finally
                    {
                        await database.CloseConnectionAsync().ConfigureAwait(false);
                    }
                },
                cancellationToken);
    }

    private ValueTask<T> RunAsync<T>(Func<KeyStoreContext, Task<T>> work) => GuardAsync(() => UseAsync(work));

    private async Task<T> UseAsync<T>(Func<KeyStoreContext, Task<T>> work)
    {
        try
        {
            return await UseOnceAsync(work).ConfigureAwait(false);
        }
        catch (Exception e) when (connection.CanReconnect(e))
        {
            return await UseOnceAsync(work).ConfigureAwait(false);
        }
    }

    private async Task<T> UseOnceAsync<T>(Func<KeyStoreContext, Task<T>> work)
    {
        var context = await connection.CreateAsync(synchronous, CancellationToken.None).ConfigureAwait(false);
        if (synchronous)
        {
            using (context)
                return await work(context).ConfigureAwait(false);
        }

        await using (context.ConfigureAwait(false))
            return await work(context).ConfigureAwait(false);
    }

    private static async ValueTask<T> GuardAsync<T>(Func<Task<T>> work)
    {
        // An ambient transaction is the application's: a key must not be rolled back with it.
        using var apart = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (Exception e) when (e is DbException or DbUpdateException or InvalidOperationException or TimeoutException)
        {
            throw new KeyUnavailableException(EnvelopeMessages.KeyStoreFailed(EnvelopeTables.Keys), e);
        }
    }

    private static Row ToRow(StoredKey key)
        => new()
        {
            [EnvelopeTables.Scope] = key.Version.Scope.Name,
            [EnvelopeTables.Version] = key.Version.Number,
            [EnvelopeTables.Status] = EnvelopeTables.StatusOf(key.Status),
            [EnvelopeTables.WrappedKey] = key.Wrapped?.ToString()!,
            [EnvelopeTables.Commitment] = Convert.ToBase64String(key.Commitment.Span),
            [EnvelopeTables.CreatedAt] = StoreTimes.Write(key.CreatedAt)!,
            [EnvelopeTables.EncryptsFrom] = StoreTimes.Write(key.EncryptsFrom)!,
            [EnvelopeTables.EncryptsUntil] = StoreTimes.Write(key.EncryptsUntil)!,
            [EnvelopeTables.SearchesFrom] = StoreTimes.Write(key.SearchesFrom)!,
            [EnvelopeTables.UniqueFrom] = StoreTimes.Write(key.UniqueFrom)!,
            [EnvelopeTables.RetiredAt] = StoreTimes.Write(key.RetiredAt)!,
            [EnvelopeTables.Revision] = key.Revision,
        };
}
