using System.Collections.Concurrent;
using System.Security.Cryptography;
using EfEnvelope.BlindIndexes;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>A keyed hash that tells nothing but equality within one index, under one key version.</summary>
public class BlindIndexContextTests
{
    private static readonly byte[] KeyBytes = Convert.FromHexString(EnvelopeVectors.KeyA);

    [Fact]
    public void One_index_has_one_context()
    {
        BlindIndexPart[] parts = [new("t.a", "string", Normalization.Email), new("t.b", "int32")];
        var context = BlindIndexContext.Get(parts, 12);

        Assert.Same(context, BlindIndexContext.Get([.. parts.Select(p => p with { })], 12));
        Assert.NotSame(context, BlindIndexContext.Get(parts));
        Assert.NotSame(context, BlindIndexContext.Get([.. parts.Reverse()], 12));
        Assert.Equal(parts, context.Parts);
        Assert.Equal((12, 17), (context.Length, context.StoredLength));
        Assert.Equal("field.1=t.a, field.2=t.b, form.1=string email whole, form.2=int32 exact whole, length=12", context.Context.ToString());
    }

    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(32)]
    public void Index_has_the_header_and_as_much_of_the_hash_as_is_kept(int length)
    {
        using var key = TestRings.Key("clinic", 0x01020304, KeyBytes);
        var index = Compute(key, "value", [new("t.c", "string")], length);

        Assert.Equal(5 + length, index.Length);
        Assert.Equal("fb01020304", Convert.ToHexStringLower(index.AsSpan(0, 5)));
        Assert.True(EnvelopeHeader.TryRead(index, out var header));
        Assert.Equal(new EnvelopeHeader(EnvelopeAlgorithm.BlindIndex, 0x01020304), header);
        Assert.Equal(index, Compute(key, "value", [new("t.c", "string")], length));
        Assert.NotEqual(index, Compute(key, "Value", [new("t.c", "string")], length));
    }

    [Fact]
    public void Every_field_form_length_version_and_key_has_a_hash_that_shares_no_beginning_with_another()
    {
        var seen = new HashSet<string>();
        var count = 0;
        foreach (var bytes in new[] { KeyBytes, Convert.FromHexString(EnvelopeVectors.KeyB) })
        {
            foreach (var number in new[] { 1, 2, int.MaxValue })
            {
                using var key = TestRings.Key("clinic", number, bytes);
                foreach (var part in BlindIndexGen.TextParts.Append(new("t.c", "string", Normalization.Exact, BlindIndexProjection.First, 3)))
                {
                    foreach (var field in new[] { "t.c", "t.d", "T.c" })
                    {
                        foreach (var length in new[] { 8, 16, 32 })
                        {
                            var index = Compute(key, "11", [part with { Field = field }], length);
                            seen.Add(Convert.ToHexString(index.AsSpan(5, 8)));
                            count++;
                        }
                    }
                }
            }
        }

        Assert.Equal(count, seen.Count);
    }

    [Fact]
    public void Compound_index_tells_apart_where_one_part_ends()
    {
        using var key = TestRings.Key("clinic", 1, KeyBytes);
        var context = BlindIndexContext.Get([new("t.a", "string"), new("t.b", "string")]);
        byte[] Of(string a, string b) => context.Compute(key, BlindIndexInput.Join([.. new[] { a, b }.Zip(context.Parts, BlindIndexInput.GetBytes)]));

        Assert.Equal(Of("ab", "c"), Of("ab", "c"));
        Assert.Equal(5, new[] { Of("ab", "c"), Of("a", "bc"), Of("c", "ab"), Of("abc", ""), Of("", "abc") }.Select(Convert.ToHexString).Distinct().Count());
    }

    [Fact]
    public void Values_have_equal_indexes_exactly_if_they_are_equal_after_normalization()
    {
        using var key = TestRings.Key("clinic", 1, KeyBytes);
        CsCheck.Check.Sample(
            CsCheck.Gen.Select(BlindIndexGen.Texts, BlindIndexGen.Texts, BlindIndexGen.Parts),
            (a, b, part) => Compute(key, a, [part]).AsSpan().SequenceEqual(Compute(key, b, [part]))
                == BlindIndexInput.GetBytes(a, part).AsSpan().SequenceEqual(BlindIndexInput.GetBytes(b, part)));
    }

    [Fact]
    public void Blind_index_is_no_envelope_and_opens_to_nothing()
    {
        using var key = TestRings.Key("clinic", 1, KeyBytes);
        var index = Compute(key, "value", [new("t.c", "string")]);

        Assert.False(FieldCipher.Knows(EnvelopeAlgorithm.BlindIndex));
        Assert.Throws<EnvelopeDecryptionException>(() => TestRings.Decrypt<string>(key, "t.c", index));
        Assert.Throws<ArgumentOutOfRangeException>(() => FieldCipher.OverheadOf(EnvelopeAlgorithm.BlindIndex));
    }

    [Fact]
    public async Task Many_threads_on_one_context_get_right_results()
    {
        using var key = TestRings.Key("clinic", 1, KeyBytes);
        var context = BlindIndexContext.Get([new("t.c", "string")]);
        var subkey = new byte[32];
        key.Derive(SubkeyPurpose.BlindIndex, 0, context.Context, subkey);
        var wrong = 0;
        var threads = Enumerable.Range(0, 8).Select(thread => Task.Factory.StartNew(
            () =>
            {
                for (var i = 0; i < 20_000; i++)
                {
                    var input = BlindIndexInput.Join(BlindIndexInput.GetBytes($"{thread}:{i}:{new string('x', i % 200)}", context.Parts[0]));
                    if (!context.Compute(key, input).AsSpan(5).SequenceEqual(HMACSHA256.HashData(subkey, input).AsSpan(0, 16)))
                        Interlocked.Increment(ref wrong);
                }
            },
            TaskCreationOptions.LongRunning));

        await Task.WhenAll(threads);

        Assert.Equal(0, wrong);
    }

    [Fact]
    public void Dropped_key_asks_to_retry_and_leaves_nothing_behind()
    {
        var key = TestRings.Key("clinic", 1, KeyBytes);
        Compute(key, "value", [new("t.c", "string")]);
        Assert.Contains(SubkeyOf(Assert.Single(HashersOf(key))), b => b != 0);

        key.Dispose();

        Assert.Throws<KeyUnavailableException>(() => Compute(key, "value", [new("t.c", "string")]));
        Assert.Throws<KeyUnavailableException>(() => Compute(key, "value", [new("t.another", "string")]));
        AssertDrained(key);
    }

    [Fact]
    public async Task Key_dropped_while_threads_use_it_gives_right_results_or_asks_to_retry()
    {
        var context = BlindIndexContext.Get([new("t.c", "string")]);
        using var intact = TestRings.Key("clinic", 1, KeyBytes);
        var right = Compute(intact, "value", [.. context.Parts]);
        for (var round = 0; round < 400; round++)
        {
            var key = TestRings.Key("clinic", 1, KeyBytes);
            var made = new ConcurrentQueue<byte[]>();
            using var start = new Barrier(4);
            var threads = Enumerable.Range(0, 3).Select(_ => Task.Run(() =>
            {
                start.SignalAndWait();
                while (true)
                {
                    try
                    {
                        made.Enqueue(Compute(key, "value", [.. context.Parts]));
                    }
                    catch (KeyUnavailableException)
                    {
                        return;
                    }
                }
            })).ToList();
            start.SignalAndWait();
            Thread.SpinWait(round * 40);
            key.Dispose();
            await Task.WhenAll(threads);

            Assert.All(made, index => Assert.Equal(right, index));
            AssertDrained(key);
        }
    }

    private static byte[] Compute(DataKey key, string value, BlindIndexPart[] parts, int length = BlindIndexContext.DefaultLength)
        => BlindIndexContext.Get(parts, length).Compute(key, BlindIndexInput.Join([.. parts.Select(part => BlindIndexInput.GetBytes(value, part))]));

    private static List<BlindIndexHasher> HashersOf(DataKey key)
        => [.. TestRings.Field<ConcurrentDictionary<object, IDisposable>>(key, "_subkeys").Values.OfType<BlindIndexHasher>()];

    private static byte[] SubkeyOf(BlindIndexHasher hasher) => TestRings.MemoryOf(TestRings.Field<OwnedBytes>(TestRings.Field<object>(hasher, "_pool"), "_key"));

    private static void AssertDrained(DataKey key)
    {
        foreach (var hasher in HashersOf(key))
        {
            Assert.All(TestRings.Field<IncrementalHash?[]>(TestRings.Field<object>(hasher, "_pool"), "_slots"), Assert.Null);
            Assert.All(SubkeyOf(hasher), b => Assert.Equal(0, b));
        }
    }
}
