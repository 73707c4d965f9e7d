using CsCheck;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>Whatever is done to a stored envelope, it is refused with one of the library's own exceptions and never gives a value.</summary>
public class MutationTests
{
    private const int Cases = 150_000;

    private static readonly KeyRing Clinic = TestRings.Ring("clinic", (1, Bytes(1)), (2, Bytes(2)));
    private static readonly KeyRing Lab = TestRings.Ring("lab", (1, Bytes(3)), (2, Bytes(4)));
    private static readonly string[] Fields = ["Patients.Ssn", "Patients.Email", "Patients.SSN", "Patients.Ss", "n"];

    // Each type reads the envelope as its own: whether it gave a value.
    private static readonly (string Type, Func<KeyRing, string, byte[], bool> Open)[] Readers =
    [
        ("string", Open<string>), ("bytes", Open<byte[]>), ("bool", Open<bool>), ("int8", Open<sbyte>), ("uint8", Open<byte>),
        ("int16", Open<short>), ("uint16", Open<ushort>), ("int32", Open<int>), ("uint32", Open<uint>), ("int64", Open<long>),
        ("uint64", Open<ulong>), ("float32", Open<float>), ("float64", Open<double>), ("char", Open<char>), ("decimal", Open<decimal>),
        ("guid", Open<Guid>), ("datetime", Open<DateTime>), ("datetimeoffset", Open<DateTimeOffset>), ("date", Open<DateOnly>),
        ("time", Open<TimeOnly>), ("timespan", Open<TimeSpan>), ("json", Open<List<int>>),
    ];

    private static readonly Gen<Sealed> Envelopes =
        from field in Gen.Int[0, Fields.Length - 1]
        from number in Gen.Int[1, 2]
        from algorithm in Gen.OneOfConst(EnvelopeVectors.Ciphers)
        from envelope in Gen.OneOf(
            Gen.String[0, 40].Where(System.Text.Encoding.UTF8.IsWhole).Select(v => Seal("string", field, number, v, algorithm)),
            Gen.Byte.Array[0, 700].Select(v => Seal("bytes", field, number, v, algorithm)),
            Gen.Int.Select(v => Seal("int32", field, number, v, algorithm)),
            Gen.Decimal.Select(v => Seal("decimal", field, number, v, algorithm)),
            Gen.DateOnly.Select(v => Seal("date", field, number, v, algorithm)),
            Gen.Int.List[0, 5].Select(v => Seal("json", field, number, v, algorithm)))
        select envelope;

    private static readonly Gen<Func<Sealed, Attempt>> Mutations = Gen.OneOf(
        from at in Gen.Int[0, int.MaxValue]
        from mask in Gen.Byte[1, 255]
        select Change($"byte {at} xor {mask}", e => With(e, at % e.Length, b => (byte)(b ^ mask))),
        Gen.Int[0, int.MaxValue].Select(length => Change("truncated", e => e[..(length % e.Length)])),
        Gen.Byte.Array[1, 40].Select(more => Change("extended", e => [.. e, .. more])),
        Gen.Byte.Array[1, 40].Select(more => Change("extended in front", e => [.. more, .. e])),
        Gen.Byte.Array[1, 20].Select(more => Change("stretched before the ciphertext", e => [.. e[..BodyOf(e)], .. more, .. e[BodyOf(e)..]])),
        Gen.Int[1, Fields.Length - 1].Select(
            other => (Func<Sealed, Attempt>)(s => new Attempt("other column", s with { Field = (s.Field + other) % Fields.Length }, s.Bytes, Clinic))),
        Gen.Int[1, Readers.Length - 1].Select(
            other => (Func<Sealed, Attempt>)(s => new Attempt("other type", s with { Reader = (s.Reader + other) % Readers.Length }, s.Bytes, Clinic))),
        Gen.Const(Change("the other key version", e => With(e, 4, b => (byte)(3 - b)))),
        Gen.UInt.Where(n => n > 2).Select(n => Change($"key number {n}", e => [e[0], (byte)(n >> 24), (byte)(n >> 16), (byte)(n >> 8), (byte)n, .. e[5..]])),
        Gen.Byte.Select(b => Change($"first byte {b:x2}", e => With(e, 0, _ => b))),
        Gen.Const(Change("the other algorithm", e => With(e, 0, b => (byte)(b ^ 3)))),
        Gen.Const((Func<Sealed, Attempt>)(s => new Attempt("other scope", s, s.Bytes, Lab))),
        Gen.Int[0, 2].Select(part => (Func<Sealed, Attempt>)(s => new Attempt("part of another envelope", s, Splice(s.Bytes, part), Clinic))));

    [Fact]
    public void Envelope_changed_in_any_way_never_gives_a_value()
        => Gen.Select(Envelopes, Mutations).Sample(
            (original, mutate) =>
            {
                Assert.True(Readers[original.Reader].Open(Clinic, Fields[original.Field], original.Bytes));
                var attempt = mutate(original);
                AssertRefused(() => Readers[attempt.Target.Reader].Open(attempt.Ring, Fields[attempt.Target.Field], attempt.Bytes), attempt.What);
            },
            iter: Cases);

