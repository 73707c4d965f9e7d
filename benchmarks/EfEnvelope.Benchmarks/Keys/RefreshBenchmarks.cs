using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Keys;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Benchmarks.Keys;

/// <summary>
/// What it costs 64 threads that encrypt and decrypt all the while, when the one ring they use is refreshed again and again. Baseline: the same while it is
/// fresh. "KMS calls" and "Key store reads" show that one thread refreshes for all: a refresh reads the ring, and looks once whether the intermediate key is
/// still there.
/// </summary>
[Question(
    "What do 64 threads feel while the ring they use is refreshed?",
    Note = "Ratios are to the same while the ring is fresh. Each thread encrypts and decrypts 10 values by each of 2,000 commands (500 in a short "
        + "run); meanwhile the ring is refreshed ten times, on a clock that is moved: when it is due, while the others go on, or when it is past its "
        + "time, while they wait. *KMS calls* and *Key store reads* show that one thread refreshes for all.")]
[Macro(7, 3)]
public class RefreshBenchmarks
{
    private const int Threads = 64;
    private const int ValuesPerCommand = 10;
    private const int Refreshes = 10;

    private KeyDatabase _database = null!;

    private static int CommandsPerThread => Runs.IsShort ? 500 : 2_000;

    [GlobalSetup]
    public void Setup() => _database = KeyDatabase.Get(KeyDatabaseKind.Sqlite, 10);

    [Benchmark(Baseline = true)]
    public void Fresh() => Run(TimeSpan.Zero, nameof(Fresh));

    /// <summary>The ring is due: one thread refreshes it, and the others go on with what they have.</summary>
    [Benchmark]
    public void RefreshedWhenDue() => Run(new EnvelopeOptions().RefreshInterval - TimeSpan.FromTicks(1), nameof(RefreshedWhenDue));

    /// <summary>The ring is past its time: one thread refreshes it, and the others wait.</summary>
    [Benchmark]
    public void RefreshedWhenPastItsTime() => Run(new EnvelopeOptions().RefreshInterval, nameof(RefreshedWhenPastItsTime));

    private void Run(TimeSpan step, string method)
    {
        var commandsBetween = ((Threads * CommandsPerThread) + Refreshes) / (Refreshes + 1);
        var (kms, time, reads) = (new CountingKms(), new StandingClock(), new ReadCounter());
        using var rings = new KeyRingCache([kms], new EnvelopeOptions { RotateAfter = null }, time, NullLogger.Instance);
        var users = Enumerable.Range(0, Threads).Select(_ => new KeyUser(_database, rings, kms, reads, tenant: 0)).ToList();
        var commands = 0;
        var failures = new List<Exception>();
        var threads = users.ConvertAll(user => new Thread(() => Use(user)));
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        users.ForEach(u => u.Dispose());
        if (failures.Count > 0)
            throw new AggregateException(failures);

        // The first load asks the KMS, too, and reads the ring and the intermediate key.
        var refreshes = step == TimeSpan.Zero ? 0 : Refreshes;
        if (kms.Calls > 1 + refreshes || reads.Reads > 2 * (1 + refreshes))
            throw new InvalidOperationException($"{kms.Calls} KMS calls and {reads.Reads} reads of the key store for {refreshes} refreshes.");
        Metrics.Record(this, "", "KMS calls", kms.Calls, method);
        Metrics.Record(this, "", "Key store reads", reads.Reads, method);
        Metrics.Record(this, "", "Refreshes", refreshes, method);

        void Use(KeyUser user)
        {
            try
            {
                for (var i = 0; i < CommandsPerThread; i++)
                {
                    user.UseAsync(ValuesPerCommand).AsTask().GetAwaiter().GetResult();
                    if (Interlocked.Increment(ref commands) % commandsBetween == 0)
                        time.Advance(step);
                }
            }
            catch (Exception e)
            {
                lock (failures)
                    failures.Add(e);
            }
        }
    }
}
