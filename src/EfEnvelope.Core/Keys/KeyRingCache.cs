using EfEnvelope.Kms;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Keys;

/// <summary>The rings of all scopes of all databases that share one KMS configuration.</summary>
internal sealed class KeyRingCache : IDisposable
{
    private readonly MemoryCache _slots = new(new MemoryCacheOptions());
    private readonly ScopeSlots _peers = new();
    private readonly Lock _adding = new();
    private readonly KeyWrapping _wrapping;
    private readonly EnvelopeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public KeyRingCache(IReadOnlyList<IKeyWrapper> wrappers, EnvelopeOptions options, TimeProvider time, ILogger logger)
    {
        _wrapping = new KeyWrapping(wrappers, options.KmsTimeout);
        (_options, _time, _logger) = (options, time, logger);
        KeyRingCaches.Add(this);
    }

    /// <summary>Gets what changes stored versions by hand, asking the KMS anew. Whoever used it reloads the slot of the scope.</summary>
    public KeyRingAdministration Administration => new(NewOpener(), _options, _logger);

    /// <summary>Gets how long rings are kept that nobody asks for: a context that is in use asks for its ring at least once in an interval.</summary>
    public static TimeSpan KeptFor(EnvelopeOptions options) => (2 * options.RefreshInterval) + options.StaleIfErrorFor;

    /// <summary>Gets the KEKs that are configured.</summary>
    public KeyWrapping Wrapping => _wrapping;

    /// <summary>Gets the rings that are held now; none once this is disposed.</summary>
    public IReadOnlyList<KeyRing> Rings
    {
        get
        {
            try
            {
                return [.. SlotsOf(_ => true).Select(id => _slots.Get<KeyRingSlot>(id)?.Current).OfType<KeyRing>()];
            }
            catch (ObjectDisposedException)
            {
                return [];
            }
        }
    }

    /// <summary>Finds the slot of a scope. Idle slots are dropped, and with them their keys; so is the loader of a key store that nobody asks for.</summary>
    public KeyRingSlot GetSlot(KeyStoreIdentity store, KeyScope scope)
    {
        var id = (store, scope);
        if (_slots.TryGetValue(id, out KeyRingSlot? slot))
            return slot!;
        lock (_adding)
        {
            if (_slots.TryGetValue(id, out slot))
                return slot!;
            if (!_slots.TryGetValue(store, out KeyRingLoader? loader))
                loader = Keep(store, NewLoader(store));
            slot = new KeyRingSlot(scope, loader!, _peers, _options, _time, _logger);
            _peers.Add(scope, slot);
            return Keep(id, slot);
        }
    }

    /// <summary>Makes every ring of the scope that shares its keys follow rows as they were just stored.</summary>
    public void Follow(KeyScope scope, IReadOnlyList<StoredKey> rows) => _peers.Announce(scope, rows);

    /// <summary>Forgets all rings of a database, whoever reads them, because a key table has just been made anew in it.</summary>
    public void Forget(KeyStoreIdentity store)
    {
        foreach (var id in SlotsOf(s => s.Database.Equals(store.Database)))
        {
            _slots.Get<KeyRingSlot>(id)?.Drop();
            _slots.Remove(id);
        }

        foreach (var identity in _slots.Keys.OfType<KeyStoreIdentity>().Where(s => s.Database.Equals(store.Database)).ToList())
            _slots.Remove(identity);
    }

    public void Dispose()
    {
        KeyRingCaches.Remove(this);
        foreach (var id in SlotsOf(_ => true))
            _slots.Get<KeyRingSlot>(id)?.Dispose();
        _slots.Dispose();
    }

    private T Keep<T>(object id, T item)
        => _slots.Set(
            id, item,
            new MemoryCacheEntryOptions { SlidingExpiration = KeptFor(_options) }
                .RegisterPostEvictionCallback(static (_, evicted, _, _) => (evicted as KeyRingSlot)?.Drop()));

    private KeyOpener NewOpener() => new(_wrapping, new IntermediateKeys(_wrapping, _options, _time, _logger), _options, _time);

    private KeyRingLoader NewLoader(KeyStoreIdentity store)
    {
        var opener = NewOpener();

        // What was refused must not be used for the rest of the interval: all rings of this key store ask again.
        opener.Intermediates.Refused += () =>
        {
            foreach (var id in SlotsOf(s => s == store))
                _slots.Get<KeyRingSlot>(id)?.Expire();
        };
        return new KeyRingLoader(opener, _options, _time, _logger);
    }

    private List<(KeyStoreIdentity Store, KeyScope Scope)> SlotsOf(Func<KeyStoreIdentity, bool> isMeant)
        => [.. _slots.Keys.OfType<(KeyStoreIdentity Store, KeyScope Scope)>().Where(id => isMeant(id.Store))];
}

/// <summary>What tells one key store from another: where its rows are, as the provider understands its settings, never as they are spelled.</summary>
/// <param name="Database">The database it lies in.</param>
/// <param name="View">How its tables are found there: in which schema, or by whose search path.</param>
internal sealed record KeyStoreIdentity(object Database, string View);
