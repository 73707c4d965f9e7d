using CsCheck;
using EfEnvelope.Kms;

namespace EfEnvelope.Tests;

public class EncryptionContextTests
{
    [Fact]
    public void Context_without_pairs_is_a_count_of_zero()
        => Assert.Equal("00000000", Hex(EncryptionContext.Empty));

    [Fact]
    public void Canonical_bytes_are_count_and_length_prefixed_pairs()
        => Assert.Equal(
            "00000002" + "00000005" + "6669656c64" + "00000003" + "742e63" + "00000004" + "74797065" + "00000006" + "737472696e67",
            Hex(Context(("type", "string"), ("field", "t.c"))));

    [Fact]
    public void Values_may_be_empty_and_lengths_count_utf_8_bytes()
        => Assert.Equal("00000001" + "00000002" + "c3a9" + "00000000", Hex(Context(("é", ""))));

    [Fact]
    public void Pairs_stand_in_the_order_of_their_utf_8_bytes()
    {
        // In UTF-16 the surrogates of U+1D50A sort before U+FFFD; in UTF-8 they sort after it. Capitals sort before small letters.
        var context = Context(("\U0001D50A", "1"), ("a", "3"), ("\uFFFD", "2"), ("B", "4"), ("aa", "5"));

        Assert.Equal(
            "00000005"
            + "00000001" + "42" + "00000001" + "34"
            + "00000001" + "61" + "00000001" + "33"
            + "00000002" + "6161" + "00000001" + "35"
            + "00000003" + "efbfbd" + "00000001" + "32"
            + "00000004" + "f09d948a" + "00000001" + "31",
            Hex(context));
    }

    [Fact]
    public void Order_of_the_pairs_does_not_matter()
        => Pairs.Sample(pairs =>
        {
            var (one, other) = (new EncryptionContext(pairs), new EncryptionContext(pairs.AsEnumerable().Reverse()));
            Assert.Equal(Hex(one), Hex(other));
            Assert.Equal(one, other);
            Assert.Equal(one.GetHashCode(), other.GetHashCode());
        });

    // Names and values from so few letters that the same text is often split in another place.
    [Fact]
    public void Different_pairs_never_have_the_same_bytes()
        => Gen.Select(Pairs, Pairs).Sample(
            (one, other) =>
            {
                var same = one.OrderBy(p => p.Key, StringComparer.Ordinal).SequenceEqual(other.OrderBy(p => p.Key, StringComparer.Ordinal));
                var (a, b) = (new EncryptionContext(one), new EncryptionContext(other));
                Assert.Equal(same, Hex(a) == Hex(b));
                Assert.Equal(same, a.Equals(b));
            },
            iter: 50_000);

    [Fact]
    public void Text_split_in_another_place_is_another_context()
    {
        string[] all =
        [
            Hex(Context(("ab", "c"))),
            Hex(Context(("a", "bc"))),
            Hex(Context(("abc", ""))),
            Hex(Context(("a", "b"), ("c", ""))),
            Hex(Context(("a", ""), ("b", "c"))),
            Hex(Context(("a", "\0\0\0\u0001b"))),
            Hex(Context(("é", ""))),
            Hex(Context(("e\u0301", ""))),
        ];

        Assert.Equal(all.Length, all.Distinct().Count());
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    public void Name_that_is_empty_is_refused(string? name)
        => Assert.Throws<ArgumentException>(() => new EncryptionContext(new KeyValuePair<string, string>(name!, "v")));

    [Fact]
    public void Name_given_twice_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Context(("a", "1"), ("a", "1")));
        Assert.Throws<ArgumentException>(() => new EncryptionContext(new KeyValuePair<string, string>("a", null!)));
    }

    [Fact]
    public void Half_a_surrogate_pair_is_refused_and_not_replaced()
    {
        Assert.ThrowsAny<ArgumentException>(() => Context(("a", "\ud83d")));
        Assert.ThrowsAny<ArgumentException>(() => Context(("\ud83d", "a")));
    }

    private static Gen<List<KeyValuePair<string, string>>> Pairs
        => Gen.Select(Gen.Char["ab\0é"].Array[1, 3], Gen.Char["ab\0é"].Array[0, 3])
            .Select(p => new KeyValuePair<string, string>(new string(p.Item1), new string(p.Item2)))
            .List[0, 3].Select(pairs => pairs.DistinctBy(p => p.Key).ToList());

    private static EncryptionContext Context(params (string Name, string Value)[] pairs)
        => new(pairs.Select(p => new KeyValuePair<string, string>(p.Name, p.Value)));

    private static string Hex(EncryptionContext context) => Convert.ToHexStringLower(context.AssociatedData.Span);
}
