using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Rotation;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>
/// How many rows with three encrypted columns a job re-encrypts in a second on PostgreSQL, without a throttle, from its start to the proof that nothing is
/// left. Baseline: the database writing constant bytes by the same statement, in batches of the same size, with nothing to read, open or seal.
/// EFENVELOPE_BENCHMARK_ROWS sets another number of rows than 1,000,000 (40,000 in a short run). Each round begins on a fresh table behind a checkpoint.
/// </summary>
[Question(
    "How many rows does a job re-encrypt in a second on PostgreSQL?",
    Note = "Read *Rows/s*. Ratios are of times, to the database writing constant bytes by the very statement of the job, compare-and-set included, "
        + "in batches of the same size, with nothing to read, open or seal: 2.00 is half as many rows. Each of 1,000,000 rows (40,000 in a short "
        + "run) has three encrypted texts of 32 characters. A job has no throttle, and ends with the proof that nothing is left. "
        + "*ConstantsByPlainUpdate* neither compares nor tries a lock. *PgcryptoUnauthenticated* is one UPDATE by AES-256-CBC in the database, whose "
        + "server sees the keys. *EfCoreChunks* loads and saves 1,000 rows at a time, and overwrites what others write meanwhile.")]
[Macro(rounds: 5, shortRounds: 2)]
public class PostgresReencryptionBenchmarks
{
    private static readonly Throttle Unthrottled = new();

    private static readonly int Rows = CustomerDatabase.CountRows(1_000_000, 40_000);

    private readonly Rates _rates = new();
    private PostgresCustomers _customers = null!;
    private Reencryptor? _platform;
    private Reencryptor? _sodium;
    private ConstantWriter? _constants;
    private UnnestWriter? _unnest;
    private Func<Task> _prove = () => Task.CompletedTask;

    [GlobalSetup]
    public async Task Setup()
    {
        _customers = await PostgresCustomers.GetAsync(Rows);
        (_platform, _sodium) = (new Reencryptor(_customers, Engine.Platform), new Reencryptor(_customers, Engine.Sodium));
        _prove = _customers.ProveAsync;
    }

    [GlobalSetup(Targets = [nameof(ConstantsBySameStatement), nameof(ConstantsByPlainUpdate)])]
    public async Task SetupConstants()
    {
        _customers = await PostgresCustomers.GetAsync(Rows);

        // The writer looks at what the rows hold, and a round before this one has written to them.
        await _customers.RestoreAsync();
        _constants = await ConstantWriter.CreateAsync(_customers);
        _unnest = await UnnestWriter.CreateAsync(_customers, _constants.BatchSize, _constants.ValueLength);
        _prove = _customers.ProveConstantsAsync;
    }

    [GlobalSetup(Target = nameof(PgcryptoUnauthenticated))]
    public async Task SetupPgcrypto()
    {
        _customers = await PostgresCustomers.GetAsync(Rows, "pgcrypto", Pgcrypto.CreateAsync);
        _prove = () => Pgcrypto.ProveAsync(_customers);
    }

    [IterationSetup]
    public void Restore() => _customers.RestoreAsync().GetAwaiter().GetResult();

    [IterationCleanup]
    public void Prove() => _prove().GetAwaiter().GetResult();

    [GlobalCleanup]
    public async Task Cleanup()
    {
        foreach (var used in new IAsyncDisposable?[] { _platform, _sodium, _constants, _unnest })
        {
            if (used is not null)
                await used.DisposeAsync();
        }
    }

    [Benchmark(Baseline = true)]
    public Task ConstantsBySameStatement() => _rates.MeasureAsync(this, _customers.Rows, _constants!.RunAsync);

    [Benchmark]
    [FullOnly]
    public Task ConstantsByPlainUpdate() => _rates.MeasureAsync(this, _customers.Rows, _unnest!.RunAsync);

    [Benchmark]
    public Task PlatformOneWorker() => _rates.MeasureAsync(this, _customers.Rows, () => _platform!.RunAsync(Unthrottled, workers: 1));

    [Benchmark]
    [FullOnly]
    public Task PlatformTwoWorkers() => _rates.MeasureAsync(this, _customers.Rows, () => _platform!.RunAsync(Unthrottled, workers: 2));

    [Benchmark]
    public Task SodiumOneWorker() => _rates.MeasureAsync(this, _customers.Rows, () => _sodium!.RunAsync(Unthrottled, workers: 1));

    [Benchmark]
    [FullOnly]
    public Task SodiumTwoWorkers() => _rates.MeasureAsync(this, _customers.Rows, () => _sodium!.RunAsync(Unthrottled, workers: 2));

    [Benchmark]
    public Task PgcryptoUnauthenticated() => _rates.MeasureAsync(this, _customers.Rows, () => Pgcrypto.RunAsync(_customers));

    [Benchmark]
    public Task EfCoreChunksPlatform() => _rates.MeasureAsync(this, _customers.Rows, () => EfCoreChunks.RunAsync(_customers.Options(Engine.Platform)));

    [Benchmark]
    public Task EfCoreChunksSodium() => _rates.MeasureAsync(this, _customers.Rows, () => EfCoreChunks.RunAsync(_customers.Options(Engine.Sodium)));
}
