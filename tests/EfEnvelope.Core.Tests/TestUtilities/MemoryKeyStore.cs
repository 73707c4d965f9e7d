using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>
/// A key store in memory with the promises of a real one: unique versions, compare-and-set by revision, its own clock. It can fail,
/// and keeps a journal of what it was asked.
/// </summary>
internal sealed class MemoryKeyStore(TimeProvider time, List<string> journal) : IKeyStore
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<int, StoredKey> _rows = [];
    private readonly Dictionary<KeyScope, SortedDictionary<int, StoredKey>> _others = [];
    private readonly Dictionary<(int, string), long> _reserved = [];
    private int _reads;

    public int Reads => _reads;

    /// <summary>Gets or sets what every call throws, or <see langword="null" /> to work.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Gets or sets what is awaited after the rows were read and before they are handed out.</summary>
    public Func<Task> AfterRead { get; set; } = () => Task.CompletedTask;

    /// <summary>Gets or sets what is awaited after a row was added.</summary>
    public Func<Task> AfterAdd { get; set; } = () => Task.CompletedTask;

    /// <summary>Gets or sets how far the store's clock is ahead; negative when it is behind.</summary>
    public TimeSpan ClockSkew { get; set; }

    /// <summary>Gets or sets what is awaited before anything is written.</summary>
    public Func<Task> BeforeWrite { get; set; } = () => Task.CompletedTask;

    /// <summary>Gets or sets what is awaited before a row is updated.</summary>
    public Func<Task> BeforeUpdate { get; set; } = () => Task.CompletedTask;

    /// <summary>Gets or sets what the store makes of a row that it is given.</summary>
    public Func<StoredKey, StoredKey> Keep { get; set; } = key => key;

    /// <summary>Gets or sets whether an open transaction holds the store's only writer.</summary>
    public bool InTransaction { get; set; }

    public IReadOnlyList<StoredKey> Rows
    {
        get
        {
            lock (_lock)
                return [.. _rows.Values];
        }
    }

    public StoredKey this[int number]
    {
        get
        {
            lock (_lock)
                return _rows[number];
        }

        set
        {
            lock (_lock)
                _rows[number] = value;
        }
    }

    /// <summary>Gets the rows of a scope that is not the tests' own, the intermediate keys' among them.</summary>
    public SortedDictionary<int, StoredKey> RowsOf(KeyScope scope)
    {
        lock (_lock)
        {
            if (scope == RingWorld.Scope)
                return _rows;
            return _others.TryGetValue(scope, out var rows) ? rows : _others[scope] = [];
        }
    }

    public void Remove(int number)
    {
        lock (_lock)
            _rows.Remove(number);
    }

    public long Reserved(int number, string field)
    {
        lock (_lock)
            return _reserved.GetValueOrDefault((number, field));
    }

    public void Reserve(int number, string field, long count)
    {
        lock (_lock)
            _reserved[(number, field)] = count;
    }

    public async ValueTask<KeyStoreSnapshot> ReadAsync(KeyScope scope, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _reads);
        await BeginAsync("read");
        KeyStoreSnapshot snapshot;
        lock (_lock)
            snapshot = new KeyStoreSnapshot([.. RowsOf(scope).Values], time.GetUtcNow() + ClockSkew);
        await AfterRead();
        return snapshot;
    }

    public async ValueTask<bool> TryAddAsync(StoredKey key, CancellationToken cancellationToken)
    {
        await BeforeWrite();
        await BeginAsync($"add {key.Version}{(key.EncryptsFrom is null ? " unproved" : "")}");
        bool added;
        lock (_lock)
            added = RowsOf(key.Version.Scope).TryAdd(key.Version.Number, key);
        await AfterAdd();
        return added;
    }

    public async ValueTask<bool> TryUpdateAsync(StoredKey key, CancellationToken cancellationToken)
    {
        await BeforeUpdate();
        await BeginAsync($"update {key.Version}");
        lock (_lock)
        {
            var rows = RowsOf(key.Version.Scope);
            if (!rows.TryGetValue(key.Version.Number, out var row) || row.Revision != key.Revision)
                return false;
            rows[key.Version.Number] = Keep(key) with { Revision = key.Revision + 1 };
            return true;
        }
    }

    public Dictionary<string, long> KmsRequests { get; } = [];

    /// <summary>Gets or sets what counting requests to a KMS throws, or <see langword="null" /> to work.</summary>
    public Exception? UsageFailure { get; set; }

    public async ValueTask<long?> ReserveAsync(KeyVersion version, string field, long count, CancellationToken cancellationToken)
    {
        // Requests to the KMS are counted beside what the tests follow step by step.
        if (version.Scope == KeyScope.KmsUsage)
        {
            if (UsageFailure is not null)
                throw UsageFailure;
            lock (_lock)
                return KmsRequests[field] = KmsRequests.GetValueOrDefault(field) + count;
        }

        await BeginAsync("reserve");
        await BeforeWrite();
        if (InTransaction)
            return null;
        lock (_lock)
            return _reserved[(version.Number, field)] = _reserved.GetValueOrDefault((version.Number, field)) + count;
    }

    private async Task BeginAsync(string entry)
    {
        lock (journal)
            journal.Add(entry);
        await Task.Yield();
        if (Failure is not null)
            throw Failure;
    }
}

/// <summary>The same store, as a caller sees it who holds its only writer in an open transaction.</summary>
internal sealed class TransactionKeyStore(MemoryKeyStore inner) : IKeyStore
{
    public bool IsInTransaction => true;

    public ValueTask<KeyStoreSnapshot> ReadAsync(KeyScope scope, CancellationToken cancellationToken) => inner.ReadAsync(scope, cancellationToken);

    public ValueTask<bool> TryAddAsync(StoredKey key, CancellationToken cancellationToken) => throw new KeyUnavailableException("In a transaction.");

    public ValueTask<bool> TryUpdateAsync(StoredKey key, CancellationToken cancellationToken) => throw new KeyUnavailableException("In a transaction.");

    public ValueTask<long?> ReserveAsync(KeyVersion version, string field, long count, CancellationToken cancellationToken) => new((long?)null);
}
