using System.Text.Json.Nodes;
using CsCheck;
using EfEnvelope.BlindIndexes;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>Blind indexes that another implementation computed: read from FORMAT.md, where they are frozen.</summary>
public class BlindIndexVectorTests
{
    private const string Script = "blind_index.py";

    private static readonly Dictionary<string, Func<byte[], BlindIndexPart, byte[]>> Types = new()
    {
        ["string"] = Read<string>,
        ["bytes"] = Read<byte[]>,
        ["bool"] = Read<bool>,
        ["uint8"] = Read<byte>,
        ["int32"] = Read<int>,
        ["char"] = Read<char>,
        ["float32"] = Read<float>,
        ["float64"] = Read<double>,
        ["decimal"] = Read<decimal>,
        ["guid"] = Read<Guid>,
        ["date"] = Read<DateOnly>,
        ["datetime"] = Read<DateTime>,
        ["datetimeoffset"] = Read<DateTimeOffset>,
    };

    private static readonly string[][] Normalizations = [.. FormatDocumentTests.Table("### Normalization")];
    private static readonly string[][] Indexes = [.. FormatDocumentTests.Table("### Blind indexes")];

    public static TheoryData<string> NormalizationNames => [.. Normalizations.Select(row => row[0])];

    public static TheoryData<string> IndexNames => [.. Indexes.Select(row => row[0])];

    [Theory]
    [MemberData(nameof(NormalizationNames))]
    public void Value_is_normalized_as_documented(string name)
    {
        var row = Normalizations.Single(r => r[0] == name);

        Assert.Equal(FormatDocumentTests.Hex(row[3]), Convert.ToHexStringLower(Normalize(Part("t.c", row[1]), row[2])));
    }

    [Theory]
    [MemberData(nameof(IndexNames))]
    public void Index_is_the_one_that_another_implementation_computed(string name)
    {
        var row = Indexes.Single(r => r[0] == name);
        var parts = PartsOf(row);
        using var key = TestRings.Key("default", int.Parse(row[2]), Convert.FromHexString(FormatDocumentTests.Key(row[1])));
        var input = BlindIndexInput.Join([.. parts.Zip(Cells(row[6]), Normalize)]);

        Assert.Equal(row[7], Convert.ToHexStringLower(BlindIndexContext.Get(parts, int.Parse(row[3])).Compute(key, input)));
    }

    [Fact]
    public void Subkey_of_the_first_index_is_the_documented_one()
    {
        using var key = TestRings.Key("default", 1, Convert.FromHexString(EnvelopeVectors.KeyA));
        var subkey = new byte[32];
        key.Derive(SubkeyPurpose.BlindIndex, 0, BlindIndexContext.Get(PartsOf(Indexes[0])).Context, subkey);

        Assert.Contains($"`{Convert.ToHexStringLower(subkey)}`", SourceTree.Read("src/EfEnvelope.Core/Envelopes/FORMAT.md"), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_normalization_and_projection_has_vectors()
    {
        var forms = Normalizations.Select(row => row[1].Split(' ')).ToList();

        Assert.Equal(Enum.GetValues<Normalization>().Length, forms.Select(f => f[1]).Distinct().Count());
        Assert.Equal(Enum.GetValues<BlindIndexProjection>().Length, forms.Select(f => f[2]).Distinct().Count());
        Assert.True(Normalizations.Length > 50 && Indexes.Length > 10);
    }

    [Fact]
    public async Task Independent_implementation_agrees_on_every_vector()
    {
        var python = await IndependentDecryptorTests.RequirePythonAsync(Script);
        var normalizations = Normalizations.Select(row => Request(EnvelopeVectors.KeyA, 1, 16, [Part("t.c", row[1])], [FormatDocumentTests.Hex(row[2])]));
        var indexes = Indexes.Select(row => Request(FormatDocumentTests.Key(row[1]), int.Parse(row[2]), int.Parse(row[3]), PartsOf(row), Cells(row[6])));

        var answers = await IndependentDecryptorTests.RunAsync(python, normalizations.Concat(indexes), Script);

        Assert.Equal(Normalizations.Select(row => FormatDocumentTests.Hex(row[3])), answers.Take(Normalizations.Length).Select(a => (string)a["inputs"]![0]!));
        Assert.Equal(Indexes.Select(row => row[7]), answers.Skip(Normalizations.Length).Select(a => (string)a["index"]!));
    }

    [Fact]
    public async Task Independent_implementation_computes_the_same_index_of_random_values()
    {
        var python = await IndependentDecryptorTests.RequirePythonAsync(Script);
        List<JsonObject> requests = [];
        List<string> expected = [];
        BlindIndexGen.Texts.Array[1, 3].Sample(
            texts =>
            {
                var number = requests.Count + 1;
                var bytes = System.Security.Cryptography.RandomNumberGenerator.GetBytes(32);
                using var key = TestRings.Key("default", number, bytes);
                BlindIndexPart[] parts = [.. texts.Select((_, i) => BlindIndexGen.TextParts[(number + (7 * i)) % BlindIndexGen.TextParts.Length])];
                var length = 8 + (number % 25);
                var input = BlindIndexInput.Join([.. texts.Zip(parts, BlindIndexInput.GetBytes)]);
                expected.Add(Convert.ToHexStringLower(BlindIndexContext.Get(parts, length).Compute(key, input)));
                requests.Add(Request(Convert.ToHexStringLower(bytes), number, length, parts, [.. texts.Select(t => Convert.ToHexStringLower(PlaintextCodec<string>.Default.GetBytes(t)))]));
            },
            iter: 1000,
            threads: 1);

        var answers = await IndependentDecryptorTests.RunAsync(python, requests, Script);

        Assert.True(answers.Count >= 1000);
        Assert.Equal(expected, answers.Select(a => (string)a["index"]!));
    }

    private static JsonObject Request(string key, int number, int length, BlindIndexPart[] parts, string[] plaintexts)
        => new()
        {
            ["key"] = key,
            ["number"] = number,
            ["length"] = length,
            ["parts"] = new JsonArray([.. parts.Zip(plaintexts, (part, plaintext) => new JsonObject { ["field"] = part.Field, ["form"] = part.Form, ["plaintext"] = plaintext })]),
        };

    private static byte[] Normalize(BlindIndexPart part, string plaintext)
        => Types[part.Type](Convert.FromHexString(FormatDocumentTests.Hex(plaintext)), part);

    private static byte[] Read<T>(byte[] plaintext, BlindIndexPart part)
        => BlindIndexInput.GetBytes(PlaintextCodec<T>.Default.Read(plaintext, FieldContext.Get(part.Field, part.Type)), part);

    private static BlindIndexPart[] PartsOf(string[] row) => [.. Cells(row[4]).Zip(Cells(row[5]), Part)];

    private static string[] Cells(string cell) => [.. cell.Split(", ").Select(c => FormatDocumentTests.Hex(c.Trim('`')))];

    private static BlindIndexPart Part(string field, string form)
    {
        var words = form.Split(' ');
        var part = new BlindIndexPart(
            field,
            words[0],
            Enum.Parse<Normalization>(words[1].Replace("-", "", StringComparison.Ordinal), ignoreCase: true),
            Enum.Parse<BlindIndexProjection>(words[2], ignoreCase: true),
            words.Length > 3 ? int.Parse(words[3]) : 0);
        Assert.Equal(form, part.Form);
        return part;
    }
}
