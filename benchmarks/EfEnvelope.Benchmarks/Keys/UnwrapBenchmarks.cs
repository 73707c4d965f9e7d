using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Kms;
using EfEnvelope.Kms.Local;
using EfEnvelope.Kms.Pkcs11;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.Keys;

/// <summary>
/// How many data keys a KMS unwraps in a second, for one caller and for eight. The embedded KMS reads its rules for each call, and records
/// the call in its trail before it answers; SoftHSM, through PKCS#11, keeps no trail and stands beside it for orientation. "ms each" is the
/// time of all callers together.
/// </summary>
[Question(
    "How many data keys does the embedded KMS unwrap in a second?",
    Note = "Each call reads keys and rules from the store, and is recorded in the audit trail before it answers; a file is synchronized "
        + "with the disk. "
        + "Callers at the same time share one transaction. *SoftHsm* goes through PKCS#11 and keeps no trail; it is there for "
            + "orientation, and measured "
        + "where Debian's package softhsm2 is installed. *ms each* is the time divided by all calls: 1 is 1,000 in a second.")]
[Macro(5, 3)]
public class UnwrapBenchmarks
{
    private static readonly EncryptionContext Context = new([new("scope", "clinic"), new("purpose", "data key")]);

    private readonly Dictionary<string, Func<Task>> _unwraps = [];

    [Params(1, 8)]
    public int Callers { get; set; }

    private static int Calls => Runs.IsShort ? 2_000 : 10_000;

    [GlobalSetup(Target = nameof(Sqlite))]
    public Task SetUpSqlite() => PrepareAsync(nameof(Sqlite), new LocalKms(Places.NewDatabase(KeyDatabaseKind.Sqlite), NewSeal()));

    [GlobalSetup(Target = nameof(PostgreSql))]
    public Task SetUpPostgreSql()
    {
        if (!Places.Databases.Contains(KeyDatabaseKind.PostgreSql))
            throw new InvalidOperationException("EFENVELOPE_POSTGRES names no server.");
        var address = Places.NewDatabase(KeyDatabaseKind.PostgreSql);
        return PrepareAsync(nameof(PostgreSql), new LocalKms(store => store.UseNpgsql(address), NewSeal()));
    }

    [GlobalSetup(Target = nameof(SoftHsm))]
    public async Task SetUpSoftHsm()
    {
        var options = SoftHsmToken.New();
        await Pkcs11Kms.CreateKeyAsync("clinic", options);
        var wrapper = Pkcs11Kms.CreateKeyWrapper("clinic", options);
        var wrapped = await wrapper.WrapAsync(RandomNumberGenerator.GetBytes(32), Context);
        await WarmUpAsync(nameof(SoftHsm), async () => await wrapper.UnwrapAsync(wrapped, Context));
    }

    [Benchmark(Baseline = true)]
    public Task Sqlite() => RunAsync();

    [Benchmark]
    public Task PostgreSql() => RunAsync();

    [Benchmark]
    public Task SoftHsm() => RunAsync();

    private static LocalKmsSeal NewSeal() => LocalKmsSeal.CreateKeyFile(Path.Combine(Places.NewDirectory(), "kms.key"));

    private async Task PrepareAsync(string row, LocalKms kms)
    {
        await kms.CreateAsync();
        await kms.CreateKeyAsync("clinic");
        var wrapped = await kms.WrapAsync("clinic", RandomNumberGenerator.GetBytes(32), Context);
        await WarmUpAsync(row, () => kms.UnwrapAsync(wrapped, Context));
    }

    // Until what is called all the time is compiled for the last time.
    private async Task WarmUpAsync(string row, Func<Task> unwrap)
    {
        _unwraps[row] = unwrap;
        var time = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (time.Elapsed < TimeSpan.FromSeconds(Runs.IsShort ? 10 : 20))
                await unwrap();
        })));
    }

    private async Task RunAsync([CallerMemberName] string row = "")
    {
        var (unwrap, left) = (_unwraps[row], Calls);
        using var process = Process.GetCurrentProcess();
        var (cpu, time) = (process.TotalProcessorTime, Stopwatch.StartNew());
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Decrement(ref left) >= 0)
                await unwrap();
        })));
        var seconds = time.Elapsed.TotalSeconds;
        process.Refresh();
        Metrics.Record(this, $"Callers={Callers}", "Unwraps/s", Math.Round(Calls / seconds), row);
        Metrics.Record(this, $"Callers={Callers}", "ms each", Math.Round(seconds * 1000 / Calls, 3), row);
        Metrics.Record(this, $"Callers={Callers}", "CPU ms each", Math.Round((process.TotalProcessorTime - cpu).TotalMilliseconds / Calls, 3), row);
    }
}
