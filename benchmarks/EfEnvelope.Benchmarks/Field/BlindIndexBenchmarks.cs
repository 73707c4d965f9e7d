using System.Security.Cryptography;
using System.Text;
using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.BlindIndexes;
using EfEnvelope.Keys;

namespace EfEnvelope.Benchmarks.Field;

/// <summary>What does the blind index of one text cost? Baseline: one call of the platform's HMACSHA256.HashData over bytes that are there already.</summary>
[Question(
    "What does the blind index of one text cost?",
    Note = "Ratios are to one call of the platform's `HMACSHA256.HashData` over bytes that are there already. "
        + "EfEnvelope's rows start from a `string`, normalize it, and make what is stored.")]
[Micro]
[MemoryDiagnoser]
public class BlindIndexBenchmarks
{
    private static readonly BlindIndexPart ExactPart = new(Samples.Column, BlindIndexPart.Text);
    private static readonly BlindIndexPart CaseInsensitivePart = ExactPart with { Normalization = Normalization.CaseInsensitive };

    private readonly BlindIndexContext _exact = BlindIndexContext.Get([ExactPart]);
    private readonly BlindIndexContext _caseInsensitive = BlindIndexContext.Get([CaseInsensitivePart]);
    private readonly byte[] _hmacKey = RandomNumberGenerator.GetBytes(32);
    private readonly byte[] _hash = new byte[32];
    private DataKey _key = null!;
    private string _value = "";
    private byte[] _plaintext = [];

    [ParamsSource(nameof(Sizes))]
    public int Bytes { get; set; }

    public static IEnumerable<int> Sizes => Samples.Sizes;

    [GlobalSetup]
    public void Setup()
    {
        _key = Samples.NewKey(RandomNumberGenerator.GetBytes(DataKey.Length), GcmEngine.Platform);
        _value = Samples.NewText(Bytes);
        _plaintext = Encoding.UTF8.GetBytes(_value);
        var index = Exact();
        Samples.Require(index.AsSpan().SequenceEqual(Exact()) && index.Length == _exact.StoredLength, "equal texts have equal indexes");
        Samples.Require(
            CaseInsensitive().AsSpan().SequenceEqual(Compute(_caseInsensitive, CaseInsensitivePart, _value.ToLowerInvariant())), "texts are normalized");
        FieldPeers.RecordStoredBytes(this, Bytes, nameof(HmacOneShot), _hash.Length);
        FieldPeers.RecordStoredBytes(this, Bytes, nameof(Exact), _exact.StoredLength);
        FieldPeers.RecordStoredBytes(this, Bytes, nameof(CaseInsensitive), _caseInsensitive.StoredLength);
    }

    [Benchmark(Baseline = true, Description = "HMACSHA256.HashData")]
    public int HmacOneShot() => HMACSHA256.HashData(_hmacKey, _plaintext, _hash);

    [Benchmark(Description = "EfEnvelope, exact")]
    public byte[] Exact() => Compute(_exact, ExactPart, _value);

    [Benchmark(Description = "EfEnvelope, case-insensitive")]
    public byte[] CaseInsensitive() => Compute(_caseInsensitive, CaseInsensitivePart, _value);

    // As the value converter of an index does it.
    private byte[] Compute(BlindIndexContext context, BlindIndexPart part, string value)
    {
        var bytes = BlindIndexInput.GetBytes(value, part);
        var input = BlindIndexInput.Join(bytes);
        var index = context.Compute(_key, input);
        CryptographicOperations.ZeroMemory(bytes);
        CryptographicOperations.ZeroMemory(input);
        return index;
    }
}
