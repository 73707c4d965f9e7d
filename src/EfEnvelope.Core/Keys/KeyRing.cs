using System.Diagnostics;
using EfEnvelope.Diagnostics;
using EfEnvelope.Kms;

namespace EfEnvelope.Keys;

/// <summary>One version in a ring: the stored row, its unwrapped key, and why the KMS did not unwrap it anew.</summary>
/// <param name="Stored">The row.</param>
/// <param name="Key">The unwrapped key, or <see langword="null" /> when there is none.</param>
/// <param name="Failure">
/// What the KMS answered instead of unwrapping it, and a key may outlive that for a while; or that what it unwrapped is not the key.
/// </param>
/// <param name="VerifiedAt">When the KMS last unwrapped it.</param>
internal sealed record RingKey(StoredKey Stored, DataKey? Key, EnvelopeException? Failure = null, Moment VerifiedAt = default);

/// <summary>All versions of one scope: an immutable snapshot.</summary>
[DebuggerDisplay("KeyRing({Scope})")]
internal sealed class KeyRing
{
    /// <summary>How many versions may be live in searches at once: a query sends each value once for each of them.</summary>
    public const int MaxSearchVersions = 2;

    // A version has the time at which its making began; it is stored when a KMS has wrapped it.
    private static readonly TimeSpan LongestCreation = TimeSpan.FromHours(1);

    private readonly RingKey[] _keys;
    private readonly RingKey[] _searches;
    private readonly TimeProvider _time;
    private readonly DateTimeOffset _storeTime;
    private readonly Moment _readAt;

    public KeyRing(KeyScope scope, IEnumerable<RingKey> keys, DateTimeOffset storeTime, Moment readAt, TimeProvider time)
    {
        Scope = scope;
        _keys = [.. keys.OrderBy(k => k.Stored.Version.Number)];
        _searches = [.. _keys.Where(k => IsSearched(k.Stored))];
        _time = time;
        _storeTime = storeTime;
        _readAt = readAt;
    }

    public KeyScope Scope { get; }

    public IReadOnlyList<RingKey> Keys => _keys;

    /// <summary>Gets the stored rows of all versions.</summary>
    public IReadOnlyList<StoredKey> Rows => field ??= [.. _keys.Select(k => k.Stored)];

    /// <summary>Gets how long ago the key store was read.</summary>
    public TimeSpan Age => _readAt.Elapsed(_time);

    /// <summary>Gets how long ago the KMS unwrapped the key of this ring that it has not unwrapped for longest.</summary>
    public TimeSpan Unverified => _keys.Where(k => k.Key is not null).Select(k => k.VerifiedAt.Elapsed(_time)).DefaultIfEmpty(Age).Max();

    /// <summary>Gets what the key store's clock shows now, as told by the time since it was read.</summary>
    public DateTimeOffset StoreTime => _storeTime + Age;

    /// <summary>Gets the one version that encrypts now: the newest whose time has come, or the oldest when none has.</summary>
    /// <exception cref="KeyUnavailableException">There is none.</exception>
    public DataKey Primary => FindPrimary()?.Key ?? throw NoPrimary();

    /// <summary>Gets whether something is stored that can only be found under more than one version.</summary>
    public bool IsSearchRotating => _searches.Length > 1;

    /// <summary>Gets the version that writes what is compared: the newest whose time has come.</summary>
    /// <exception cref="EnvelopeException">There is none, or it may not be used.</exception>
    public DataKey SearchPrimary
    {
        get
        {
            var now = StoreTime;
            return RequireKey(_searches.LastOrDefault(k => k.Stored.SearchesFrom <= now) ?? _searches.FirstOrDefault() ?? throw NoSearchVersion());
        }
    }

    /// <summary>
    /// Gets the version that writes what a unique index compares: the oldest that is searched, because only values under one version can be seen to be
    /// equal, until every row has a second value under the next one, so that its time could be set.
    /// </summary>
    /// <exception cref="EnvelopeException">There is none, or it may not be used.</exception>
    public DataKey UniquePrimary
    {
        get
        {
            var now = StoreTime;
            return RequireKey(_searches.LastOrDefault(k => k.Stored.UniqueFrom <= now) ?? _searches.FirstOrDefault() ?? throw NoSearchVersion());
        }
    }

    /// <summary>
    /// Gets the version that writes the second value of what a unique index compares, or <see langword="null" /> while one version is live, so that none is
    /// needed. Whoever writes the first value under the old version and whoever writes it under the new one see each other by it.
    /// </summary>
    /// <exception cref="EnvelopeException">It may not be used.</exception>
    public DataKey? UniqueNext => _searches.Length > 1 ? RequireKey(_searches[^1]) : null;

    /// <summary>
    /// Gets the version under which a slot of a query looks: every version that stored values may be under has one, and when there are fewer versions
    /// than slots, the last is looked for more than once.
    /// </summary>
    /// <returns>The key, or <see langword="null" /> when there is no version yet, so that nothing can be found.</returns>
    /// <exception cref="EnvelopeException">The version may not be used, so that its rows would be missed.</exception>
    public DataKey? FindSearchKey(int slot)
        => _searches.Length switch
        {
            0 => IsShredded(_keys.Select(k => k.Stored)) ? throw new KeyDestroyedException(Messages.ScopeShredded(Scope)) : null,
            > MaxSearchVersions => throw new EnvelopeConfigurationException(Messages.TooManySearchVersions(Scope, _searches.Length, MaxSearchVersions)),
            var count => RequireKey(_searches[Math.Min(slot, count - 1)]),
        };

