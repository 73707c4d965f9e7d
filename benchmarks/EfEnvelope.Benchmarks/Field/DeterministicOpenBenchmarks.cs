using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;

namespace EfEnvelope.Benchmarks.Field;

/// <summary>What does it cost to open one text that was sealed deterministically? Baseline: that of a randomized one, the platform's reused AesGcm.</summary>
[Question(
    "What does it cost to open one text that was sealed deterministically?",
    Note = "Ratios are to opening a randomized value with the platform's reused `AesGcm`, 24 bytes of associated data. "
        + "*UNSAFE* is AES-CBC with one IV for all: no authentication, no key id.")]
[Micro]
[MemoryDiagnoser]
public class DeterministicOpenBenchmarks
{
    private FieldPeers _peers = null!;

    [ParamsSource(nameof(Sizes))]
    public int Bytes { get; set; }

    public static IEnumerable<int> Sizes => Samples.Sizes;

    [GlobalSetup]
    public void Setup() => _peers = new FieldPeers(Bytes);

    [Benchmark(Baseline = true, Description = "AesGcm reused, AAD")]
    public void AesGcmReused() => _peers.AesGcm.Open();

    [Benchmark(Description = "EfEnvelope, deterministic")]
    public string Deterministic() => _peers.Open(_peers.Platform, _peers.Deterministic);

    [Benchmark(Description = "UNSAFE: AES-CBC, fixed IV")]
    public string FixedIvUnsafe() => _peers.FixedIv.Open(_peers.SealedUnsafely);
}
