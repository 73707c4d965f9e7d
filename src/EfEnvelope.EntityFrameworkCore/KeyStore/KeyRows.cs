using System.Data.Common;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>
/// Reads all versions of a scope, and before them the database's clock, in one round trip; and lays out a version as a row.
/// </summary>
internal static class KeyRows
{
    private static readonly StoreTable Table = EnvelopeTables.All.Single(t => t.Name == EnvelopeTables.Keys);

    /// <summary>Reads the versions of a scope.</summary>
    public static async Task<KeyStoreSnapshot> ReadAsync(StoreLink link, KeyScope scope, CancellationToken cancellationToken)
    {
        StoreValue[] where = [new(Table.Columns[0], scope.Name)];
        var keys = new Found(scope);
        string? time = null;
        await link.ReadAsync(
            $"{DatabaseClock.Sql(link.Provider)}; SELECT {string.Join(", ", Table.Columns.Select(c => link.Quote(c.Name)))} FROM {link.Table(Table)}"
                + $" WHERE {link.Where(where, 0)}",
            where,
            row =>
            {
                if (time is null)
                    time = row.GetString(0);
                else
                    keys.Add(row);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
        return keys.ToSnapshot(time!);
    }

    /// <summary>Lays out a version as a row, in the order of the table's columns.</summary>
    public static object?[] Write(StoredKey key)
        =>
        [
            key.Version.Scope.Name,
            key.Version.Number,
            EnvelopeTables.StatusOf(key.Status),
            key.Wrapped?.ToString(),
            Convert.ToBase64String(key.Commitment.Span),
            StoreTimes.Write(key.CreatedAt),
            StoreTimes.Write(key.EncryptsFrom),
            StoreTimes.Write(key.EncryptsUntil),
            StoreTimes.Write(key.SearchesFrom),
            StoreTimes.Write(key.UniqueFrom),
            StoreTimes.Write(key.RetiredAt),
            key.Revision,
        ];

    /// <summary>What was read of one scope.</summary>
    private sealed class Found(KeyScope scope)
    {
        private readonly List<StoredKey> _keys = new(1);
        private EnvelopeDecryptionException? _malformed;

        // A database that compares without regard to case or spaces at the end answers with rows of other scopes, too. One intermediate key that cannot be read
        // concerns the scopes under it, and no other; each of them says so when it is opened.
        public void Add(DbDataReader row)
        {
            if (row.GetValue(0) as string != scope.Name)
                return;
            try
            {
                _keys.Add(ToKey(row));
            }
            catch (EnvelopeDecryptionException e) when (scope == KeyScope.Intermediate)
            {
                _malformed ??= e;
            }
        }

        public KeyStoreSnapshot ToSnapshot(string time)
        {
            if (_keys.Count == 0 && _malformed is not null)
                throw _malformed;
            _keys.Sort(static (a, b) => a.Version.Number.CompareTo(b.Version.Number));
            return new KeyStoreSnapshot(_keys, StoreTimes.Parse(time)!.Value);
        }
    }

    private static StoredKey ToKey(DbDataReader row)
    {
        try
        {
            return new StoredKey
            {
                Version = new KeyVersion(KeyScope.FromStore(row.GetString(0)), row.GetInt32(1)),
                Status = Enum.Parse<KeyVersionStatus>(row.GetString(2), ignoreCase: true) is var status && Enum.IsDefined(status) ? status : throw new FormatException(),
                Wrapped = Find(row, 3) is { } wrapped ? WrappedKey.Parse(wrapped) : null,
                Commitment = Convert.FromBase64String(row.GetString(4)),
                CreatedAt = StoreTimes.Parse(row.GetString(5))!.Value,
                EncryptsFrom = StoreTimes.Parse(Find(row, 6)),
                EncryptsUntil = StoreTimes.Parse(Find(row, 7)),
                SearchesFrom = StoreTimes.Parse(Find(row, 8)),
                UniqueFrom = StoreTimes.Parse(Find(row, 9)),
                RetiredAt = StoreTimes.Parse(Find(row, 10)),
                Revision = row.GetInt32(11),
            };
        }
        catch (Exception e) when (e is FormatException or ArgumentException or OverflowException or InvalidCastException or InvalidOperationException)
        {
            throw new EnvelopeDecryptionException(EnvelopeMessages.KeyRowMalformed(EnvelopeTables.Keys, row.GetValue(0), row.GetValue(1)));
        }
    }

    private static string? Find(DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
