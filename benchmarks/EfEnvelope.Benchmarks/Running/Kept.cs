namespace EfEnvelope.Benchmarks.Running;

/// <summary>What takes long to make and serves all rows and passes of a class, such as a database; disposed of behind the last pass.</summary>
internal static class Kept
{
    private static readonly Dictionary<object, (IAsyncDisposable Thing, Task Prepared)> Things = [];

    /// <summary>Gets it; made and prepared the first time. What could not be prepared fails in the same way every time.</summary>
    /// <param name="key">What it is called within the class.</param>
    /// <param name="make">Makes it.</param>
    /// <param name="prepare">Fills it. What was made is disposed of even when this fails.</param>
    public static async Task<T> GetAsync<T>(object key, Func<T> make, Func<T, Task> prepare)
        where T : IAsyncDisposable
    {
        if (!Things.TryGetValue(key, out var kept))
        {
            var thing = make();
            Things[key] = kept = (thing, prepare(thing));
        }

        await kept.Prepared;
        return (T)kept.Thing;
    }

    /// <summary>Disposes of all that the class had.</summary>
    public static async Task DropAsync()
    {
        foreach (var (thing, _) in Things.Values)
            await thing.DisposeAsync();
        Things.Clear();
    }
}
