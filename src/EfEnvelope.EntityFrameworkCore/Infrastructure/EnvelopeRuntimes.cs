namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>
/// Finds the runtime of a configuration: contexts with equal configurations share one, however many options they were built by. A runtime ends, and its keys
/// are zeroed, when no options and no context hold it and it is no longer kept for the next ones. EF Core's internal services know nothing of it, so that any
/// number of configurations shares one model and one query cache.
/// </summary>
/// <param name="maxKept">How many runtimes are kept while nobody holds them: the next request may build equal options.</param>
internal sealed class EnvelopeRuntimes(int maxKept)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<RuntimeKey, Entry> _entries = [];

    /// <summary>Gets those of this process.</summary>
    public static EnvelopeRuntimes Shared { get; } = new(maxKept: 1000);

    /// <summary>Takes part in the runtime of a configuration. What is returned must be held for as long as the runtime is used.</summary>
    public RuntimeLease Lease(EnvelopeOptionsBuilder configuration)
    {
        var key = new RuntimeKey(configuration);
        lock (_gate)
        {
            if (!_entries.TryGetValue(key, out var entry))
            {
                // Where the application brings the internal service provider, EF Core validates no options.
                configuration.Validate();
                Trim();
                _entries.Add(key, entry = new Entry(key, new EnvelopeRuntime(configuration)));
            }

            if (!entry.Lease.TryGetTarget(out var lease))
            {
                entry.Lease.SetTarget(lease = new RuntimeLease(this, entry.Key, entry.Runtime));
                entry.Leases++;
            }

            (entry.Kept, entry.UsedAt) = (lease, Environment.TickCount64);
            return lease;
        }
    }

    // Called by the finalizer of a lease. Another one may have been given out since nobody could reach this one any more.
    internal void Release(RuntimeKey key)
    {
        EnvelopeRuntime runtime;
        lock (_gate)
        {
            var entry = _entries[key];
            if (--entry.Leases > 0)
                return;
            _entries.Remove(key);
            runtime = entry.Runtime;
        }

        ThreadPool.UnsafeQueueUserWorkItem(static r => r.DisposeQuietly(), runtime, preferLocal: false);
    }

    // Lets go of those that nobody asked for in the time that rings are kept, and of the oldest tenth when there are too many. One that is in use is held
    // by its user, and still found.
    private void Trim()
    {
        var now = Environment.TickCount64;
        var kept = _entries.Values.Where(e => e.Kept is not null).OrderBy(e => e.UsedAt).ToList();
        var surplus = kept.Count < maxKept ? 0 : kept.Count - maxKept + Math.Max(1, maxKept / 10);
        for (var i = 0; i < kept.Count; i++)
        {
            if (i < surplus || TimeSpan.FromMilliseconds(now - kept[i].UsedAt) > kept[i].Runtime.KeptFor)
                kept[i].Kept = null;
        }
    }

    private sealed class Entry(RuntimeKey key, EnvelopeRuntime runtime)
    {
        public RuntimeKey Key => key;

        public EnvelopeRuntime Runtime => runtime;

        public WeakReference<RuntimeLease> Lease { get; } = new(null!);

        public int Leases { get; set; }

        public RuntimeLease? Kept { get; set; }

        public long UsedAt { get; set; }
    }
}

/// <summary>A part in a runtime, held by options and contexts. The runtime ends when the last one is collected.</summary>
internal sealed class RuntimeLease(EnvelopeRuntimes owner, RuntimeKey key, EnvelopeRuntime runtime)
{
    ~RuntimeLease() => owner.Release(key);

    public EnvelopeRuntime Runtime => runtime;
}

/// <summary>
/// What tells one configuration from another. The scope is not part of it: it belongs to the context, so that tenants share KMS clients.
/// </summary>
internal sealed class RuntimeKey : IEquatable<RuntimeKey>
{
    private readonly EnvelopeOptions _options;
    private readonly TimeProvider _time;
    private readonly object[] _kms;
    private readonly int _hash;

    public RuntimeKey(EnvelopeOptionsBuilder configuration)
    {
        (_options, _time, _kms) = (configuration.Options with { Scope = "" }, configuration.TimeProvider, [.. configuration.Kms.Select(k => k.Identity)]);
        var hash = new HashCode();
        hash.Add(_options);
        hash.Add(_time);
        foreach (var identity in _kms)
            hash.Add(identity);
        _hash = hash.ToHashCode();
    }

    // The reference first: a finalizer looks for it, which must not run code of others.
    public bool Equals(RuntimeKey? other)
        => ReferenceEquals(this, other)
            || (other is not null
                && _hash == other._hash
                && _options == other._options
                && ReferenceEquals(_time, other._time)
                && _kms.AsSpan().SequenceEqual(other._kms));

    public override bool Equals(object? obj) => Equals(obj as RuntimeKey);

    public override int GetHashCode() => _hash;
}
