using System.Security.Cryptography;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>Deterministic envelopes: equal where they must be, and nowhere else.</summary>
public class AesSivFieldCipherTests
{
    private static readonly byte[] KeyBytes = RandomNumberGenerator.GetBytes(32);

    [Fact]
    public void Equal_values_of_one_column_get_equal_envelopes_from_every_holder_of_the_key()
    {
        using var key = TestRings.Key("clinic", 1, KeyBytes);
        using var again = TestRings.Key("clinic", 1, KeyBytes);

        foreach (var value in new[] { "", "a", "the same", new string('x', 5000) })
        {
            var first = Encrypt(key, "t.c", value);
            Encrypt(key, "t.c", "another in between");
            Assert.Equal(first, Encrypt(key, "t.c", value));
            Assert.Equal(first, Encrypt(again, "t.c", value));
        }
    }

    [Fact]
    public void Equal_values_of_other_columns_types_versions_and_keys_share_nothing_but_the_header()
    {
        using var first = TestRings.Key("clinic", 1, KeyBytes);
        using var second = TestRings.Key("clinic", 2, KeyBytes);
        using var other = TestRings.Key("clinic", 1, RandomNumberGenerator.GetBytes(32));
        byte[][] envelopes =
        [
            Encrypt(first, "t.c", "value"), Encrypt(first, "t.d", "value"), Encrypt(first, "t.c", "value"u8.ToArray()),
            Encrypt(second, "t.c", "value"), Encrypt(other, "t.c", "value"),
        ];

        Assert.Equal(5, envelopes.Select(e => Convert.ToHexString(e[5..21])).Distinct().Count());
        Assert.Equal(5, envelopes.Select(e => Convert.ToHexString(e[21..])).Distinct().Count());
    }

    [Fact]
    public void Values_that_begin_alike_share_nothing_but_the_header()
    {
        using var key = TestRings.Key("clinic", 1, KeyBytes);
        var (one, two) = (Encrypt(key, "t.c", "a long beginning that is shared: 1"), Encrypt(key, "t.c", "a long beginning that is shared: 2"));

        Assert.NotEqual(one[5..21], two[5..21]);
        Assert.NotEqual(one[21..37], two[21..37]);
    }

    [Fact]
    public void Body_is_rfc_5297_under_the_derived_subkey_without_associated_data()
    {
        using var key = TestRings.Key("clinic", 7, KeyBytes);
        var subkey = new byte[64];
        key.Derive(SubkeyPurpose.Value, 2, FieldContext.Get("t.c", "bytes").Context, subkey);
        foreach (var length in new[] { 0, 1, 15, 16, 17, 100, 3000 })
        {
            var value = RandomNumberGenerator.GetBytes(length);
            Assert.Equal((byte[])[0xFA, 0, 0, 0, 7, .. ReferenceSiv.Encrypt(subkey, [], value)], Encrypt(key, "t.c", value));
        }
    }

    [Fact]
    public void One_column_may_have_envelopes_of_both_algorithms()
    {
        using var key = TestRings.Key("clinic", 1, KeyBytes);
        var field = FieldContext.Get("t.c", "string");

        Assert.Equal("value", TestRings.Decrypt<string>(key, "t.c", Encrypt(key, "t.c", "value")));
        Assert.Equal("value", TestRings.Decrypt<string>(key, "t.c", TestRings.Encrypt(key, "t.c", "value")));
        Assert.IsType<AesSivFieldCipher>(field.GetCipher(key, EnvelopeAlgorithm.Aes256Siv));
        Assert.IsType<AesGcmFieldCipher>(field.GetCipher(key, EnvelopeAlgorithm.Aes256Gcm));
        Assert.Same(field.GetCipher(key, EnvelopeAlgorithm.Aes256Siv), field.GetCipher(key, EnvelopeAlgorithm.Aes256Siv));
        Assert.Throws<ArgumentOutOfRangeException>(() => field.GetCipher(key, (EnvelopeAlgorithm)3));
    }

    [Fact]
    public void Refused_value_spoils_nothing_for_those_after_it()
    {
        using var key = TestRings.Key("clinic", 1, KeyBytes);
        var envelope = Encrypt(key, "t.c", "value");
        var altered = envelope.ToArray();
        altered[^1] ^= 1;
        for (var i = 0; i < 100; i++)
        {
            Assert.Throws<EnvelopeDecryptionException>(() => TestRings.Decrypt<string>(key, "t.c", altered));
            Assert.Equal(envelope, Encrypt(key, "t.c", "value"));
            Assert.Equal("value", TestRings.Decrypt<string>(key, "t.c", envelope));
        }
    }

    // An instance that two threads shared would give wrong bytes, and a key dropped meanwhile bytes under zeros.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Many_threads_on_one_cipher_write_the_one_right_envelope_or_none(bool dropped)
    {
        string[] values = [.. Enumerable.Range(0, 200).Select(i => new string((char)('a' + (i % 26)), i * (i % 7 == 0 ? 11 : 1)))];
        using var alone = TestRings.Key("clinic", 1, KeyBytes);
        byte[][] expected = [.. values.Select(v => Encrypt(alone, "t.c", v))];
        var (wrong, right) = (0, 0);
        for (var round = 0; round < (dropped ? 300 : 1); round++)
        {
            var key = TestRings.Key("clinic", 1, KeyBytes);
            using var start = new Barrier(9);
            var threads = Enumerable.Range(0, 8).Select(thread => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    try
                    {
                        for (var i = thread; i < 20_000; i++)
                        {
                            var at = i % values.Length;
                            var ok = Encrypt(key, "t.c", values[at]).AsSpan().SequenceEqual(expected[at])
                                && TestRings.Decrypt<string>(key, "t.c", expected[at]) == values[at];
                            Interlocked.Increment(ref ok ? ref right : ref wrong);
                        }
                    }
                    catch (KeyUnavailableException) when (dropped)
                    {
                    }
                },
                TaskCreationOptions.LongRunning)).ToList();
            start.SignalAndWait();
            Thread.SpinWait(round * 50);
            if (dropped)
                key.Dispose();
            await Task.WhenAll(threads);
            key.Dispose();
        }

        Assert.Equal(0, wrong);
        Assert.InRange(right, dropped ? 1 : 150_000, int.MaxValue);
    }

    private static byte[] Encrypt<T>(DataKey key, string field, T value) => TestRings.Encrypt(key, field, value, EnvelopeAlgorithm.Aes256Siv);
}
