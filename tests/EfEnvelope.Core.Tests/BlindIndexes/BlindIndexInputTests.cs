using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using EfEnvelope.BlindIndexes;
using EfEnvelope.Envelopes;

namespace EfEnvelope.Tests;

/// <summary>Bytes are equal exactly if values are equal after normalization.</summary>
public class BlindIndexInputTests
{
    private static readonly Gen<decimal> Decimals = Gen.Select(
        Gen.Int[-1000, 1000], Gen.Byte[0, 28], (coefficient, scale) => new decimal(Math.Abs(coefficient), 0, 0, coefficient < 0, scale));

    private static readonly Gen<double> Doubles = Gen.OneOf(
        Gen.OneOfConst(0.0, -0.0, 1, double.NaN, -double.NaN, BitConverter.UInt64BitsToDouble(0x7FF8000000000001), double.PositiveInfinity, double.Epsilon), Gen.Double);

    [Fact]
    public void Exact_texts_have_equal_bytes_exactly_if_they_are_equal_in_dotnet()
        => Gen.Select(BlindIndexGen.Texts, BlindIndexGen.Texts).Sample((a, b) => Same(a, b, Part()) == (a == b));

    [Fact]
    public void Trimmed_texts_have_equal_bytes_exactly_if_they_are_equal_without_white_space_at_their_ends()
        => Gen.Select(BlindIndexGen.Texts, BlindIndexGen.Texts).Sample(
            (a, b) => Same(a, b, Part(Normalization.Trimmed)) == (Compose(a).Trim() == Compose(b).Trim()));

    [Theory]
    [InlineData(Normalization.CaseInsensitive)]
    [InlineData(Normalization.Email)]
    public void Texts_that_dotnet_calls_equal_but_for_their_case_have_equal_bytes(Normalization normalization)
        => Gen.Select(BlindIndexGen.Texts, BlindIndexGen.Texts).Sample(
            (a, b) => !string.Equals(Shield(Compose(a)), Shield(Compose(b)), StringComparison.OrdinalIgnoreCase) || Same(a, b, Part(normalization)));

    [Theory]
    [InlineData("aſK@corp.com", "ask@corp.com")]
    [InlineData("ſ", "S")]
    [InlineData("\u212A", "k")]
    [InlineData("\u212A\u0327", "K\u0327")]
    [InlineData("a\u037E", "a;")]
    [InlineData("\u1FEF", "`")]
    [InlineData("\u1FEF\u0300", "`\u0300")]
    public void Text_beyond_ASCII_is_not_equal_to_one_that_looks_like_it(string text, string other)
        => Assert.All(
            Enum.GetValues<Normalization>().Where(n => n != Normalization.DigitsOnly),
            normalization => Assert.False(Same(text, other, Part(normalization))));

    [Theory]
    [InlineData(Normalization.Exact)]
    [InlineData(Normalization.CaseInsensitive)]
    [InlineData(Normalization.Trimmed)]
    [InlineData(Normalization.Email)]
    public void No_character_beyond_ASCII_becomes_an_ASCII_one(Normalization normalization)
    {
        // Marks that compose with ASCII letters are those of some character's decomposition.
        var marks = Runes().Where(r => !r.IsAscii && r.Value != 0xFFFE).Select(r => r.ToString().IsNormalized() ? r.ToString().Normalize(NormalizationForm.FormD) : "")
            .Where(d => d.Length > 1 && char.IsAscii(d[0])).SelectMany(d => d[1..].EnumerateRunes()).Distinct().ToList();
        Assert.True(marks.Count > 20);
        foreach (var rune in Runes().Where(r => !r.IsAscii && r.Value != 0xFFFE))
        {
            foreach (var text in marks.Select(m => $"{rune}{m}").Prepend(rune.ToString()).Take(rune.ToString().Normalize(NormalizationForm.FormKD) == rune.ToString() ? 1 : int.MaxValue))
                Assert.False(TextNormalization.Apply(text, normalization).Any(char.IsAscii), $"U+{rune.Value:X}");
        }
    }

    // Digits of all scripts are equal by design, but nothing else becomes one.
    [Fact]
    public void Only_decimal_digits_become_ASCII_ones()
        => Assert.All(
            Runes().Where(r => !r.IsAscii && TextNormalization.Apply(r.ToString(), Normalization.DigitsOnly).Length > 0),
            r => Assert.Equal(UnicodeCategory.DecimalDigitNumber, Rune.GetUnicodeCategory(r)));

    [Fact]
    public void Texts_of_digits_have_equal_bytes_exactly_if_their_digits_are_equal()
        => Gen.Select(BlindIndexGen.Texts, BlindIndexGen.Texts).Sample((a, b) => Same(a, b, Part(Normalization.DigitsOnly)) == (Digits(a) == Digits(b)));

