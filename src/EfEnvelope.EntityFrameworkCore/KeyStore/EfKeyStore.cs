using System.Data.Common;
using System.Globalization;
using System.Transactions;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>The key store in the application's own database.</summary>
/// <param name="connection">How the database is reached.</param>
/// <param name="synchronous">Whether a synchronous call waits: then all I/O is synchronous too, and needs no further thread.</param>
internal sealed class EfKeyStore(KeyStoreConnection connection, bool synchronous = false) : IKeyStore
{
    private static readonly StoreTable Keys = Find(EnvelopeTables.Keys);
    private static readonly StoreTable Usage = Find(EnvelopeTables.Usage);

    public bool IsInTransaction => connection.SharesTransaction;

    public bool SharesConnection => connection.IsBorrowed;

    public bool IsSynchronous => synchronous;

    public ValueTask<KeyStoreSnapshot> ReadAsync(KeyScope scope, CancellationToken cancellationToken)
        => RunAsync(link => KeyRows.ReadAsync(link, scope, cancellationToken), cancellationToken);

    public ValueTask<string?> FindTraceAsync(KeyVersion version, CancellationToken cancellationToken)
        => RunAsync(
            link => version.Scope == KeyScope.Intermediate
                ? FindDataKeyUnderAsync(link, version, cancellationToken)
                : FindUseAsync(link, version, cancellationToken),
            cancellationToken);

    /// <summary>Finds scopes of the application that have a version of this number, in the order of their names.</summary>
    public ValueTask<List<string>> FindScopesAsync(int version, int count, CancellationToken cancellationToken)
        => RunAsync(
            link =>
            {
                StoreValue[] where = [Keys.Value(EnvelopeTables.Version, version)];
                var scope = link.Quote(EnvelopeTables.Scope);
                return link.ReadAsync(
                    link.First($"{scope} FROM {link.Table(Keys)} WHERE {link.Where(where, 0)} AND {OfApplications(link)} ORDER BY {scope}", count),
                    where,
                    static row => row.GetString(0),
                    cancellationToken);
            },
            cancellationToken);

    public ValueTask<bool> TryAddAsync(StoredKey key, CancellationToken cancellationToken)
        => WriteAsync(link => link.TryInsertAsync(Keys, KeyRows.Write(key), cancellationToken), cancellationToken);

    public ValueTask<bool> TryUpdateAsync(StoredKey key, CancellationToken cancellationToken)
        => WriteAsync(
            async link =>
            {
                var row = KeyRows.Write(key with { Revision = key.Revision + 1 });
                var set = Keys.Columns.Select((c, i) => new StoreValue(c, row[i]))
                    .Where(v => v.Column.Name is not (EnvelopeTables.Scope or EnvelopeTables.Version or EnvelopeTables.Commitment or EnvelopeTables.CreatedAt));
                StoreValue[] where = [.. IsVersion(key.Version), Keys.Value(EnvelopeTables.Revision, key.Revision)];
                return await link.UpdateAsync(Keys, [.. set], where, cancellationToken).ConfigureAwait(false) == 1;
            },
            cancellationToken);

