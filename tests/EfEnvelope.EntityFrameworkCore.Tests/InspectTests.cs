using System.Text.RegularExpressions;
using CsCheck;
using EfEnvelope.Rotation;
using Xunit;

namespace EfEnvelope.EntityFrameworkCore.Tests;

/// <summary>What can be read off an envelope without any key: by the vectors of FORMAT.md, and of whatever else is given.</summary>
public sealed partial class InspectTests
{
    private const string First = "f900000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177";
    private const string FirstAsText = "efenvelope:v1:-QAAAAEQERITFBUWFxgZGhvP1b7aDl3Iap9R664K_qWSghjWiijhBepmIXc";

    private static readonly (uint Number, string Envelope, string Expected)[] Vectors =
    [
        .. VectorRow().Matches(File.ReadAllText(FindFormat())).Select(m => (uint.Parse(m.Groups[1].Value), m.Groups[2].Value, m.Groups[3].Value)),
    ];

    private static readonly string[] Indexes = [.. IndexRow().Matches(File.ReadAllText(FindFormat())).Select(m => m.Groups[1].Value)];

    [Fact]
    public void Every_vector_of_the_format_is_explained()
    {
        Assert.True(Vectors.Length > 50);
        foreach (var (number, envelope, expected) in Vectors)
        {
            var found = EnvelopeScans.Inspect(envelope);
            var isWhole = expected is not ("not-an-envelope" or "unknown-algorithm" or "truncated");
            Assert.Equal((envelope, isWhole), (envelope, found.IsEnvelope));
            Assert.Equal(isWhole, found.Fault is null);
            if (!isWhole)
                continue;
            Assert.Equal((expected != "unknown-key-version", envelope.Length / 2), (found.KeyNumber == number, found.Length));
            Assert.Equal(envelope[1] == '9' ? "AES-256-GCM" : "AES-256-SIV", found.Algorithm);
            AssertParts(found, envelope);
            if (expected == "empty" || expected.All(char.IsAsciiHexDigitLower))
                Assert.Equal(expected == "empty" ? 0 : expected.Length / 2, found.PlaintextLength);
        }
    }

    [Fact]
    public void Every_blind_index_of_the_format_is_explained()
    {
        Assert.True(Indexes.Length > 10);
        foreach (var index in Indexes)
        {
            var found = EnvelopeScans.Inspect(index);
            Assert.Equal((true, null, "blind index (HMAC-SHA256)", null), (found.IsEnvelope, found.Fault, found.Algorithm, found.PlaintextLength));
            Assert.Equal(["header", "hash"], found.Parts.Select(p => p.Name));
            AssertParts(found, index);
        }
    }

    [Theory]
    [InlineData(First)]
    [InlineData("0x" + First)]
    [InlineData("\\x" + First)]
    [InlineData("  0X" + First + "\n")]
    [InlineData("-QAAAAEQERITFBUWFxgZGhvP1b7aDl3Iap9R664K_qWSghjWiijhBepmIXc")]
    [InlineData("+QAAAAEQERITFBUWFxgZGhvP1b7aDl3Iap9R664K/qWSghjWiijhBepmIXc=")]
    [InlineData(FirstAsText)]
    public void One_envelope_is_read_in_each_form(string given)
    {
        var found = EnvelopeScans.Inspect(given);

        Assert.Equal((true, null, given == FirstAsText, 11), (found.IsEnvelope, found.Fault, found.IsText, found.PlaintextLength));
        Assert.Equal(
            [("header", 0, 5, "f900000001"), ("nonce", 5, 12, "101112131415161718191a1b"), ("ciphertext", 17, 11, null), ("tag", 28, 16, First[^32..])],
            found.Parts.Select(p => (p.Name, p.Offset, p.Length, p.Hex)));
    }

