using System.Diagnostics;
using System.Runtime.CompilerServices;
using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Rotation;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>
/// What an application on PostgreSQL feels while all rows are re-encrypted: how long its transactions take, each reading and updating one row, of which
/// 200 in a second are to begin. Baseline: alone. Beside it: a job that is held to 5,000 rows a second, one without a throttle (platform engine, one
/// worker), and the one big UPDATE that a script would send, with constants, so that it is over soonest. Counted are the transactions that were to begin
/// while the work went on, 20 seconds (4 in a short run) at most; read the percentiles, not the time. They are of each pass, and the median of the passes
/// is shown. EFENVELOPE_BENCHMARK_ROWS sets another number of rows than 1,000,000 (100,000 in a short run).
/// </summary>
[Question(
    "What do transactions feel while all rows are re-encrypted on PostgreSQL?",
    Note = "Read the percentiles, not the time, against those of *Alone*. One connection begins 200 transactions in a second, at even distances, "
        + "each of which reads and updates one of 1,000,000 rows (100,000 in a short run); its time counts from when it was to begin. Jobs have "
        + "one worker and the platform engine. *OneBigUpdate* writes constant bytes by one statement, as a script would. *Job rows/s* is what "
        + "was written meanwhile, within 20 seconds (4 in a short run) at most.")]
[Macro(rounds: 3, shortRounds: 1, warmups: 0)]
public class LatencyBenchmarks
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(Runs.IsShort ? 4 : 20);

    private PostgresCustomers _customers = null!;
    private readonly List<double> _times = [];
    private readonly List<double> _rates = [];
    private Reencryptor? _job;

    [GlobalSetup]
    public async Task Setup()
    {
        _customers = await PostgresCustomers.GetAsync(CustomerDatabase.CountRows(1_000_000, 100_000));
        _job = new Reencryptor(_customers, Engine.Platform);
    }

    [IterationSetup]
    public void Restore() => _customers.RestoreAsync().GetAwaiter().GetResult();

    [GlobalCleanup]
    public async Task Cleanup()
    {
        if (_job is not null)
            await _job.DisposeAsync();
    }

    [Benchmark(Baseline = true)]
    public async Task Alone()
    {
        using var client = new OpenLoopClient(_customers.ConnectionString, _customers.Rows);
        _times.AddRange(await client.RunAsync(Window, CancellationToken.None));
        Report();
    }

    [Benchmark]
    public Task JobAt5000RowsPerSecond() => MeasureAsync(new Throttle { RowsPerSecond = 5_000 });

    [Benchmark]
    public Task JobUnthrottled() => MeasureAsync(new Throttle());

    [Benchmark]
    public Task OneBigUpdate()
    {
        var constant = $"'\\x{Convert.ToHexString(ConstantWriter.Constant(65))}'::bytea";
        return MeasureAsync(
            () => _customers.ExecuteAsync($"UPDATE \"Customers\" SET {string.Join(", ", Customer.EncryptedColumns.Select(c => $"\"{c}\" = {constant}"))}"),
            () => Task.FromResult(_customers.Rows),
            nameof(OneBigUpdate));
    }

    private async Task MeasureAsync(Throttle throttle, [CallerMemberName] string method = "")
    {
        var id = (await _job!.EnqueueAsync(throttle)).Id;
        await MeasureAsync(() => _job.RunAsync(id, workers: 1), () => _job.EndAsync(id), method);
    }

    // Ending is asked for when the client has no more to begin; an UPDATE cannot be ended, so it is awaited.
    private async Task MeasureAsync(Func<Task> work, Func<Task<long>> end, string method)
    {
        using var client = new OpenLoopClient(_customers.ConnectionString, _customers.Rows);
        using var over = new CancellationTokenSource();
        var started = Stopwatch.GetTimestamp();
        var seconds = 0.0;
        var working = Task.Run(async () =>
        {
            try
            {
                await work();
            }
            finally
            {
                seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
                await over.CancelAsync();
            }
        });
        var times = await client.RunAsync(Window, over.Token);
        var written = await end();
        await working;
        CustomerDatabase.Require(times.Count > 0 && written > 0, "nothing was measured beside the work");
        _times.AddRange(times);
        _rates.Add(written / seconds);
        Report(method);
    }

    private void Report([CallerMemberName] string method = "")
    {
        double[] sorted = [.. _times.Order()];
        foreach (var percent in new[] { 50, 95, 99 })
            Metrics.Record(this, "", $"p{percent} ms", Math.Round(sorted[(int)Math.Ceiling(sorted.Length * percent / 100.0) - 1], 2), method);
        Metrics.Record(this, "", "max ms", Math.Round(sorted[^1], 2), method);
        if (_rates.Count > 0)
            Metrics.Record(this, "", "Job rows/s", Math.Round(_rates.Average()), method);
    }
}
