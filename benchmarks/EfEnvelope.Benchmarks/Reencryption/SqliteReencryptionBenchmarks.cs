using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Rotation;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>
/// How many rows with three encrypted columns a job re-encrypts in a second on SQLite. By default a job leaves the write lock to others for half of the
/// time there: that is the row PlatformWithDefaultRests; all others of ours take it for the whole time (DutyCycle = 1) and by the largest batches
/// (BatchSize = 500), as one does when nobody else is there. Baseline: constant bytes written by the same prepared statement, with compare-and-set, in
/// batches of the same size. EFENVELOPE_BENCHMARK_ROWS sets another number of rows than 200,000 (20,000 in a short run).
/// </summary>
[Question(
    "How many rows does a job re-encrypt in a second on SQLite?",
    Note = "Read *Rows/s*. Ratios are of times, to constant bytes written by the prepared statement of the job, compare-and-set included, in "
        + "batches of 500 rows. Each of 200,000 rows (20,000 in a short run) has three encrypted texts of 32 characters. Jobs have "
        + "the database to themselves (a duty cycle of 1, batches of 500), except *PlatformWithDefaultRests*, which leaves it to others for half of "
        + "the time. *EfCoreChunks* loads and saves 1,000 rows at a time, and overwrites what others write meanwhile.")]
[Macro(rounds: 5, shortRounds: 2)]
public class SqliteReencryptionBenchmarks
{
    private const int LargestBatch = 500;

    private static readonly Throttle Unthrottled = new() { DutyCycle = 1 };

    private readonly Rates _rates = new();
    private SqliteCustomers _customers = null!;
    private Reencryptor? _platform;
    private Reencryptor? _sodium;
    private ConstantWriter? _constants;

    [GlobalSetup]
    public async Task Setup()
    {
        _customers = await Kept.GetAsync(
            "customers", () => new SqliteCustomers(CustomerDatabase.CountRows(200_000, 20_000)), customers => customers.CreateAsync());
        (_platform, _sodium) = (new Reencryptor(_customers, Engine.Platform), new Reencryptor(_customers, Engine.Sodium));
    }

    [IterationSetup]
    public void Restore() => _customers.RestoreAsync().GetAwaiter().GetResult();

    [IterationSetup(Target = nameof(ConstantsBySameStatement))]
    public void RestoreForConstants()
    {
        Restore();
        _constants = ConstantWriter.CreateAsync(_customers, LargestBatch).GetAwaiter().GetResult();
    }

    [IterationCleanup]
    public void Prove() => _customers.ProveAsync().GetAwaiter().GetResult();

    [IterationCleanup(Target = nameof(ConstantsBySameStatement))]
    public void ProveConstants()
    {
        // Its connection would keep the file from being restored.
        _constants!.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _customers.ProveConstantsAsync().GetAwaiter().GetResult();
    }

    [GlobalCleanup]
    public async Task Cleanup()
    {
        await _platform!.DisposeAsync();
        await _sodium!.DisposeAsync();
    }

    [Benchmark(Baseline = true)]
    public Task ConstantsBySameStatement() => _rates.MeasureAsync(this, _customers.Rows, _constants!.RunAsync);

    [Benchmark]
    public Task Platform() => _rates.MeasureAsync(this, _customers.Rows, () => _platform!.RunAsync(Unthrottled, workers: 1, LargestBatch));

    [Benchmark]
    [FullOnly]
    public Task PlatformWithDefaultRests() => _rates.MeasureAsync(this, _customers.Rows, () => _platform!.RunAsync(new Throttle(), workers: 1));

    [Benchmark]
    public Task Sodium() => _rates.MeasureAsync(this, _customers.Rows, () => _sodium!.RunAsync(Unthrottled, workers: 1, LargestBatch));

    [Benchmark]
    public Task EfCoreChunksPlatform() => _rates.MeasureAsync(this, _customers.Rows, () => EfCoreChunks.RunAsync(_customers.Options(Engine.Platform)));

    [Benchmark]
    public Task EfCoreChunksSodium() => _rates.MeasureAsync(this, _customers.Rows, () => EfCoreChunks.RunAsync(_customers.Options(Engine.Sodium)));
}