    [Theory]
    [InlineData(EnvelopeAlgorithm.Aes256Gcm)]
    [InlineData(EnvelopeAlgorithm.Aes256Siv)]
    public void Every_other_value_of_every_byte_is_refused(EnvelopeAlgorithm algorithm)
    {
        var envelope = Seal("string", 0, 1, "078-05-1120", algorithm).Bytes;
        for (var at = 0; at < envelope.Length; at++)
        {
            for (var mask = 1; mask <= 255; mask++)
            {
                var changed = With(envelope, at, b => (byte)(b ^ mask));
                AssertRefused(() => Open<string>(Clinic, Fields[0], changed), $"byte {at} xor {mask}");
            }
        }
    }

    [Theory]
    [InlineData("", EnvelopeAlgorithm.Aes256Gcm)]
    [InlineData("078-05-1120", EnvelopeAlgorithm.Aes256Gcm)]
    [InlineData("", EnvelopeAlgorithm.Aes256Siv)]
    [InlineData("078-05-1120", EnvelopeAlgorithm.Aes256Siv)]
    public void Every_truncation_is_refused(string value, EnvelopeAlgorithm algorithm)
    {
        var envelope = Seal("string", 0, 1, value, algorithm).Bytes;
        for (var length = 0; length < envelope.Length; length++)
        {
            var cut = envelope[..length];
            AssertRefused(() => Open<string>(Clinic, Fields[0], cut), $"{length} bytes");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("078-05-1120")]
    public void Every_extension_by_one_byte_is_refused(string value)
    {
        foreach (var algorithm in EnvelopeVectors.Ciphers)
        {
            var envelope = Seal("string", 0, 1, value, algorithm).Bytes;
            for (var more = 0; more <= 255; more++)
                AssertRefused(() => Open<string>(Clinic, Fields[0], [.. envelope, (byte)more]), $"{more:x2} at the end");
        }
    }

    [Theory]
    [InlineData(EnvelopeAlgorithm.Aes256Gcm)]
    [InlineData(EnvelopeAlgorithm.Aes256Siv)]
    public void Every_type_refuses_the_envelopes_of_every_other_type(EnvelopeAlgorithm algorithm)
    {
        var envelope = Seal("int64", 0, 1, 1L, algorithm).Bytes;
        foreach (var (type, open) in Readers.Where(r => r.Type != "int64"))
            AssertRefused(() => open(Clinic, Fields[0], envelope), type);
    }

    private static void AssertRefused(Func<bool> open, string what)
    {
        try
        {
            // A key number that the ring does not know is answered by a reload, not by a value.
            Assert.False(open(), what);
        }
        catch (Exception e) when (e is EnvelopeDecryptionException or KeyUnavailableException or KeyDestroyedException)
        {
            Assert.Null(e.InnerException);
        }
    }

    private static bool Open<T>(KeyRing ring, string field, byte[] envelope)
    {
        var opened = TestRings.TryDecrypt<T>(ring, field, envelope, out var value);
        Assert.True(opened || EqualityComparer<T>.Default.Equals(value, default));
        return opened;
    }

    private static Sealed Seal<T>(string type, int field, int number, T value, EnvelopeAlgorithm algorithm)
    {
        Assert.Equal(type, PlaintextCodec<T>.Default.Type);
        var bytes = TestRings.Encrypt(KeyRing.RequireKey(Clinic.Find((uint)number)!), Fields[field], value, algorithm);
        return new Sealed(Array.FindIndex(Readers, r => r.Type == type), field, bytes);
    }

    private static Func<Sealed, Attempt> Change(string what, Func<byte[], byte[]> change)
        => s =>
        {
            var changed = change(s.Bytes);

            // What happens to be the same bytes again is not a change.
            return new Attempt(what, s, changed.AsSpan().SequenceEqual(s.Bytes) ? [] : changed, Clinic);
        };

    private static byte[] With(byte[] bytes, int at, Func<byte, byte> change)
    {
        var copy = bytes.ToArray();
        copy[at] = change(copy[at]);
        return copy;
    }

    private static byte[] Splice(byte[] envelope, int part)
    {
        // Nonce or V, the last bytes, or all but the header of an envelope of the same length in another column.
        var algorithm = AlgorithmOf(envelope);
        var plaintext = new byte[envelope.Length - FieldCipher.OverheadOf(algorithm)];
        var other = TestRings.Encrypt(KeyRing.RequireKey(Clinic.Find(envelope[4])!), "Other.Column", plaintext, algorithm);
        var body = BodyOf(envelope);
        return part switch
        {
            0 => [.. envelope[..5], .. other[5..body], .. envelope[body..]],
            1 => [.. envelope[..^16], .. other[^16..]],
            _ => [.. envelope[..5], .. other[5..]],
        };
    }

    private static EnvelopeAlgorithm AlgorithmOf(byte[] envelope) => (EnvelopeAlgorithm)(envelope[0] & 7);

    private static int BodyOf(byte[] envelope) => AlgorithmOf(envelope) == EnvelopeAlgorithm.Aes256Gcm ? 17 : 21;

    private static byte[] Bytes(byte seed) => [.. Enumerable.Range(0, 32).Select(i => (byte)((i * 7) ^ (seed * 31)))];

    private sealed record Sealed(int Reader, int Field, byte[] Bytes);

    private sealed record Attempt(string What, Sealed Target, byte[] Bytes, KeyRing Ring);
}

internal static class WholeText
{
    /// <summary>Whether a text has no half of a surrogate pair.</summary>
    public static bool IsWhole(this System.Text.Encoding encoding, string text) => encoding.GetString(encoding.GetBytes(text)) == text;
}
