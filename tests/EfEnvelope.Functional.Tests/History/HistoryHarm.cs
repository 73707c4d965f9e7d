using EfEnvelope.Specification.History;

namespace EfEnvelope.Functional.History;

/// <summary>What goes wrong while a job runs, chosen by chance from a seed: processes are killed, connections are cut, the server is restarted.</summary>
internal sealed class HistoryHarm(HistoryServer server, HistoryCrew crew, HistorySize size, HistoryRun run, string folder, int seed)
{
    private readonly Random _random = new(seed);

    /// <summary>Does harm until all was done, or the run is over; what was begun is ended.</summary>
    public async Task RunAsync(CancellationToken over)
    {
        var replacements = new List<Task>();
        var replaced = new Dictionary<string, Task>();
        var harms = new List<Func<Task>>();
        for (var round = 0; round < size.Faults; round++)
        {
            Func<Task>[] harmsOfRound = server.IsServer
                ? [Worker(_random.Next(size.Workers)), Cut, Cut, Cut, Cut, .. round == 0 ? [Restart] : Array.Empty<Func<Task>>(), .. round % 2 == 0 ? [Writer] : Array.Empty<Func<Task>>()]
                : [Worker(_random.Next(size.Workers)), Writer];
            _random.Shuffle(harmsOfRound);
            harms.AddRange(harmsOfRound);
        }

        foreach (var harm in harms)
        {
            await Task.Delay(_random.Next((2 * size.FaultPause) + 1), over).ContinueWith(_ => { }, TaskScheduler.Default);
            if (over.IsCancellationRequested)
                break;
            await harm();
        }

        await Task.WhenAll(replacements);

        Func<Task> Worker(int index) => () => ReplaceAsync("worker", index);
        Task Writer() => ReplaceAsync("writer", 0);

        // The next harm does not wait until the new process has started, only the next to the same process does.
        async Task ReplaceAsync(string role, int index)
        {
            var name = $"{role} {index}";
            if (replaced.TryGetValue(name, out var before))
                await before;
            var member = crew.Of(role)[index];
            replacements.Add(replaced[name] = crew.ReplaceAsync(member, run, folder));
        }

        // Cut off while it is being restarted, it cannot be reached to cut a connection.
        async Task Cut()
        {
            try
            {
                await server.CutAsync(run.Connection, _random);
            }
            catch (System.Data.Common.DbException)
            {
            }
        }

        Task Restart() => server.RestartAsync(asCrash: _random.Next(2) == 0);
    }
}
