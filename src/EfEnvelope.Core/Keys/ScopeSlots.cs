namespace EfEnvelope.Keys;

/// <summary>
/// The slots of one cache by their scope. A database that is reached by two addresses has two of them: what one reads, the other follows at once.
/// </summary>
internal sealed class ScopeSlots
{
    private readonly Lock _gate = new();
    private readonly Dictionary<KeyScope, HashSet<KeyRingSlot>> _slots = [];

    public void Add(KeyScope scope, KeyRingSlot slot)
    {
        lock (_gate)
        {
            if (!_slots.TryGetValue(scope, out var slots))
                _slots[scope] = slots = [];
            slots.Add(slot);
        }
    }

    public void Remove(KeyScope scope, KeyRingSlot slot)
    {
        lock (_gate)
        {
            if (_slots.TryGetValue(scope, out var slots) && slots.Remove(slot) && slots.Count == 0)
                _slots.Remove(scope);
        }
    }

    /// <summary>Shows rows as they were just read or stored to every other slot of their scope.</summary>
    public void Announce(KeyScope scope, IReadOnlyList<StoredKey> rows, KeyRingSlot? source = null)
    {
        KeyRingSlot[] others;
        lock (_gate)
            others = _slots.TryGetValue(scope, out var slots) ? [.. slots.Where(s => s != source)] : [];
        foreach (var other in others)
            other.Follow(rows);
    }
}