    [Fact]
    public void Normalizing_twice_is_normalizing_once()
        => Gen.Select(BlindIndexGen.Texts, BlindIndexGen.Parts.Where(p => p.Projection == BlindIndexProjection.Whole)).Sample((text, part) =>
        {
            var once = BlindIndexInput.GetBytes(text, part);
            Assert.Equal(once, BlindIndexInput.GetBytes(Encoding.UTF8.GetString(once), part));
        });

    [Fact]
    public void Value_that_starts_or_ends_with_what_is_searched_has_its_bytes()
        => Gen.Select(BlindIndexGen.Texts, BlindIndexGen.Texts, BlindIndexGen.Parts.Where(p => p.Projection != BlindIndexProjection.Whole)).Sample(
            (value, search, part) =>
            {
                var (whole, end) = (Normalized(value, part), Normalized(search, part));
                if (end.EnumerateRunes().Count() != part.Characters)
                {
                    Assert.Throws<EnvelopeConfigurationException>(() => BlindIndexInput.GetSearchBytes(search, part));
                    return;
                }

                var found = BlindIndexInput.GetSearchBytes(search, part).AsSpan().SequenceEqual(BlindIndexInput.GetBytes(value, part));
                Assert.Equal(
                    part.Projection == BlindIndexProjection.First ? whole.StartsWith(end, StringComparison.Ordinal) : whole.EndsWith(end, StringComparison.Ordinal), found);
            });

