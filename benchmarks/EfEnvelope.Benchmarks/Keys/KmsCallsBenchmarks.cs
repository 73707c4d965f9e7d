using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Keys;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Benchmarks.Keys;

/// <summary>
/// How often the KMS is asked while a million values (100,000 in a short run) are encrypted and decrypted, a hundred by each command, and ten refresh
/// intervals pass meanwhile, on SQLite. Baseline: the same while no time passes. "KMS calls" must be at most one per ring and
/// refresh; the ring's first load counts as one.
/// </summary>
[Question(
    "How often is the KMS asked while a million values are encrypted and decrypted?",
    Note = "Read the counts, not the time. The values (100,000 in a short run), 100 by each command, are spread over 1 or 10 rings. *Fresh* is the "
        + "baseline, while no time passes; *Refreshed* is the same while ten refresh intervals pass, on a clock that is moved. *KMS calls per "
        + "refresh* is at most 1, where the first load of a ring counts as a refresh, too.")]
[Macro(3, 1)]
public class KmsCallsBenchmarks
{
    private const int Intervals = 10;
    private const int ValuesPerCommand = 100;

    private KeyDatabase _database = null!;

    [Params(1, 10)]
    public int Rings { get; set; }

    private static int Values => Runs.IsShort ? 100_000 : 1_000_000;

    [GlobalSetup]
    public void Setup() => _database = KeyDatabase.Get(KeyDatabaseKind.Sqlite, 10);

    [Benchmark(Baseline = true)]
    public async Task Fresh() => Record(await RunAsync(TimeSpan.Zero), nameof(Fresh));

    [Benchmark]
    public async Task Refreshed() => Record(await RunAsync(new EnvelopeOptions().RefreshInterval * Intervals), nameof(Refreshed));

    private void Record((int Calls, int Loads) run, string method)
    {
        if (run.Calls > run.Loads)
            throw new InvalidOperationException($"{run.Calls} KMS calls for {run.Loads} loads of rings.");
        Metrics.Record(this, $"Rings={Rings}", "KMS calls", run.Calls, method);
        Metrics.Record(this, $"Rings={Rings}", "Refreshes", run.Loads - Rings, method);
        if (run.Loads > Rings)
            Metrics.Record(this, $"Rings={Rings}", "KMS calls per refresh", (double)run.Calls / run.Loads, method);
    }

    private async Task<(int Calls, int Loads)> RunAsync(TimeSpan passing)
    {
        var (kms, time, reads) = (new CountingKms(), new StandingClock(), new ReadCounter());
        using var rings = new KeyRingCache([kms], new EnvelopeOptions { RotateAfter = null }, time, NullLogger.Instance);
        var users = Enumerable.Range(0, Rings).Select(tenant => new KeyUser(_database, rings, kms, reads, tenant)).ToList();
        var held = new KeyRing?[Rings];
        var loads = 0;
        for (var (value, command) = (0, 0); value < Values; value += ValuesPerCommand, command++)
        {
            var ring = command % Rings;
            await users[ring].UseAsync(ValuesPerCommand);
            if (!ReferenceEquals(held[ring], users[ring].Ring))
                (held[ring], loads) = (users[ring].Ring, loads + 1);
            time.Advance(passing * ((double)ValuesPerCommand / Values));
        }

        users.ForEach(u => u.Dispose());
        return (kms.Calls, loads);
    }
}
