using EfEnvelope.Diagnostics;

namespace EfEnvelope.Keys;

/// <summary>The caches of this process. Shows how many rings there are in this process, how old the oldest is, and how long ago a KMS unwrapped the least recently verified one.</summary>
internal static class KeyRingCaches
{
    private static readonly Lock Gate = new();
    private static readonly List<WeakReference<KeyRingCache>> Caches = [];

    static KeyRingCaches()
    {
        EnvelopeTelemetry.Meter.CreateObservableGauge("efenvelope.keyring.count", () => Rings().Count(), "{ring}", "Key rings in memory.");
        EnvelopeTelemetry.Meter.CreateObservableGauge(
            "efenvelope.keyring.age", () => Rings().Select(r => r.Age.TotalSeconds).DefaultIfEmpty().Max(), "s", "How long ago the oldest key ring was read.");
        EnvelopeTelemetry.Meter.CreateObservableGauge(
            "efenvelope.keyring.unverified", () => Rings().Select(r => r.Unverified.TotalSeconds).DefaultIfEmpty().Max(), "s", "How long ago a KMS last unwrapped the keys of the ring that it has not unwrapped for longest.");
    }

    public static void Add(KeyRingCache cache)
    {
        lock (Gate)
        {
            Caches.RemoveAll(c => !c.TryGetTarget(out _));
            Caches.Add(new WeakReference<KeyRingCache>(cache));
        }
    }

    public static void Remove(KeyRingCache cache)
    {
        lock (Gate)
            Caches.RemoveAll(c => !c.TryGetTarget(out var other) || ReferenceEquals(other, cache));
    }

    /// <summary>Gets the caches of this process.</summary>
    public static IReadOnlyList<KeyRingCache> All
    {
        get
        {
            lock (Gate)
                return [.. Caches.Select(c => c.TryGetTarget(out var cache) ? cache : null).OfType<KeyRingCache>()];
        }
    }

    private static IEnumerable<KeyRing> Rings() => All.SelectMany(c => c.Rings);
}