    [Fact]
    public void Search_of_another_length_is_refused_with_the_name_and_the_number_but_not_the_value()
    {
        var part = new BlindIndexPart("Patients.Ssn", "string", Normalization.DigitsOnly, BlindIndexProjection.Last, 4);

        var e = Assert.Throws<EnvelopeConfigurationException>(() => BlindIndexInput.GetSearchBytes("98-7", part));

        Assert.Contains("'Patients.Ssn'", e.Message, StringComparison.Ordinal);
        Assert.Contains("exactly 4", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("98", e.Message, StringComparison.Ordinal);
        Assert.Equal("1120"u8.ToArray(), BlindIndexInput.GetSearchBytes("1-1-2-0", part));
        Assert.Equal("987"u8.ToArray(), BlindIndexInput.GetSearchBytes("98-7", part with { Projection = BlindIndexProjection.Whole, Characters = 0 }));
    }

    [Fact]
    public void Half_a_surrogate_pair_is_refused_by_every_form_even_where_it_would_be_left_out()
    {
        foreach (var text in new[] { "a\uD83D", "\uDE00 " })
        {
            Assert.All(BlindIndexGen.TextParts, part =>
            {
                var e = Assert.Throws<EnvelopeConfigurationException>(() => BlindIndexInput.GetBytes(text, part));
                Assert.Equal(Diagnostics.Messages.InvalidUnicode("t.c"), e.Message);
                Assert.Throws<EnvelopeConfigurationException>(() => BlindIndexInput.GetSearchBytes(text, part));
            });
        }
    }

    [Fact]
    public void Decimals_and_floating_point_numbers_have_equal_bytes_exactly_if_they_are_equal_in_dotnet()
    {
        Gen.Select(Decimals, Decimals).Sample((a, b) => Same(a, b) == (a == b));
        Gen.Select(Gen.Decimal, Gen.Byte[0, 5]).Sample((a, zeros) => a.Scale + zeros > 28 || Same(a, decimal.Add(a, new decimal(0, 0, 0, false, (byte)(a.Scale + zeros)))));
        Gen.Select(Doubles, Doubles).Sample((a, b) => Same(a, b) == a.Equals(b));
        Gen.Select(Doubles, Doubles).Sample((a, b) => Same((float)a, (float)b) == ((float)a).Equals((float)b));
    }

    [Fact]
    public void Moments_have_equal_bytes_exactly_if_they_are_equal_in_dotnet()
    {
        var moment = new DateTimeOffset(2026, 1, 31, 12, 0, 0, TimeSpan.Zero);
        Assert.True(Same(moment, moment.ToOffset(TimeSpan.FromMinutes(-330))));
        Assert.False(Same(moment, moment.AddTicks(1)));
        Assert.False(Same(moment, new DateTimeOffset(moment.DateTime, TimeSpan.FromHours(1))));

        var kinds = Enum.GetValues<DateTimeKind>().Select(kind => DateTime.SpecifyKind(moment.DateTime, kind)).ToList();
        Assert.All(kinds, a => Assert.True(Same(a, kinds[0])));
        Assert.False(Same(kinds[0], kinds[0].AddTicks(1)));
    }

    [Fact]
    public void All_else_has_the_bytes_of_its_plaintext()
    {
        Assert.Equal([0xFF, 0xFF, 0xFF, 0xFE], Bytes(-2));
        Assert.Equal([0, 0, 0, 3], Bytes(DayOfWeek.Wednesday));
        Assert.Equal([1, 2, 3], Bytes(new byte[] { 1, 2, 3 }));
        Assert.Equal([0xD8, 0x00], Bytes('\uD800'));
        Assert.Equal([1], Bytes(true));
        Gen.Guid.Sample(value => Assert.Equal(PlaintextCodec<Guid>.Default.GetBytes(value), Bytes(value)));
        Gen.Long.Sample(value => Assert.Equal(PlaintextCodec<TimeSpan>.Default.GetBytes(new TimeSpan(value)), Bytes(new TimeSpan(value))));
    }

    [Fact]
    public void Value_of_another_type_than_the_part_is_a_mistake()
        => Assert.Throws<ArgumentException>(() => BlindIndexInput.GetBytes(1L, new BlindIndexPart("t.c", "int32")));

    [Fact]
    public void Joined_parts_are_equal_exactly_if_each_part_is()
    {
        Assert.NotEqual(BlindIndexInput.Join("ab"u8.ToArray(), "c"u8.ToArray()), BlindIndexInput.Join("a"u8.ToArray(), "bc"u8.ToArray()));
        var parts = Gen.Byte[0, 1].Array[0, 3].Array[1, 3];
        Gen.Select(parts, parts).Sample(
            (a, b) => BlindIndexInput.Join(a).AsSpan().SequenceEqual(BlindIndexInput.Join(b)) == (a.Length == b.Length && a.Zip(b).All(p => p.First.SequenceEqual(p.Second))));
    }

    // A letter whose upper case is newer than the format keeps none; all others have the one that the platform knows.
    [Fact]
    public void Frozen_upper_case_is_that_of_the_platform_where_that_is_old_enough()
    {
        var mapped = 0;
        foreach (var rune in Runes())
        {
            var upper = FrozenUnicode.ToUpper(rune);
            if (upper == rune)
                continue;
            mapped++;
            Assert.True(Rune.ToUpperInvariant(rune) == upper, $"U+{rune.Value:X}");
            Assert.Equal(upper, FrozenUnicode.ToUpper(upper));
        }

        Assert.Equal(1448, mapped);
        Assert.DoesNotContain(Runes(), r => !r.IsAscii && FrozenUnicode.ToUpper(r).IsAscii);
    }

    [Fact]
    public void Frozen_digits_are_those_of_the_platform_but_for_newer_ones()
    {
        var found = 0;
        foreach (var rune in Runes())
        {
            var digit = FrozenUnicode.FindDigit(rune);
            if (digit < 0)
                continue;
            found++;
            Assert.Equal(digit, CharUnicodeInfo.GetDecimalDigitValue(rune.ToString(), 0));
        }

        Assert.Equal(680, found);
    }

    [Fact]
    public void White_space_is_what_the_document_lists()
        => Assert.Equal(
            [.. Enumerable.Range(9, 5), 0x20, 0x85, 0xA0, 0x1680, .. Enumerable.Range(0x2000, 11), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000],
            Enumerable.Range(0, 0x10000).Where(c => char.IsWhiteSpace((char)c)));

    private static IEnumerable<Rune> Runes() => Enumerable.Range(0, 0x110000).Where(Rune.IsValid).Select(value => new Rune(value));

    private static BlindIndexPart Part(Normalization normalization = Normalization.Exact) => new("t.c", "string", normalization);

    private static bool Same(string a, string b, BlindIndexPart part) => BlindIndexInput.GetBytes(a, part).AsSpan().SequenceEqual(BlindIndexInput.GetBytes(b, part));

    private static bool Same<T>(T a, T b) => Bytes(a).AsSpan().SequenceEqual(Bytes(b));

    private static byte[] Bytes<T>(T value) => BlindIndexInput.GetBytes(value, new BlindIndexPart("t.c", PlaintextCodec<T>.Default.Type));

    private static string Normalized(string value, BlindIndexPart part)
        => Encoding.UTF8.GetString(BlindIndexInput.GetBytes(value, part with { Projection = BlindIndexProjection.Whole, Characters = 0 }));

    private static string Compose(string text)
        => string.Concat(Regex.Split(text, "([\uFFFE\u212A\u037E\u1FEF])").Select(t => t is ['\uFFFE' or '\u212A' or '\u037E' or '\u1FEF'] ? t : t.Normalize()));

    // .NET ignores the case of these, as if they were ASCII letters.
    private static string Shield(string text) => text.Replace('ſ', '\uE000').Replace('\u212A', '\uE001');

    private static string Digits(string text)
        => string.Concat(text.EnumerateRunes().Where(Rune.IsDigit).Select(r => CharUnicodeInfo.GetDecimalDigitValue(r.ToString(), 0)));
}
