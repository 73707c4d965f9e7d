using System.Reflection;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.Tests;

/// <summary>The document of the format says what the code does.</summary>
public class FormatDocumentTests
{
    private static readonly string Document = SourceTree.Read("src/EfEnvelope.Core/Envelopes/FORMAT.md");

    [Fact]
    public void Vectors_of_the_document_are_those_of_the_tests()
    {
        var documented = Table("### Envelopes").Select(
            row => new EnvelopeVector(row[0], Key(row[1]), int.Parse(row[2]), row[3], row[4], Hex(row[5]), Hex(row[6])));

        Assert.Equal(EnvelopeVectors.All, documented);
    }

    [Fact]
    public void Commitments_of_the_document_are_those_of_the_tests()
        => Assert.Equal(
            EnvelopeVectors.Commitments, Table("### Commitments").Select(row => new CommitmentVector(Key(row[0]), int.Parse(row[1]), row[2], row[3])));

    [Fact]
    public void Data_keys_and_subkey_of_the_document_are_those_of_the_tests()
    {
        Assert.Contains($"Data key A is `{EnvelopeVectors.KeyA}`", Document, StringComparison.Ordinal);
        Assert.Contains($"`{EnvelopeVectors.KeyB}`", Document, StringComparison.Ordinal);
        Assert.Contains($"`{EnvelopeVectors.SubkeyOfTheFirstVector}`", Document, StringComparison.Ordinal);
        Assert.Contains($"`{EnvelopeVectors.SubkeyOfTheFirstDeterministicVector}`", Document, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_type_with_an_encoding_of_its_own_is_documented_with_its_length()
    {
        var scalars = (System.Collections.IDictionary)typeof(PlaintextCodecs).GetField("Scalars", BindingFlags.Static | BindingFlags.NonPublic)!.GetValue(null)!;
        var expected = scalars.Values.Cast<object>().Append(PlaintextCodec<List<int>>.Default).Select(codec =>
        {
            object? Get(string name) => codec.GetType().GetProperty(name)!.GetValue(codec);
            return $"{Get("Type")} {Get("FixedLength") ?? "any"}";
        });

        Assert.Equal(expected.Order(StringComparer.Ordinal), Table("## Plaintext").Select(row => $"{row[0]} {row[1]}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_failure_class_is_documented()
        => Assert.Equal(
            EnvelopeVectors.All.Where(v => !v.Opens).Select(v => v.Expected).Distinct().Order(StringComparer.Ordinal),
            Table("## Failure classes").Select(row => row[0]).Order(StringComparer.Ordinal));

    [Fact]
    public void Every_algorithm_and_purpose_is_documented_by_its_number()
    {
        Assert.Contains("| 1 | `0xF9` | AES-256-GCM ", Document, StringComparison.Ordinal);
        Assert.Equal(1, (byte)EnvelopeAlgorithm.Aes256Gcm);
        Assert.Contains("| 2 | `0xFA` | AES-256-SIV ", Document, StringComparison.Ordinal);
        Assert.Equal(2, (byte)EnvelopeAlgorithm.Aes256Siv);
        Assert.Contains("| 3 | `0xFB` | no envelope but a blind index", Document, StringComparison.Ordinal);
        Assert.Equal(3, (byte)EnvelopeAlgorithm.BlindIndex);
        Assert.Contains("purpose: 1 value, 2 commitment, 3 blind index", Document, StringComparison.Ordinal);
        Assert.Equal((1, 2, 3), ((byte)SubkeyPurpose.Value, (byte)SubkeyPurpose.Commitment, (byte)SubkeyPurpose.BlindIndex));
    }

    [Fact]
    public void Examples_of_the_document_are_what_the_code_writes()
    {
        var context = new EncryptionContext([new("type", "string"), new("field", "Patients.Ssn")]);
        Assert.Contains($"    {Convert.ToHexStringLower(context.AssociatedData.Span)}\n", Document, StringComparison.Ordinal);

        var wrapped = new WrappedKey(
            new WrappedKeyCopy(new KekUri("aws-kms:alias/clinic"), null, new byte[] { 1, 2, 3 }),
            new WrappedKeyCopy(new KekUri("local:clinic"), "7", new byte[] { 4 }));
        Assert.Contains($"    {wrapped}\n", Document, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Data_keys_are_wrapped_under_the_documented_context()
    {
        var world = new RingWorld();
        EncryptionContext? seen = null;
        world.Wrapper = new ChoosyKms(
            world.Kms,
            context =>
            {
                seen = context;
                return null;
            });
        await world.WarmSlotAsync();

        Assert.Equal("purpose=efenvelope data key, scope=clinic, version=1", seen!.ToString());
        Assert.Contains("`purpose` = `efenvelope data key`", Document, StringComparison.Ordinal);
    }

    [Fact]
    public void Intermediate_key_unwraps_the_documented_copy()
    {
        var row = Assert.Single(Table("### Intermediate key", skip: 1));
        using var intermediate = new DataKey(new KeyVersion(KeyScope.Intermediate, 1), Convert.FromHexString(EnvelopeVectors.KeyA));
        var copy = new WrappedKeyCopy(new KekUri("intermediate:1"), null, Convert.FromHexString(row[3]));
        var context = ProvedKey.ContextOf(new KeyVersion(new KeyScope("clinic"), 3));

        Assert.Equal(EnvelopeVectors.KeyB, Convert.ToHexStringLower(IntermediateWrapping.Unwrap(intermediate, copy, context)));
        Assert.Throws<KmsException>(() => IntermediateWrapping.Unwrap(intermediate, copy, ProvedKey.ContextOf(new KeyVersion(new KeyScope("clinic"), 4))));
    }

    internal static string Key(string name) => name == "A" ? EnvelopeVectors.KeyA : name == "B" ? EnvelopeVectors.KeyB : name;

    internal static string Hex(string cell) => cell == "empty" ? "" : cell;

    /// <summary>Reads the first table under a heading, or a later one, without its two first lines.</summary>
    internal static List<string[]> Table(string heading, int skip = 0)
    {
        var rest = Document.Split('\n').SkipWhile(line => line != heading);
        for (; skip > 0; skip--)
            rest = rest.SkipWhile(line => !line.StartsWith('|')).SkipWhile(line => line.StartsWith('|'));
        var lines = rest.SkipWhile(line => !line.StartsWith('|')).TakeWhile(line => line.StartsWith('|'));
        var rows = lines.Skip(2).Select(line => line.Trim('|').Split(" | ").Select(cell => cell.Trim().Trim('`')).ToArray()).ToList();
        Assert.NotEmpty(rows);
        return rows;
    }
}