    public async ValueTask<long?> ReserveAsync(KeyVersion version, string field, long count, CancellationToken cancellationToken)
    {
        if (connection.SharesTransaction)
            return null;
        return await RunAsync(
            async link =>
            {
                StoreValue[] usage = [.. IsVersion(version), Usage.Value(EnvelopeTables.Field, field)];
                var query = $"SELECT {link.Quote(EnvelopeTables.Reserved)} FROM {link.Table(Usage)} WHERE {link.Where(usage, 0)}";

                // Compare-and-set instead of "add": the sum that this process is told must be one that it made.
                long? refused = null;
                while (true)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    var rows = await link.ReadAsync(query, usage, static r => r.IsDBNull(0) ? (long?)null : r.GetInt64(0), cancellationToken)
                        .ConfigureAwait(false);
                    if (rows.Count == 0)
                    {
                        if (await link.TryInsertAsync(Usage, [version.Scope.Name, version.Number, field, count], cancellationToken)
                            .ConfigureAwait(false))
                            return count;
                        continue;
                    }

                    // The counter is one, never goes down, nor this far up, and is what it is compared with: the row was altered, and
                    // what it would allow may not be trusted.
                    if (rows is not [{ } reserved] || reserved < 0 || reserved > long.MaxValue - count || reserved == refused)
                        throw new EnvelopeDecryptionException(EnvelopeMessages.UsageRowMalformed(EnvelopeTables.Usage, version, field));
                    var total = reserved + count;
                    if (await link.UpdateAsync(
                            Usage,
                            [Usage.Value(EnvelopeTables.Reserved, total)],
                            [.. usage, Usage.Value(EnvelopeTables.Reserved, reserved)],
                            cancellationToken).ConfigureAwait(false) == 1)
                        return total;
                    refused = reserved;
                }
            },
            cancellationToken).ConfigureAwait(false);
    }

    private async Task<string?> FindUseAsync(StoreLink link, KeyVersion version, CancellationToken cancellationToken)
    {
        StoreValue[] scope = [Usage.Value(EnvelopeTables.Scope, version.Scope.Name)];
        var number = link.Quote(EnvelopeTables.Version);
        var used = await link.ReadAsync(
            $"SELECT MIN({number}) FROM {link.Table(Usage)} WHERE {link.Where(scope, 0)} AND {number} >= {version.Number.ToString(CultureInfo.InvariantCulture)}",
            scope,
            static row => row.IsDBNull(0) ? (int?)null : (int)Math.Clamp(row.GetInt64(0), 1, int.MaxValue),
            cancellationToken).ConfigureAwait(false);
        if (used is [{ } first])
            return EnvelopeMessages.UsedInUsage(EnvelopeTables.Usage, new KeyVersion(version.Scope, first));

        // Whose a value is shows in nothing that is stored: it tells of lost keys where no scope has any, before it was read and after.
        return await HasKeysAsync(link, cancellationToken).ConfigureAwait(false)
            || await connection.FindValueAsync(link, cancellationToken).ConfigureAwait(false) is not { } column
            || await HasKeysAsync(link, cancellationToken).ConfigureAwait(false)
                ? null
                : EnvelopeMessages.UsedByValue(column);
    }

    // The scheme has none of the characters that LIKE gives a meaning.
    private static async Task<string?> FindDataKeyUnderAsync(StoreLink link, KeyVersion version, CancellationToken cancellationToken)
    {
        var name = $"\"{IntermediateWrapping.Scheme}:{version.Number.ToString(CultureInfo.InvariantCulture)}\"";
        var columns = $"{link.Quote(EnvelopeTables.Scope)}, {link.Quote(EnvelopeTables.Version)}";
        var under = await link.ReadAsync(
            link.First($"{columns} FROM {link.Table(Keys)} WHERE {OfApplications(link)} AND {link.Quote(EnvelopeTables.WrappedKey)} LIKE '%{name}%'", 1),
            [],
            static row => $"{row.GetString(0)}:v{row.GetInt32(1)}",
            cancellationToken).ConfigureAwait(false);
        return under is [var key] ? EnvelopeMessages.UsedByDataKey(EnvelopeTables.Keys, key) : null;
    }

    private static async Task<bool> HasKeysAsync(StoreLink link, CancellationToken cancellationToken)
        => (await link.ReadAsync(link.First($"1 FROM {link.Table(Keys)} WHERE {OfApplications(link)}", 1), [], static _ => true, cancellationToken)
            .ConfigureAwait(false))
            .Count > 0;

    // Those of EfEnvelope itself begin with a tilde, which comes after every letter and digit.
    private static string OfApplications(StoreLink link)
        => $"{EnvelopeTablesSql.ByBytes(link.Provider, link.Quote(EnvelopeTables.Scope))} < '~'";

    private static StoreTable Find(string name) => EnvelopeTables.All.Single(t => t.Name == name);

    private static StoreValue[] IsVersion(KeyVersion version)
        => [Keys.Value(EnvelopeTables.Scope, version.Scope.Name), Keys.Value(EnvelopeTables.Version, version.Number)];

    // A new key inside a transaction of the application could be rolled back with it, while other rows are already written under it.
    private ValueTask<bool> WriteAsync(Func<StoreLink, Task<bool>> write, CancellationToken cancellationToken)
        => connection.SharesTransaction
            ? throw new KeyUnavailableException(EnvelopeMessages.KeyStoreInTransaction())
            : RunAsync(write, cancellationToken);

    private async ValueTask<T> RunAsync<T>(Func<StoreLink, Task<T>> work, CancellationToken cancellationToken)
    {
        // An ambient transaction is the application's: a key must not be rolled back with it.
        using var apart = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        try
        {
            return await connection.UseAsync(work, synchronous, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is DbException or RetryLimitExceededException or InvalidOperationException or InvalidCastException or TimeoutException)
        {
            throw new KeyUnavailableException(EnvelopeMessages.KeyStoreFailed(EnvelopeTables.Keys), e);
        }
    }
}
