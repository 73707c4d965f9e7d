using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;

namespace EfEnvelope.Benchmarks.Field;

/// <summary>
/// What does it cost to open one text? Baseline: the platform's AesGcm on one reused instance, with 24 bytes of associated data that bind the column.
/// </summary>
[Question(
    "What does it cost to open one text?",
    Note = "Ratios are to the platform's `AesGcm` on one reused instance, into a buffer that is there already, "
        + "with 24 bytes of associated data that bind the column. Everyone else makes a `string` of what is stored. "
        + "*UNSAFE* is AES-CBC with one IV for all: no authentication, equal values visible, no key id.")]
[Micro]
[MemoryDiagnoser]
public class OpenBenchmarks
{
    private FieldPeers _peers = null!;

    [ParamsSource(nameof(Sizes))]
    public int Bytes { get; set; }

    public static IEnumerable<int> Sizes => Samples.Sizes;

    [GlobalSetup]
    public void Setup() => _peers = new FieldPeers(Bytes);

    [Benchmark(Baseline = true, Description = "AesGcm reused, AAD")]
    public void AesGcmReused() => _peers.AesGcm.Open();

    [Benchmark(Description = "AesGcm reused")]
    public void AesGcmReusedWithoutAad() => _peers.AesGcmWithoutAad.Open();

    [Benchmark(Description = "EfEnvelope, platform")]
    public string Platform() => _peers.Open(_peers.Platform, _peers.Sealed);

    [Benchmark(Description = "EfEnvelope, Sodium")]
    public string Sodium() => _peers.Open(_peers.Sodium, _peers.Sealed);

    [Benchmark(Description = "Data Protection, default")]
    public string DataProtection() => _peers.DataProtection.Open(_peers.Protected);

    [Benchmark(Description = "Data Protection, AES_256_GCM")]
    public string DataProtectionGcm() => _peers.DataProtectionGcm.Open(_peers.ProtectedByGcm);

    [Benchmark(Description = "AesGcm per call, Base64")]
    public string AesGcmPerCall() => _peers.PerCall.Open(_peers.SealedPerCall);

    [Benchmark(Description = "UNSAFE: AES-CBC, fixed IV")]
    public string FixedIvUnsafe() => _peers.FixedIv.Open(_peers.SealedUnsafely);
}