    /// <summary>
    /// Finds the versions that something may be written under now: the primary, and those that what is compared is written under; the next one of these even
    /// before its time, because the second value of what a unique index compares is.
    /// </summary>
    public IReadOnlyList<StoredKey> FindWriting()
    {
        RingKey?[] writing = [FindPrimary(), .. _searches];
        return [.. writing.Where(k => k?.Key is not null).Select(k => k!.Stored).DistinctBy(s => s.Version)];
    }

    /// <summary>Gets whether values that are compared may be stored under a version.</summary>
    public static bool IsSearched(StoredKey stored) => stored is { SearchesFrom: not null, RetiredAt: null, Status: not KeyVersionStatus.Destroyed };

    /// <summary>Gets whether every version that ever encrypted was destroyed.</summary>
    public static bool IsShredded(IEnumerable<StoredKey> keys)
    {
        var used = keys.Where(k => k.EncryptsFrom is not null).ToList();
        return used.Count > 0 && used.TrueForAll(k => k.Status == KeyVersionStatus.Destroyed);
    }

    /// <summary>
    /// Gets whether rows of the same database, which share a key with this ring, have a version that was made about when this ring was read or later, so that
    /// it was missed. An older version would have been there: rows that have it are of a copy of this database that has gone its own way since.
    /// </summary>
    public bool IsOutdatedBy(IReadOnlyList<StoredKey> rows)
        => rows.Any(r => Find((uint)r.Version.Number) is null && r.CreatedAt > _storeTime - LongestCreation) && rows.Any(r => Shares(r) is not null);

    /// <summary>Gets whether this ring has the key of a version that was destroyed.</summary>
    public bool HoldsDestroyed(IReadOnlyList<StoredKey> rows)
        => rows.Any(r => r.Status == KeyVersionStatus.Destroyed && Shares(r) is { Key: not null });

    /// <summary>Gets whether rows have another key under a number of this ring.</summary>
    public bool IsOfAnother(IReadOnlyList<StoredKey> rows) => rows.Any(r => Find((uint)r.Version.Number) is not null && Shares(r) is null);

    private RingKey? Shares(StoredKey row)
        => Find((uint)row.Version.Number) is { } key && key.Stored.Commitment.Span.SequenceEqual(row.Commitment.Span) ? key : null;

    public RingKey? FindPrimary() => FindPrimary(_keys, static k => k.Key is not null, StoreTime);

    /// <summary>Finds the version that would encrypt if the KMS unwrapped each one.</summary>
    public static StoredKey? FindPrimary(KeyStoreSnapshot snapshot)
        => FindPrimary(
            [.. snapshot.Keys.Select(k => new RingKey(k, null))], static k => k.Stored.Status == KeyVersionStatus.Enabled, snapshot.StoreTime)?.Stored;

    private static RingKey? FindPrimary(RingKey[] keys, Func<RingKey, bool> isUsable, DateTimeOffset now)
    {
        for (var i = keys.Length - 1; i >= 0; i--)
        {
            var stored = keys[i].Stored;
            if (isUsable(keys[i]) && stored.EncryptsFrom <= now && MayStillEncrypt(stored, now))
                return keys[i];
        }

        return FindOldest(keys, isUsable, now);
    }

    private static RingKey? FindOldest(RingKey[] keys, Func<RingKey, bool> isUsable, DateTimeOffset now)
    {
        // No time has come at all: the store's clock was set back, as by a failover to a server that is behind. The oldest proved
        // version is the one that every other process knows, too; one that was retired is none that they write under.
        return keys.Any(k => k.Stored.RetiredAt is null && k.Stored.EncryptsFrom <= now)
            ? null
            : keys.FirstOrDefault(k => isUsable(k) && k.Stored.EncryptsFrom is not null && MayStillEncrypt(k.Stored, now));
    }

    public RingKey? Find(uint number)
    {
        foreach (var key in _keys)
        {
            if ((uint)key.Stored.Version.Number == number)
                return key;
        }

        return null;
    }

    /// <summary>Gets the key that decrypts, or says why there is none.</summary>
    public static DataKey RequireKey(RingKey key)
        => key.Key ?? throw (key.Stored.Status switch
        {
            KeyVersionStatus.Destroyed => new KeyDestroyedException(Messages.KeyVersionDestroyed(key.Stored.Version)),
            KeyVersionStatus.Disabled => new KeyUnavailableException(Messages.KeyVersionDisabled(key.Stored.Version)),
            _ => FindAlarm(key) ?? (EnvelopeException)new KeyUnavailableException(Messages.KeyVersionNotUnwrapped(key.Stored.Version), key.Failure),
        });

    // Made anew each time: an exception that many callers throw would gather the stack traces of all of them.
    private static EnvelopeDecryptionException? FindAlarm(RingKey key)
        => key.Failure switch
        {
            EnvelopeDecryptionException altered => new EnvelopeDecryptionException(altered.Message),
            KmsException { Kind: KmsErrorKind.InvalidCiphertext }
                => new EnvelopeDecryptionException(Messages.WrappedKeyDoesNotOpen(key.Stored.Version)),
            _ => null,
        };

    private static bool MayStillEncrypt(StoredKey stored, DateTimeOffset now)
        => stored.RetiredAt is null && (stored.EncryptsUntil is not { } until || now <= until);

    private KeyUnavailableException NoSearchVersion() => new(Messages.NoSearchVersion(Scope));

    private Exception NoPrimary()
    {
        if (IsShredded(_keys.Select(k => k.Stored)))
            return new KeyDestroyedException(Messages.ScopeShredded(Scope));
        var newest = _keys.LastOrDefault(k => k.Failure is not null);
        return newest is not null && FindAlarm(newest) is { } alarm
            ? alarm
            : new KeyUnavailableException(Messages.NoPrimary(Scope), newest?.Failure);
    }
}
