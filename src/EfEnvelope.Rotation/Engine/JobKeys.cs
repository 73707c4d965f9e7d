using EfEnvelope.Diagnostics;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.Rotation.Engine;

/// <summary>The keys of a batch, and what they say of rows that are stored.</summary>
internal sealed class JobKeys(KeyRing ring) : RoleKeys(ring)
{
    /// <summary>Gets the versions that were asked for.</summary>
    public IReadOnlyList<StoredKey> Used => [.. Found.DistinctBy(k => k.Number).Select(k => Ring.Find(k.Number)!.Stored)];

    /// <summary>Lists the headers that envelopes of this scope can have.</summary>
    public IEnumerable<EnvelopeHeader> Known(IReadOnlyList<EnvelopeAlgorithm> algorithms)
        => Ring.Keys.SelectMany(k => algorithms.Select(a => new EnvelopeHeader(a, (uint)k.Stored.Version.Number)));

    /// <summary>Lists the headers that need no work: of the key itself, and of every newer one.</summary>
    public IEnumerable<EnvelopeHeader> Fine(KeyRole role, EnvelopeAlgorithm algorithm)
        => Find(role) is { } key ? Ring.Keys.Select(k => (uint)k.Stored.Version.Number).Where(n => n >= key.Number).Select(n => new EnvelopeHeader(algorithm, n)) : [];
}
