using System.Collections.Concurrent;
using EfEnvelope.Kms;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Keys;

/// <summary>The rings of all scopes of all databases that share one KMS configuration.</summary>
internal sealed class KeyRingCache : IDisposable
{
    private readonly MemoryCache _slots = new(new MemoryCacheOptions());
    private readonly Lock _adding = new();
    private readonly ConcurrentDictionary<KeyStoreIdentity, KeyRingLoader> _loaders = new();
    private readonly KeyWrapping _wrapping;
    private readonly EnvelopeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public KeyRingCache(IReadOnlyList<IKeyWrapper> wrappers, EnvelopeOptions options, TimeProvider time, ILogger logger)
    {
        _wrapping = new KeyWrapping(wrappers, options.KmsTimeout);
        (_options, _time, _logger) = (options, time, logger);
        KeyRingAges.Add(this);
    }

    /// <summary>Gets what changes stored versions by hand, asking the KMS anew. Whoever used it reloads the slot of the scope.</summary>
    public KeyRingAdministration Administration => new(NewOpener(), _options, _logger);

    /// <summary>Gets the KEKs that are configured.</summary>
    public KeyWrapping Wrapping => _wrapping;

    /// <summary>Gets the rings that are held now.</summary>
    public IEnumerable<KeyRing> Rings => _slots.Keys.ToList().Select(id => _slots.Get<KeyRingSlot>(id)?.Current).OfType<KeyRing>();

    /// <summary>Finds the slot of a scope. Idle slots are dropped, and with them their keys.</summary>
    public KeyRingSlot GetSlot(KeyStoreIdentity store, KeyScope scope)
    {
        var id = (store, scope);
        if (_slots.TryGetValue(id, out KeyRingSlot? slot))
            return slot!;
        lock (_adding)
        {
            if (_slots.TryGetValue(id, out slot))
                return slot!;
            slot = new KeyRingSlot(scope, _loaders.GetOrAdd(store, NewLoader), _options, _time, _logger);
            return _slots.Set(
                id, slot, new MemoryCacheEntryOptions { SlidingExpiration = _options.RefreshInterval + _options.StaleIfErrorFor });
        }
    }

    /// <summary>Forgets all rings of a database, whoever reads them, because a key table has just been made anew in it.</summary>
    public void Forget(KeyStoreIdentity store)
    {
        foreach (var id in SlotsOf(s => s.Database.Equals(store.Database)))
            _slots.Remove(id);
        foreach (var identity in _loaders.Keys.Where(s => s.Database.Equals(store.Database)))
            _loaders.TryRemove(identity, out _);
    }

    public void Dispose()
    {
        foreach (var id in _slots.Keys.ToList())
            _slots.Get<KeyRingSlot>(id)?.Dispose();
        _slots.Dispose();
    }

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

/// <summary>What tells one key store from another.</summary>
/// <param name="Database">The database it lies in.</param>
/// <param name="View">How its tables are found there: by whom, in which schema.</param>
internal sealed record KeyStoreIdentity(object Database, string View);
