using System.Security.Cryptography;
using System.Text;
using EfEnvelope.Benchmarks.Field.Peers;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using Microsoft.AspNetCore.DataProtection.AuthenticatedEncryption;

namespace EfEnvelope.Benchmarks.Field;

/// <summary>One value, and everything that seals and opens it: proved to open once, with the bytes that each would store.</summary>
internal sealed class FieldPeers
{
    private readonly PlaintextCodec<string> _codec = PlaintextCodec<string>.Default;
    private readonly FieldContext _field;

    public FieldPeers(int bytes)
    {
        Value = Samples.NewText(bytes);
        var plaintext = Encoding.UTF8.GetBytes(Value);
        var key = RandomNumberGenerator.GetBytes(DataKey.Length);
        _field = _codec.GetField(Samples.Column);
        (Platform, Sodium) = (Samples.NewKey(key, GcmEngine.Platform), Samples.NewKey(key, Samples.Sodium));
        AesGcm = new ReusedAesGcm(plaintext, Samples.AssociatedData);
        AesGcmWithoutAad = new ReusedAesGcm(plaintext, []);

        Sealed = Seal(Platform);
        Deterministic = Seal(Platform, EnvelopeAlgorithm.Aes256Siv);
        (Protected, ProtectedByGcm) = (DataProtection.Seal(Value), DataProtectionGcm.Seal(Value));
        (SealedPerCall, SealedUnsafely) = (PerCall.Seal(Value), FixedIv.Seal(Value));
        Samples.Require(
            Open(Sodium, Sealed) == Value && Open(Platform, Seal(Sodium)) == Value, "each engine opens what the other sealed");
        Samples.Require(
            Open(Platform, Deterministic) == Value && Seal(Platform, EnvelopeAlgorithm.Aes256Siv).AsSpan().SequenceEqual(Deterministic), "deterministic values are");
        Samples.Require(DataProtection.Open(Protected) == Value && DataProtectionGcm.Open(ProtectedByGcm) == Value, "Data Protection opens what it sealed");
        Samples.Require(PerCall.Open(SealedPerCall) == Value && FixedIv.Open(SealedUnsafely) == Value, "the converters open what they sealed");
    }

    public string Value { get; }

    public DataKey Platform { get; }

    public DataKey Sodium { get; }

    public ReusedAesGcm AesGcm { get; }

    public ReusedAesGcm AesGcmWithoutAad { get; }

    public DataProtectionConverter DataProtection { get; } = new();

    public DataProtectionConverter DataProtectionGcm { get; } = new(EncryptionAlgorithm.AES_256_GCM);

    public AesGcmPerCallConverter PerCall { get; } = new();

    public UnsafeFixedIvConverter FixedIv { get; } = new();

    public byte[] Sealed { get; }

    public byte[] Deterministic { get; }

    public byte[] Protected { get; }

    public byte[] ProtectedByGcm { get; }

    public string SealedPerCall { get; }

    public byte[] SealedUnsafely { get; }

    public byte[] Seal(DataKey key, EnvelopeAlgorithm algorithm = EnvelopeAlgorithm.Aes256Gcm) => EnvelopeCodec.Encrypt(key, _field, algorithm, Value, _codec);

    public string Open(DataKey key, byte[] envelope)
        => EnvelopeCodec.Decrypt(EnvelopeCodec.ReadHeader(_field, envelope), key, _field, envelope, _codec);

    /// <summary>Records how many bytes the row of a method stores for the value.</summary>
    public static void RecordStoredBytes(object benchmark, int size, string method, int bytes)
        => Metrics.Record(benchmark, $"Bytes={size}", "Stored bytes", bytes, method);
}
