using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;

namespace EfEnvelope.Benchmarks.Field;

/// <summary>
/// What does it cost to seal one text? Baseline: the platform's AesGcm on one reused instance, with the nonce given and 24 bytes of associated data that
/// bind the column, which a program needs that has one key for all columns. It makes no nonce and allocates nothing.
/// </summary>
[Question(
    "What does it cost to seal one text?",
    Note = "Ratios are to the platform's `AesGcm` on one reused instance, with the nonce given, every buffer made before, "
        + "and 24 bytes of associated data that bind the column. Everyone else makes what is stored, from a `string`. "
        + "*UNSAFE* is AES-CBC with one IV for all: no authentication, equal values visible, no key id.")]
[Micro]
[MemoryDiagnoser]
public class SealBenchmarks
{
    private FieldPeers _peers = null!;

    [ParamsSource(nameof(Sizes))]
    public int Bytes { get; set; }

    public static IEnumerable<int> Sizes => Samples.Sizes;

    [GlobalSetup]
    public void Setup()
    {
        _peers = new FieldPeers(Bytes);
        foreach (var (method, bytes) in new[]
        {
            (nameof(AesGcmReused), _peers.AesGcm.StoredBytes), (nameof(AesGcmReusedWithoutAad), _peers.AesGcmWithoutAad.StoredBytes),
            (nameof(Platform), _peers.Sealed.Length), (nameof(Sodium), _peers.Seal(_peers.Sodium).Length),
            (nameof(DataProtection), _peers.Protected.Length), (nameof(DataProtectionGcm), _peers.ProtectedByGcm.Length),
            (nameof(AesGcmPerCall), _peers.SealedPerCall.Length), (nameof(FixedIvUnsafe), _peers.SealedUnsafely.Length),
        })
            FieldPeers.RecordStoredBytes(this, Bytes, method, bytes);
    }

    [Benchmark(Baseline = true, Description = "AesGcm reused, nonce given, AAD")]
    public void AesGcmReused() => _peers.AesGcm.Seal();

    [Benchmark(Description = "AesGcm reused, nonce given")]
    public void AesGcmReusedWithoutAad() => _peers.AesGcmWithoutAad.Seal();

    [Benchmark(Description = "EfEnvelope, platform")]
    public byte[] Platform() => _peers.Seal(_peers.Platform);

    [Benchmark(Description = "EfEnvelope, Sodium")]
    public byte[] Sodium() => _peers.Seal(_peers.Sodium);

    [Benchmark(Description = "Data Protection, default")]
    public byte[] DataProtection() => _peers.DataProtection.Seal(_peers.Value);

    [Benchmark(Description = "Data Protection, AES_256_GCM")]
    public byte[] DataProtectionGcm() => _peers.DataProtectionGcm.Seal(_peers.Value);

    [Benchmark(Description = "AesGcm per call, Base64")]
    public string AesGcmPerCall() => _peers.PerCall.Seal(_peers.Value);

    [Benchmark(Description = "UNSAFE: AES-CBC, fixed IV")]
    public byte[] FixedIvUnsafe() => _peers.FixedIv.Seal(_peers.Value);
}
