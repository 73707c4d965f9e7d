using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Envelopes;

namespace EfEnvelope.Benchmarks.Field;

/// <summary>What does it cost to seal one text so that equal ones stay equal? Baseline: that of a randomized one, the platform's reused AesGcm.</summary>
[Question(
    "What does it cost to seal one text so that equal ones stay equal?",
    Note = "Ratios are to sealing a randomized value with the platform's reused `AesGcm`, nonce given, 24 bytes of associated data. "
        + "EfEnvelope's is AES-256-SIV: authenticated, and only whole values of one column are seen to be equal. "
        + "*UNSAFE* is AES-CBC with one IV for all: no authentication, equal beginnings visible in all columns, no key id.")]
[Micro]
[MemoryDiagnoser]
public class DeterministicSealBenchmarks
{
    private FieldPeers _peers = null!;

    [ParamsSource(nameof(Sizes))]
    public int Bytes { get; set; }

    public static IEnumerable<int> Sizes => Samples.Sizes;

    [GlobalSetup]
    public void Setup()
    {
        _peers = new FieldPeers(Bytes);
        FieldPeers.RecordStoredBytes(this, Bytes, nameof(AesGcmReused), _peers.AesGcm.StoredBytes);
        FieldPeers.RecordStoredBytes(this, Bytes, nameof(Deterministic), _peers.Deterministic.Length);
        FieldPeers.RecordStoredBytes(this, Bytes, nameof(FixedIvUnsafe), _peers.SealedUnsafely.Length);
    }

    [Benchmark(Baseline = true, Description = "AesGcm reused, nonce given, AAD")]
    public void AesGcmReused() => _peers.AesGcm.Seal();

    [Benchmark(Description = "EfEnvelope, deterministic")]
    public byte[] Deterministic() => _peers.Seal(_peers.Platform, EnvelopeAlgorithm.Aes256Siv);

    [Benchmark(Description = "UNSAFE: AES-CBC, fixed IV")]
    public byte[] FixedIvUnsafe() => _peers.FixedIv.Seal(_peers.Value);
}
