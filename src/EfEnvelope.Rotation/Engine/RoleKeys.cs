using EfEnvelope.Diagnostics;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Under which key versions a batch writes, decided once for all of its rows.</summary>
internal sealed class RoleKeys(KeyRing ring)
{
    private readonly Dictionary<KeyRole, DataKey?> _keys = [];

    public KeyRing Ring => ring;

    /// <summary>Gets the versions that were asked for.</summary>
    public IReadOnlyList<StoredKey> Used => [.. _keys.Values.OfType<DataKey>().DistinctBy(k => k.Number).Select(k => ring.Find(k.Number)!.Stored)];

    /// <summary>Gets the key of a role; <see langword="null" /> when what it writes is to be null.</summary>
    public DataKey? Find(KeyRole role)
    {
        if (!_keys.TryGetValue(role, out var key))
            _keys[role] = key = role.FindKey(ring);
        return key;
    }

    /// <summary>Lists the headers that envelopes of this scope can have.</summary>
    public IEnumerable<EnvelopeHeader> Known(IReadOnlyList<EnvelopeAlgorithm> algorithms)
        => ring.Keys.SelectMany(k => algorithms.Select(a => new EnvelopeHeader(a, (uint)k.Stored.Version.Number)));

    /// <summary>Lists the headers that need no work: of the key itself, and of every newer one.</summary>
    public IEnumerable<EnvelopeHeader> Fine(KeyRole role, EnvelopeAlgorithm algorithm)
        => Find(role) is { } key ? ring.Keys.Select(k => (uint)k.Stored.Version.Number).Where(n => n >= key.Number).Select(n => new EnvelopeHeader(algorithm, n)) : [];
}