    [Theory]
    [InlineData(null, "empty")]
    [InlineData("", "empty")]
    [InlineData("  ", "empty")]
    [InlineData("in clear text!", "neither hexadecimal")]
    [InlineData("0xf9000", "odd number")]
    [InlineData("\\xf9zz", "no hexadecimal digit")]
    [InlineData("f9000000", "fewer than the 5")]
    [InlineData("f900000001", "shortest of AES-256-GCM has 33")]
    [InlineData("fa00000001c361236cbbd5cbc096ba53d0327d94", "shortest of AES-256-SIV has 21")]
    [InlineData("fb00000001e5d401", "13 to 37")]
    [InlineData("f700000001101112131415161718191a1bcfd5beda0e5dc8", "below 0xF8")]
    [InlineData("ff00000001101112131415161718191a1bcfd5beda0e5dc8", "algorithm 7")]
    [InlineData("fb00000000e5d4014647d2556c", "key number")]
    [InlineData("fb80000000e5d4014647d2556c", "key number")]
    [InlineData(FirstAsText + "=", "ends in '='")]
    [InlineData(FirstAsText + " ", "white space")]
    [InlineData("EFENVELOPE:V1:-QAAAAEQ", "letter by letter")]
    [InlineData("efenvelope:v2:-QAAAAEQ", "letter by letter")]
    [InlineData("efenvelope:v1:+QAAAAEQ", "not of Base64url")]
    [InlineData("efenvelope:v1:-QAAA", "was cut")]
    [InlineData("efenvelope:v1:-QAAAAEQERITFBUWFxgZGhvP1b7aDl3Iap9R664K_qWSghjWiijhBepmIXd", "stand for nothing")]
    public void Fault_is_named(string? given, string fault)
    {
        var found = EnvelopeScans.Inspect(given!);
        Assert.False(found.IsEnvelope);
        Assert.Contains(fault, found.Fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_that_is_given_makes_it_throw_and_no_ciphertext_is_shown()
    {
        var given = Gen.OneOf(
            Gen.String, Gen.String[Gen.Char["0123456789abcdefABCDEFx\\=-_+/ "], 0, 120], Gen.Byte.Array[0, 80].Select(Convert.ToHexString), Gen.Byte.Array[0, 80].Select(Convert.ToBase64String),
            Gen.String[Gen.Char.AlphaNumeric, 0, 90].Select(s => "efenvelope:v1:" + s), Gen.String.Select(s => "efenvelope:v1:" + s),
            Gen.Select(Gen.Int[0, First.Length - 1], Gen.Char).Select((at, c) => First.Remove(at, 1).Insert(at, c.ToString())),
            Gen.Select(Gen.Int[0, FirstAsText.Length - 1], Gen.Char).Select((at, c) => FirstAsText.Remove(at, 1).Insert(at, c.ToString())),
            Gen.Int[0, First.Length].Select(n => First[..n]));
        given.Sample(
            value =>
            {
                var found = EnvelopeScans.Inspect(value);
                Assert.Equal(found.IsEnvelope, found.Fault is null);
                Assert.All(found.Parts, p => Assert.Equal(p.Name == "ciphertext", p.Hex is null));
            },
            iter: 20_000);
    }

    private static void AssertParts(EnvelopeDescription found, string envelope)
    {
        var offset = 0;
        foreach (var part in found.Parts)
        {
            Assert.Equal(offset, part.Offset);
            Assert.Equal(part.Name == "ciphertext" ? null : envelope.Substring(2 * offset, 2 * part.Length), part.Hex);
            offset += part.Length;
        }

        Assert.Equal(found.Length, offset);
    }

    private static string FindFormat()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            var path = Path.Combine(folder, "src", "EfEnvelope.Core", "Envelopes", "FORMAT.md");
            if (File.Exists(path))
                return path;
        }

        throw new InvalidOperationException("These tests read the source tree, and there is no FORMAT.md above them.");
    }

    [GeneratedRegex(@"^\| [^|]+ \| [AB] \| (\d+) \| `[^`]*` \| `\w+` \| `?([0-9a-f]+|empty)`? \| `?([0-9a-z-]+)`? \|$", RegexOptions.Multiline)]
    private static partial Regex VectorRow();

    [GeneratedRegex(@"\| `(fb[0-9a-f]{24,})` \|$", RegexOptions.Multiline)]
    private static partial Regex IndexRow();
}
