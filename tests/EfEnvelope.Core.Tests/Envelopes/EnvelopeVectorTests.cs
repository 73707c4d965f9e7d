using System.Security.Cryptography;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.Tests;

/// <summary>Envelopes that another implementation wrote.</summary>
public class EnvelopeVectorTests
{
    private delegate bool Opener(KeyRing ring, string field, byte[] envelope, out byte[] plaintext);

    private static readonly Dictionary<string, Opener> Openers = new()
    {
        ["string"] = Open<string>,
        ["bytes"] = Open<byte[]>,
        ["bool"] = Open<bool>,
        ["int32"] = Open<int>,
        ["int64"] = Open<long>,
        ["float64"] = Open<double>,
        ["decimal"] = Open<decimal>,
        ["guid"] = Open<Guid>,
        ["date"] = Open<DateOnly>,
        ["datetime"] = Open<DateTime>,
        ["json"] = Open<List<string>>,
    };

    public static TheoryData<string> Names => [.. EnvelopeVectors.All.Select(v => v.Name)];

    public static TheoryData<string> DeterministicNames
        => [.. EnvelopeVectors.All.Where(v => v.Opens && v.Envelope.StartsWith("fa", StringComparison.Ordinal)).Select(v => v.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Envelope_written_by_another_implementation_gives_its_plaintext_or_its_failure(string name)
    {
        var vector = EnvelopeVectors.All.Single(v => v.Name == name);
        var ring = TestRings.Ring("default", (vector.Number, Convert.FromHexString(vector.Key)));

        Assert.Equal(vector.Expected, Outcome(vector, ring));
    }

    [Theory]
    [MemberData(nameof(DeterministicNames))]
    public void Deterministic_envelope_is_written_as_another_implementation_wrote_it(string name)
    {
        var vector = EnvelopeVectors.All.Single(v => v.Name == name);
        using var key = TestRings.Key("default", vector.Number, Convert.FromHexString(vector.Key));
        var cipher = FieldContext.Get(vector.Field, vector.Type).GetCipher(key, EnvelopeAlgorithm.Aes256Siv);
        var plaintext = Convert.FromHexString(vector.Expected);
        var envelope = new byte[plaintext.Length + cipher.Overhead];
        new EnvelopeHeader(EnvelopeAlgorithm.Aes256Siv, key.Number).Write(envelope);
        plaintext.CopyTo(envelope, cipher.BodyOffset);

        cipher.Encrypt(envelope);

        Assert.Equal(vector.Envelope, Convert.ToHexStringLower(envelope));
    }

    [Fact]
    public void Values_of_the_vectors_are_the_values_that_their_names_tell()
    {
        Assert.Equal("078-05-1120", Value<string>("text"));
        Assert.Equal("078-05-1120", Value<string>("deterministic text"));
        Assert.Equal("Zoë 𝔊 李 and Ada Byron", Value<string>("deterministic text of 27 bytes beyond ASCII"));
        Assert.Equal("Zoë 𝔊 李", Value<string>("text beyond ASCII"));
        Assert.True(Value<bool>("bool"));
        Assert.Equal(-2, Value<int>("int32"));
        Assert.Equal(0x0123456789ABCDEF, Value<long>("int64 under the highest key number"));
        Assert.True(double.IsNegative(Value<double>("float64")));
        Assert.Equal("1.50", Value<decimal>("decimal 1.50").ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(new Guid("00112233-4455-6677-8899-aabbccddeeff"), Value<Guid>("guid"));
        Assert.Equal(new DateOnly(2000, 1, 1), Value<DateOnly>("date 2000-01-01"));
        Assert.Equal(new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc), Value<DateTime>("datetime 2000-01-01T00:00:00Z"));
        Assert.Equal(["nuts", "Zoë"], Value<List<string>>("json"));
    }

    [Fact]
    public void Every_failure_class_has_a_vector()
        => Assert.Equal(
            ["authentication-failed", "not-an-envelope", "truncated", "unknown-algorithm", "unknown-key-version"],
            EnvelopeVectors.All.Where(v => !v.Opens).Select(v => v.Expected).Distinct().Order());

    [Fact]
    public void Commitments_are_those_that_another_implementation_derived()
    {
        foreach (var vector in EnvelopeVectors.Commitments)
        {
            using var key = TestRings.Key(vector.Scope, vector.Number, Convert.FromHexString(vector.Key));
            Assert.Equal(vector.Commitment, Convert.ToHexStringLower(key.DeriveCommitment()));
        }
    }

    [Fact]
    public void Subkey_is_extracted_and_expanded_with_the_documented_salt_and_info()
    {
        // RFC 5869 by hand, for one block of output.
        byte[] info = [1, 1, 0, 0, 0, 1, .. Convert.FromHexString("00000002000000056669656c640000000c50617469656e74732e53736e000000047479706500000006737472696e67"), 1];
        var expected = HMACSHA256.HashData(HMACSHA256.HashData("EfEnvelope/v1"u8, Convert.FromHexString(EnvelopeVectors.KeyA)), info);
        Assert.Equal(EnvelopeVectors.SubkeyOfTheFirstVector, Convert.ToHexStringLower(expected));

        using var key = TestRings.Key("default", 1, Convert.FromHexString(EnvelopeVectors.KeyA));
        var subkey = new byte[32];
        key.Derive(SubkeyPurpose.Value, (byte)EnvelopeAlgorithm.Aes256Gcm, new EncryptionContext([new("type", "string"), new("field", "Patients.Ssn")]), subkey);
        Assert.Equal(expected, subkey);
    }

    [Fact]
    public void Subkey_of_a_deterministic_envelope_is_two_keys_of_the_documented_derivation()
    {
        // The second block of RFC 5869 is made of the first.
        byte[] info = [1, 2, 0, 0, 0, 1, .. Convert.FromHexString("00000002000000056669656c640000000c50617469656e74732e53736e000000047479706500000006737472696e67")];
        var extracted = HMACSHA256.HashData("EfEnvelope/v1"u8, Convert.FromHexString(EnvelopeVectors.KeyA));
        var first = HMACSHA256.HashData(extracted, (byte[])[.. info, 1]);
        byte[] expected = [.. first, .. HMACSHA256.HashData(extracted, (byte[])[.. first, .. info, 2])];
        Assert.Equal(EnvelopeVectors.SubkeyOfTheFirstDeterministicVector, Convert.ToHexStringLower(expected));

        using var key = TestRings.Key("default", 1, Convert.FromHexString(EnvelopeVectors.KeyA));
        var subkey = new byte[64];
        key.Derive(SubkeyPurpose.Value, (byte)EnvelopeAlgorithm.Aes256Siv, FieldContext.Get("Patients.Ssn", "string").Context, subkey);
        Assert.Equal(expected, subkey);
    }

    [Fact]
    public void Every_purpose_algorithm_version_and_context_has_a_subkey_of_its_own()
    {
        var seen = new HashSet<string>();
        var count = 0;
        foreach (var number in new[] { 1, 2, 256, int.MaxValue })
        {
            using var key = TestRings.Key("default", number, Convert.FromHexString(EnvelopeVectors.KeyA));
            foreach (var purpose in Enum.GetValues<SubkeyPurpose>())
            {
                foreach (byte algorithm in new[] { 0, 1, 2 })
                {
                    foreach (var context in new[] { ("a", "b"), ("a", "c"), ("ab", ""), ("A", "b") })
                    {
                        var subkey = new byte[32];
                        key.Derive(purpose, algorithm, FieldContext.Get(context.Item1, context.Item2).Context, subkey);
                        seen.Add(Convert.ToHexString(subkey));
                        count++;
                    }
                }
            }
        }

        Assert.Equal(count, seen.Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(511)]
    [InlineData(512)]
    [InlineData(513)]
    [InlineData(100_000)]
    public void Envelope_is_exactly_33_bytes_longer_than_its_plaintext_or_21_when_deterministic(int length)
    {
        using var key = TestRings.Key("default", 0x01020304, Convert.FromHexString(EnvelopeVectors.KeyA));
        var value = RandomNumberGenerator.GetBytes(length);
        foreach (var (algorithm, overhead, header) in new[] { (EnvelopeAlgorithm.Aes256Gcm, 33, "f901020304"), (EnvelopeAlgorithm.Aes256Siv, 21, "fa01020304") })
        {
            var envelope = TestRings.Encrypt(key, "t.c", value, algorithm);

            Assert.Equal(length + overhead, envelope.Length);
            Assert.Equal(overhead, FieldCipher.OverheadOf(algorithm));
            Assert.Equal(header, Convert.ToHexStringLower(envelope.AsSpan(0, 5)));
            Assert.Equal(value, TestRings.Decrypt<byte[]>(key, "t.c", envelope));
        }
    }

    [Fact]
    public void Every_algorithm_that_opens_is_known_and_no_other()
    {
        // A blind index has a number, and nothing opens it.
        for (var number = 0; number < 8; number++)
        {
            var algorithm = (EnvelopeAlgorithm)number;
            Assert.Equal(Enum.IsDefined(algorithm) && algorithm != EnvelopeAlgorithm.BlindIndex, FieldCipher.Knows(algorithm));
        }
    }

    [Fact]
    public void Equal_values_get_envelopes_that_share_nothing_but_the_header()
    {
        using var key = TestRings.Key("default", 1, Convert.FromHexString(EnvelopeVectors.KeyA));
        var (one, two) = (TestRings.Encrypt(key, "t.c", "the same"), TestRings.Encrypt(key, "t.c", "the same"));

        Assert.Equal(one[..5], two[..5]);
        Assert.NotEqual(one[5..17], two[5..17]);
        Assert.NotEqual(one[17..25], two[17..25]);
        Assert.NotEqual(one[25..], two[25..]);
    }

    [Fact]
    public void No_text_in_utf_8_can_be_taken_for_an_envelope()
    {
        Span<byte> utf8 = stackalloc byte[4];
        for (var scalar = 0; scalar <= 0x10FFFF; scalar++)
        {
            if (!System.Text.Rune.TryCreate(scalar, out var rune))
                continue;
            rune.EncodeToUtf8(utf8);
            Assert.False(EnvelopeHeader.TryRead([utf8[0], 0, 0, 0, 1], out _));
        }
    }

    [Fact]
    public void Message_of_a_failed_decryption_names_column_and_key_version_and_withholds_the_cause()
    {
        using var key = TestRings.Key("clinic", 3, Convert.FromHexString(EnvelopeVectors.KeyA));
        var envelope = TestRings.Encrypt(key, "patients.ssn", "078-05-1120");

        var e = Assert.Throws<EnvelopeDecryptionException>(() => TestRings.Decrypt<string>(key, "patients.email", envelope));

        Assert.Contains("'patients.email'", e.Message, StringComparison.Ordinal);
        Assert.Contains("'clinic:v3'", e.Message, StringComparison.Ordinal);
        Assert.Null(e.InnerException);
    }

    [Fact]
    public void Envelope_under_a_destroyed_or_disabled_version_is_told_apart_from_an_altered_one()
    {
        var scope = new KeyScope("default");
        using var key = TestRings.Key("default", 1, Convert.FromHexString(EnvelopeVectors.KeyA));
        var envelope = TestRings.Encrypt(key, "t.c", "value");
        KeyRing Ring(KeyVersionStatus status) => new(
            scope,
            [new RingKey(TestRings.Stored(key.Version) with { Status = status, Wrapped = null }, null)],
            DateTimeOffset.UnixEpoch,
            Moment.Now(TimeProvider.System),
            TimeProvider.System);

        Assert.Throws<KeyDestroyedException>(() => TestRings.TryDecrypt<string>(Ring(KeyVersionStatus.Destroyed), "t.c", envelope, out _));
        Assert.Throws<KeyUnavailableException>(() => TestRings.TryDecrypt<string>(Ring(KeyVersionStatus.Disabled), "t.c", envelope, out _));
    }

    private static string Outcome(EnvelopeVector vector, KeyRing ring)
    {
        var envelope = Convert.FromHexString(vector.Envelope);
        try
        {
            return Openers[vector.Type](ring, vector.Field, envelope, out var plaintext) ? Convert.ToHexStringLower(plaintext) : "unknown-key-version";
        }
        catch (EnvelopeDecryptionException e)
        {
            Assert.Contains($"'{vector.Field}'", e.Message, StringComparison.Ordinal);
            return e.Message.Contains("is not an envelope", StringComparison.Ordinal) ? "not-an-envelope"
                : e.Message.Contains("an envelope of algorithm", StringComparison.Ordinal) ? "unknown-algorithm"
                : !e.Message.Contains("could not be decrypted", StringComparison.Ordinal) ? e.Message
                : envelope.Length < FieldCipher.OverheadOf((EnvelopeAlgorithm)(envelope[0] & 7)) ? "truncated" : "authentication-failed";
        }
    }

    private static T Value<T>(string name)
    {
        var vector = EnvelopeVectors.All.Single(v => v.Name == name);
        using var key = TestRings.Key("default", vector.Number, Convert.FromHexString(vector.Key));
        return TestRings.Decrypt<T>(key, vector.Field, Convert.FromHexString(vector.Envelope));
    }

    private static bool Open<T>(KeyRing ring, string field, byte[] envelope, out byte[] plaintext)
    {
        var opened = TestRings.TryDecrypt<T>(ring, field, envelope, out var value);
        plaintext = opened ? PlaintextCodec<T>.Default.GetBytes(value!) : [];
        return opened;
    }
}
