using System.Data.Common;
using System.Globalization;
using System.Transactions;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Query;
using Row = System.Collections.Generic.Dictionary<string, object>;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>The key store in the application's own database.</summary>
/// <param name="connection">How the database is reached.</param>
/// <param name="synchronous">Whether a synchronous call waits: then all I/O is synchronous too, and needs no further thread.</param>
internal sealed class EfKeyStore(KeyStoreConnection connection, bool synchronous = false) : IKeyStore
{
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'";

    public bool IsInTransaction => connection.SharesTransaction;

    public bool SharesConnection => connection.IsBorrowed;

    public ValueTask<KeyStoreSnapshot> ReadAsync(KeyScope scope, CancellationToken cancellationToken)
        => RunAsync(
            async context =>
            {
                var time = await ReadTimeAsync(context, cancellationToken).ConfigureAwait(false);
                var rows = await ToListAsync(
                    context.Keys.AsNoTracking().Where(row => (string)row[EnvelopeTables.Scope] == scope.Name), cancellationToken).ConfigureAwait(false);
                return new KeyStoreSnapshot([.. rows.Select(ToKey).OrderBy(k => k.Version.Number)], time);
            });

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

                    var total = checked(reserved + count);
                    if (await UpdateAsync(
                            usage.Where(r => (long)r[EnvelopeTables.Reserved] == reserved),
                            set => set.SetProperty(r => (long)r[EnvelopeTables.Reserved], total),
                            cancellationToken).ConfigureAwait(false) == 1)
                        return total;
                }
            }).ConfigureAwait(false);
    }

    private async Task<DateTimeOffset> ReadTimeAsync(KeyStoreContext context, CancellationToken cancellationToken)
    {
        var text = await ToListAsync(
            context.Database.SqlQueryRaw<string>(DatabaseClock.Sql(context.Database.ProviderName)), cancellationToken).ConfigureAwait(false);
        return ParseTime(text[0])!.Value;
    }

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

    private async ValueTask<T> RunAsync<T>(Func<KeyStoreContext, Task<T>> work)
    {
        // An ambient transaction is the application's: a key must not be rolled back with it.
        using var apart = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        try
        {
            if (synchronous)
            {
                using var context = connection.Create();
                return await work(context).ConfigureAwait(false);
            }
            else
            {
                var context = connection.Create();
                await using (context.ConfigureAwait(false))
                    return await work(context).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is DbException or DbUpdateException or InvalidOperationException or TimeoutException)
        {
            throw new KeyUnavailableException(EnvelopeMessages.KeyStoreFailed(EnvelopeTables.Keys), e);
        }
    }

    private static StoredKey ToKey(Row row)
    {
        try
        {
            return new StoredKey
            {
                Version = new KeyVersion(KeyScope.FromStore((string)row[EnvelopeTables.Scope]), (int)row[EnvelopeTables.Version]),
                Status = Enum.Parse<KeyVersionStatus>((string)row[EnvelopeTables.Status], ignoreCase: true),
                Wrapped = Get(row, EnvelopeTables.WrappedKey) is { } wrapped ? WrappedKey.Parse(wrapped) : null,
                Commitment = Convert.FromBase64String((string)row[EnvelopeTables.Commitment]),
                CreatedAt = ParseTime((string)row[EnvelopeTables.CreatedAt])!.Value,
                EncryptsFrom = ParseTime(Get(row, EnvelopeTables.EncryptsFrom)),
                EncryptsUntil = ParseTime(Get(row, EnvelopeTables.EncryptsUntil)),
                SearchesFrom = ParseTime(Get(row, EnvelopeTables.SearchesFrom)),
                UniqueFrom = ParseTime(Get(row, EnvelopeTables.UniqueFrom)),
                RetiredAt = ParseTime(Get(row, EnvelopeTables.RetiredAt)),
                Revision = (int)row[EnvelopeTables.Revision],
            };
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            throw new EnvelopeDecryptionException(
                EnvelopeMessages.KeyRowMalformed(EnvelopeTables.Keys, row[EnvelopeTables.Scope], row[EnvelopeTables.Version]));
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
            [EnvelopeTables.CreatedAt] = FormatTime(key.CreatedAt)!,
            [EnvelopeTables.EncryptsFrom] = FormatTime(key.EncryptsFrom)!,
            [EnvelopeTables.EncryptsUntil] = FormatTime(key.EncryptsUntil)!,
            [EnvelopeTables.SearchesFrom] = FormatTime(key.SearchesFrom)!,
            [EnvelopeTables.UniqueFrom] = FormatTime(key.UniqueFrom)!,
            [EnvelopeTables.RetiredAt] = FormatTime(key.RetiredAt)!,
            [EnvelopeTables.Revision] = key.Revision,
        };

    private static string? Get(Row row, string name) => row.TryGetValue(name, out var value) ? (string?)value : null;

    private static string? FormatTime(DateTimeOffset? time) => time?.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);

    private static DateTimeOffset? ParseTime(string? text)
        => text is null ? null : DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);
}
