using EfEnvelope.Kms;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Keys;

/// <summary>The rings of all scopes of all databases that share one KMS configuration.</summary>
internal sealed class KeyRingCache : IDisposable
{
    private readonly MemoryCache _slots = new(new MemoryCacheOptions());
    private readonly Lock _adding = new();
    private readonly KeyRingLoader _loader;
    private readonly EnvelopeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public KeyRingCache(IReadOnlyList<IKeyWrapper> wrappers, EnvelopeOptions options, TimeProvider time, ILogger logger)
    {
        var opener = new KeyOpener(new KeyWrapping(wrappers));
        _loader = new KeyRingLoader(opener, options, time, logger);
        Administration = new KeyRingAdministration(opener, options, logger);
        (_options, _time, _logger) = (options, time, logger);
    }

    /// <summary>Gets what changes stored versions by hand. Whoever used it reloads the slot of the scope.</summary>
    public KeyRingAdministration Administration { get; }

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
            slot = new KeyRingSlot(scope, _loader, _options, _time, _logger);
            return _slots.Set(
                id, slot, new MemoryCacheEntryOptions { SlidingExpiration = _options.RefreshInterval + _options.StaleIfErrorFor });
        }
    }

    /// <summary>Forgets all rings of a database, whoever reads them, because a key table has just been made anew in it.</summary>
    public void Forget(KeyStoreIdentity store)
    {
        foreach (var id in _slots.Keys.OfType<(KeyStoreIdentity Store, KeyScope Scope)>().Where(id => id.Store.Database.Equals(store.Database)).ToList())
            _slots.Remove(id);
    }

    public void Dispose()
    {
        foreach (var id in _slots.Keys.ToList())
            _slots.Get<KeyRingSlot>(id)?.Dispose();
        _slots.Dispose();
    }
}

/// <summary>What tells one key store from another.</summary>
/// <param name="Database">The database it lies in.</param>
/// <param name="View">How its tables are found there: by whom, in which schema.</param>
internal sealed record KeyStoreIdentity(object Database, string View);
