using System.Globalization;
using System.Text;
using CsCheck;
using EfEnvelope.Envelopes;

namespace EfEnvelope.Tests;

public class PlaintextCodecTests
{
    private enum Signed8 : sbyte
    {
        One = 1,
    }

    private enum Unsigned8 : byte
    {
        One = 1,
    }

    private enum Signed16 : short
    {
        One = 1,
    }

    private enum Unsigned16 : ushort
    {
        One = 1,
    }

    private enum Signed32
    {
        One = 1,
    }

    private enum Unsigned32 : uint
    {
        One = 1,
    }

    private enum Signed64 : long
    {
        One = 1,
    }

    private enum Unsigned64 : ulong
    {
        One = 1,
    }

    // One line per value: the bytes are written by hand from the tables of FORMAT.md.
    private static readonly Sample[] Samples =
    [
        Of("string", "", ""),
        Of("string", "Ada", "416461"),
        Of("string", "Zoë", "5a6fc3ab"),
        Of("string", "e\u0301", "65cc81"),
        Of("string", "\u00e9", "c3a9"),
        Of("string", "\ufeffx\0", "efbbbf7800"),
        Of("string", "😀", "f09f9880"),
        Of("string", "\ufffd", "efbfbd"),
        Of("bytes", Array.Empty<byte>(), ""),
        Of("bytes", new byte[] { 0, 0xFF, 0xF9 }, "00fff9"),
        Of("bool", false, "00"),
        Of("bool", true, "01"),
        Of("int8", (sbyte)-1, "ff"),
        Of("int8", sbyte.MaxValue, "7f"),
        Of("uint8", (byte)255, "ff"),
        Of("int16", (short)-2, "fffe"),
        Of("int16", (short)0x0102, "0102"),
        Of("uint16", (ushort)0xFF01, "ff01"),
        Of("int32", -2, "fffffffe"),
        Of("int32", 0x01020304, "01020304"),
        Of("int32", int.MinValue, "80000000"),
        Of("uint32", 0xFF020304, "ff020304"),
        Of("int64", -1L, "ffffffffffffffff"),
        Of("int64", 0x0102030405060708, "0102030405060708"),
        Of("uint64", 0xFF02030405060708, "ff02030405060708"),
        Of("float32", 1.5f, "3fc00000"),
        Of("float32", -0.0f, "80000000"),
        Of("float32", float.NegativeInfinity, "ff800000"),
        Of("float32", BitConverter.UInt32BitsToSingle(0x7FC12345), "7fc12345"),
        Of("float64", 1.5, "3ff8000000000000"),
        Of("float64", 0.0, "0000000000000000"),
        Of("float64", -0.0, "8000000000000000"),
        Of("float64", double.PositiveInfinity, "7ff0000000000000"),
        Of("float64", double.Epsilon, "0000000000000001"),
        Of("float64", BitConverter.UInt64BitsToDouble(0x7FF8DEAD00C0FFEE), "7ff8dead00c0ffee"),
        Of("float64", BitConverter.UInt64BitsToDouble(0xFFF8000000000001), "fff8000000000001"),
        Of("char", 'é', "00e9"),
        Of("char", '\ud800', "d800"),
        Of("decimal", 0m, "00000000000000000000000000000000"),
        Of("decimal", 1.5m, "0001000000000000000000000000000f"),
        Of("decimal", 1.50m, "00020000000000000000000000000096"),
        Of("decimal", -1m, "80000000000000000000000000000001"),
        Of("decimal", new decimal(0, 0, 0, true, 1), "80010000000000000000000000000000"),
        Of("decimal", decimal.MaxValue, "00000000ffffffffffffffffffffffff"),
        Of("decimal", 0.0000000000000000000000000001m, "001c0000000000000000000000000001"),
        Of("guid", new Guid("00112233-4455-6677-8899-aabbccddeeff"), "00112233445566778899aabbccddeeff"),
        Of("datetime", new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Unspecified), "08c1220247e44000"),
        Of("datetime", new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc), "48c1220247e44000"),
        Of("datetime", new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Local), "88c1220247e44000"),
        Of("datetime", DateTime.MinValue, "0000000000000000"),
        Of("datetime", DateTime.MaxValue, "2bca2875f4373fff"),
        Of("datetimeoffset", new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.FromHours(2)), "08c1220247e440000078"),
        Of("datetimeoffset", new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.FromMinutes(-330)), "08c1220247e44000feb6"),
        Of("date", DateOnly.MinValue, "00000000"),
        Of("date", new DateOnly(2000, 1, 1), "000b2407"),
        Of("date", DateOnly.MaxValue, "0037b9da"),
        Of("time", new TimeOnly(0, 0, 1), "0000000000989680"),
        Of("time", TimeOnly.MaxValue, "000000c92a69bfff"),
        Of("timespan", TimeSpan.FromTicks(-1), "ffffffffffffffff"),
        Of("timespan", TimeSpan.MinValue, "8000000000000000"),
        Of("int8", (Signed8)(-1), "ff"),
        Of("uint8", (Unsigned8)200, "c8"),
        Of("int16", (Signed16)(-300), "fed4"),
        Of("uint16", (Unsigned16)60000, "ea60"),
        Of("int32", Signed32.One, "00000001"),
        Of("int32", (Signed32)(-70000), "fffeee90"),
        Of("uint32", (Unsigned32)4000000000, "ee6b2800"),
        Of("int64", (Signed64)(-1), "ffffffffffffffff"),
        Of("uint64", (Unsigned64)ulong.MaxValue, "ffffffffffffffff"),
        Json(new List<string> { "a", "ü\"\\" }, """["a","ü\"\\"]"""),
        Json(new List<string?> { null, "" }, """[null,""]"""),
        Json(new[] { 1, -2 }, "[1,-2]"),
        Json(new int?[] { 1, null }, "[1,null]"),
        Json(new List<List<int>> { new() { 1 }, new() }, "[[1],[]]"),
        Json(new[] { double.NaN, -0.0, double.PositiveInfinity, double.NegativeInfinity }, """["NaN",-0,"Infinity","-Infinity"]"""),
        Json(new[] { 1.5m, 1.50m }, "[1.5,1.50]"),
        Json(new[] { 'a', 'é' }, """["a","é"]"""),
        Json(new List<DateOnly> { new(2000, 1, 1) }, """["2000-01-01"]"""),
        Json(new List<Guid> { new("00112233-4455-6677-8899-aabbccddeeff") }, """["00112233-4455-6677-8899-aabbccddeeff"]"""),
        Json(new List<byte[]> { new byte[] { 0xFB, 0xFF } }, """["+/8="]"""),
        Json(new List<Signed32> { Signed32.One, (Signed32)7 }, "[1,7]"),
        Json(new HashSet<string> { "b", "a" }, """["b","a"]"""),
        Json(new Dictionary<string, int> { ["é"] = 1 }, """{"é":1}"""),
    ];

    public static TheoryData<string> Names => [.. Samples.Select(s => s.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Value_has_the_documented_bytes_and_comes_back(string name)
    {
        var sample = Samples.Single(s => s.Name == name);
        Assert.Equal(sample.Bytes, sample.Encode());
        Assert.Equal(sample.Bytes, sample.Reencode());
    }

    [Theory]
    [InlineData("tr-TR")]
    [InlineData("ar-SA")]
    [InlineData("de-CH")]
    public void Bytes_do_not_depend_on_the_culture(string culture)
    {
        var (before, beforeUi) = (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture);
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo(culture);
            Assert.All(
                Samples,
                s =>
                {
                    Assert.Equal(s.Bytes, s.Encode());
                    Assert.Equal(s.Bytes, s.Reencode());
                });
        }
        finally
        {
            (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture) = (before, beforeUi);
        }
    }

    [Fact]
    public void Types_have_the_sizes_that_their_columns_are_given()
    {
        foreach (var sample in Samples.Where(s => s.FixedLength is not null))
            Assert.Equal(sample.FixedLength, sample.Bytes.Length / 2);
    }

    // What reads back as exactly the same value, bit by bit, cannot share its bytes with another.
    [Fact]
    public void Different_values_never_have_the_same_bytes()
    {
        Exact(Gen.Bool, (a, b) => a == b);
        Exact(Gen.SByte, (a, b) => a == b);
        Exact(Gen.Byte, (a, b) => a == b);
        Exact(Gen.Short, (a, b) => a == b);
        Exact(Gen.UShort, (a, b) => a == b);
        Exact(Gen.Int, (a, b) => a == b);
        Exact(Gen.UInt, (a, b) => a == b);
        Exact(Gen.Long, (a, b) => a == b);
        Exact(Gen.ULong, (a, b) => a == b);
        Exact(Gen.UInt.Select(BitConverter.UInt32BitsToSingle), (a, b) => BitConverter.SingleToUInt32Bits(a) == BitConverter.SingleToUInt32Bits(b));
        Exact(Gen.ULong.Select(BitConverter.UInt64BitsToDouble), (a, b) => BitConverter.DoubleToUInt64Bits(a) == BitConverter.DoubleToUInt64Bits(b));
        Exact(Gen.UShort.Select(c => (char)c), (a, b) => a == b);
        Exact(
            Gen.Select(Gen.Int, Gen.Int, Gen.Int, Gen.Bool, Gen.Byte[0, 28]).Select(p => new decimal(p.Item1, p.Item2, p.Item3, p.Item4, p.Item5)),
            (a, b) => decimal.GetBits(a).SequenceEqual(decimal.GetBits(b)));
        Exact(Gen.Guid, (a, b) => a == b);
        Exact(
            Gen.Select(Gen.Long[0, DateTime.MaxValue.Ticks], Gen.Enum<DateTimeKind>()).Select(p => new DateTime(p.Item1, p.Item2)),
            (a, b) => a.Ticks == b.Ticks && a.Kind == b.Kind);
        Exact(
            Gen.Select(Gen.Long[TimeSpan.TicksPerDay, DateTime.MaxValue.Ticks - TimeSpan.TicksPerDay], Gen.Int[-14 * 60, 14 * 60])
                .Select(p => new DateTimeOffset(p.Item1, TimeSpan.FromMinutes(p.Item2))),
            (a, b) => a.EqualsExact(b));
        Exact(Gen.DateOnly, (a, b) => a == b);
        Exact(Gen.Long[0, TimeSpan.TicksPerDay - 1].Select(t => new TimeOnly(t)), (a, b) => a == b);
        Exact(Gen.Long.Select(t => new TimeSpan(t)), (a, b) => a == b);
        Exact(Gen.Int.Select(v => (Signed32)v), (a, b) => a == b);
        Exact(Gen.ULong.Select(v => (Unsigned64)v), (a, b) => a == b);
        Exact(Gen.Byte.Array[0, 50], (a, b) => a.SequenceEqual(b));
        Exact(WholeStrings, (a, b) => string.Equals(a, b, StringComparison.Ordinal));
        Exact(WholeStrings.List[0, 5], (a, b) => a.SequenceEqual(b, StringComparer.Ordinal));
        Exact(Gen.Double.Array[0, 5], (a, b) => a.Select(BitConverter.DoubleToInt64Bits).SequenceEqual(b.Select(BitConverter.DoubleToInt64Bits)));
    }

    [Fact]
    public void Nested_and_unordered_collections_come_back()
    {
        List<List<string?>> nested = [["a", null], [], ["𝔊", "\ufffd", "\u0000"]];
        Assert.Equal(nested, RoundTrip(nested));
        Assert.Equal([3, 1, 2], RoundTrip(new HashSet<int> { 3, 1, 2 }));
        Assert.Equal([null, 1.5], RoundTrip(new List<double?> { null, 1.5 }));
        Assert.True(double.IsNaN(RoundTrip(new List<double> { double.NaN })[0]));
        Assert.Equal(new Dictionary<char, string> { ['é'] = "x" }, RoundTrip(new Dictionary<char, string> { ['é'] = "x" }));
        Assert.Equal([], RoundTrip(Array.Empty<string>()));
    }

    public static TheoryData<string> HalfPairs => ["\ud83d", "\ude00", "a\ud83db", "\ude00\ud83d", "😀\ud83d"];

    [Theory]
    [MemberData(nameof(HalfPairs))]
    public void Half_a_surrogate_pair_is_refused_wherever_it_stands(string text)
    {
        Refused(text);
        Refused(new[] { text });
        Refused(new List<string?> { "fine", null, text });
        Refused(new HashSet<string> { text });
        Refused(new List<List<string>> { new() { "fine" }, new() { text } });
        Refused(new Dictionary<string, int> { [text] = 1 });
        Refused(new Dictionary<int, string> { [1] = text });
        Refused(new List<object> { 1, text });
        Refused(new List<Note> { new(text) });
    }

    [Fact]
    public void Half_a_surrogate_pair_is_refused_in_a_collection_of_characters_even_beside_its_other_half()
    {
        Refused(new[] { '\ud83d' });
        Refused(new[] { '\ud83d', '\ude00' });
        Refused(new List<char?> { 'a', null, '\ude00' });
        Refused(new Dictionary<char, int> { ['\ud83d'] = 1 });
    }

    [Fact]
    public void Character_alone_keeps_half_a_surrogate_pair()
    {
        for (var c = 0; c <= char.MaxValue; c++)
            Assert.Equal((char)c, RoundTrip((char)c));
    }

    [Theory]
    [InlineData("ff")]
    [InlineData("c080")]
    [InlineData("eda080")]
    [InlineData("f09f98")]
    public void Stored_text_that_is_not_utf_8_is_refused_without_telling_its_bytes(string hex)
        => Unreadable<string>(hex);

    [Theory]
    [InlineData("[\"\\ud83d\"]")]
    [InlineData("[\"a\"")]
    [InlineData("[1]")]
    [InlineData("null")]
    [InlineData("")]
    public void Stored_json_that_is_no_such_collection_is_refused(string json)
        => Unreadable<List<string>>(Convert.ToHexStringLower(Encoding.UTF8.GetBytes(json)));

    [Fact]
    public void Stored_bytes_that_no_value_of_the_type_has_are_refused()
    {
        Unreadable<bool>("02");
        Unreadable<bool>("");
        Unreadable<int>("000001");
        Unreadable<int>("0000000001");
        Unreadable<decimal>("001d0000000000000000000000000001");
        Unreadable<decimal>("00000001000000000000000000000001");
        Unreadable<DateTime>("c8c1220247e44000");
        Unreadable<DateTime>("2bca2875f4374000");
        Unreadable<DateTimeOffset>("08c1220247e440000349");
        Unreadable<DateOnly>("0037b9db");
        Unreadable<DateOnly>("ffffffff");
        Unreadable<TimeOnly>("000000c92a69c000");
        Unreadable<TimeOnly>("ffffffffffffffff");
        Unreadable<Guid>("00");
        Unreadable<List<char>>(Convert.ToHexStringLower("[\"ab\"]"u8));
    }

    private static Gen<string> WholeStrings
        => Gen.OneOf(Gen.Char['\u0000', '\ud7ff'].Select(c => c.ToString()), Gen.Int[0x10000, 0x10FFFF].Select(char.ConvertFromUtf32))
            .Array[0, 12].Select(string.Concat);

    private static void Exact<T>(Gen<T> values, Func<T, T, bool> same)
        => values.Sample(v => same(v, RoundTrip(v)), iter: 2000);

    private static T RoundTrip<T>(T value)
    {
        var codec = PlaintextCodec<T>.Default;
        return codec.Read(codec.GetBytes(value), codec.GetField("t.c"));
    }

    private static void Refused<T>(T value)
    {
        using var key = TestRings.Key("default", 1, new byte[32]);

        var e = Assert.Throws<EnvelopeConfigurationException>(() => TestRings.Encrypt(key, "Patients.Name", value));

        Assert.Contains("'Patients.Name'", e.Message, StringComparison.Ordinal);
        Assert.Contains("surrogate pair", e.Message, StringComparison.Ordinal);
        Assert.Null(e.InnerException);
    }

    private static void Unreadable<T>(string hex)
    {
        // Well sealed, but by something that holds other types for this column.
        using var key = TestRings.Key("default", 1, new byte[32]);
        var codec = PlaintextCodec<T>.Default;
        var field = codec.GetField("Patients.Name");
        var body = Convert.FromHexString(hex);
        var cipher = field.GetCipher(key, EnvelopeAlgorithm.Aes256Gcm);
        var envelope = new byte[body.Length + cipher.Overhead];
        Convert.FromHexString("f900000001").CopyTo(envelope, 0);
        body.CopyTo(envelope, cipher.BodyOffset);
        cipher.Encrypt(envelope);

        var e = Assert.Throws<EnvelopeConfigurationException>(() => TestRings.Decrypt<T>(key, "Patients.Name", envelope));

        Assert.Contains("'Patients.Name'", e.Message, StringComparison.Ordinal);
        Assert.Contains($"'{codec.Type}'", e.Message, StringComparison.Ordinal);
        Assert.Null(e.InnerException);
    }

    private static Sample Json<T>(T value, string json) => Of("json", value, Convert.ToHexStringLower(Encoding.UTF8.GetBytes(json)));

    private static Sample Of<T>(string type, T value, string hex)
    {
        var codec = PlaintextCodec<T>.Default;
        Assert.Equal(type, codec.Type);
        return new Sample(
            $"{typeof(T).Name} {type} {(hex.Length == 0 ? "empty" : hex)}",
            hex,
            codec.FixedLength,
            () => Convert.ToHexStringLower(codec.GetBytes(value)),
            () => Convert.ToHexStringLower(codec.GetBytes(codec.Read(Convert.FromHexString(hex), codec.GetField("t.c")))));
    }

    private sealed record Sample(string Name, string Bytes, int? FixedLength, Func<string> Encode, Func<string> Reencode);

    private sealed record Note(string Text);
}
