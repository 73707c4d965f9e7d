using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.Benchmarks;

/// <summary>
/// What one value costs: a string sealed into, and opened from, its envelope. Baseline: the platform's AesGcm on one reused instance, with the
/// nonce given. Read the ratios, not the nanoseconds.
/// </summary>
[MemoryDiagnoser]
public class FieldBenchmarks
{
    private readonly DataKey _key = new(new KeyVersion(new KeyScope("bench"), 1), RandomNumberGenerator.GetBytes(DataKey.Length));
    private readonly PlaintextCodec<string> _codec = PlaintextCodec<string>.Default;
    private readonly AesGcm _gcm = new(RandomNumberGenerator.GetBytes(32), 16);
    private readonly byte[] _nonce = RandomNumberGenerator.GetBytes(12);
    private readonly byte[] _tag = new byte[16];
    private FieldContext _field = null!;
    private string _value = "";
    private byte[] _plaintext = [];
    private byte[] _ciphertext = [];
    private byte[] _envelope = [];

    [Params(16, 32, 64, 200, 1024)]
    public int Length { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _field = _codec.GetField("Patients.Ssn");
        _value = new string('x', Length);
        _plaintext = new byte[Length];
        _ciphertext = new byte[Length];
        _envelope = Seal();
        AesGcmReused();
    }

    [Benchmark(Baseline = true)]
    public void AesGcmReused() => _gcm.Encrypt(_nonce, _plaintext, _ciphertext, _tag);

    [Benchmark]
    public byte[] Seal() => EnvelopeCodec.Encrypt(_key, _field, EnvelopeAlgorithm.Aes256Gcm, _value, _codec);

    [Benchmark]
    public string Open()
    {
        var header = EnvelopeCodec.ReadHeader(_field, _envelope);
        return EnvelopeCodec.Decrypt(header, _key, _field, _envelope, _codec);
    }
}
