using System.Diagnostics;
using EfEnvelope.BlindIndexes;

namespace EfEnvelope.Tests;

/// <summary>What cannot be indexed so is told at start-up, and refused where it is used.</summary>
public class BlindIndexFaultTests
{
    private const string InvariantMode = "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT";

    [Theory]
    [InlineData("int32", Normalization.Email, BlindIndexProjection.Whole, 0, "normalizes by 'Email'")]
    [InlineData("bytes", Normalization.Trimmed, BlindIndexProjection.Whole, 0, "normalizes by 'Trimmed'")]
    [InlineData("char", Normalization.CaseInsensitive, BlindIndexProjection.Whole, 0, "not text")]
    [InlineData("decimal", Normalization.Exact, BlindIndexProjection.First, 3, "'First' characters")]
    [InlineData("json", Normalization.Exact, BlindIndexProjection.Whole, 0, "JSON")]
    [InlineData("json", Normalization.Email, BlindIndexProjection.First, 0, "JSON")]
    [InlineData("string", Normalization.Exact, BlindIndexProjection.First, 0, "'Characters' is 0")]
    [InlineData("string", Normalization.Exact, BlindIndexProjection.Last, -1, "'Characters' is -1")]
    [InlineData("string", Normalization.Exact, BlindIndexProjection.Whole, 4, "'Characters' is 4")]
    [InlineData("int32", Normalization.Exact, BlindIndexProjection.Whole, 4, "'Characters' is 4")]
    [InlineData("string", (Normalization)9, BlindIndexProjection.Whole, 0, "has 9 as its 'Normalization'")]
    [InlineData("string", Normalization.Exact, (BlindIndexProjection)9, 0, "has 9 as its 'Projection'")]
    public void Part_that_cannot_be_is_named_and_refused(string type, Normalization normalization, BlindIndexProjection projection, int characters, string expected)
    {
        var part = new BlindIndexPart("t.c", type, normalization, projection, characters);

        var fault = Assert.Single(part.FindFaults("Patient.Name"));

        Assert.StartsWith(type == "json" ? "'Patient.Name'" : "The blind index of 'Patient.Name' ", fault, StringComparison.Ordinal);
        Assert.Contains(expected, fault, StringComparison.Ordinal);
        Assert.Equal(part.FindFaults("t.c").First(), Assert.Throws<EnvelopeConfigurationException>(() => BlindIndexContext.Get([part])).Message);
    }

    [Fact]
    public void Part_with_two_faults_has_two_messages()
        => Assert.Equal(2, new BlindIndexPart("t.c", "int32", Normalization.Email, BlindIndexProjection.Last, 4).FindFaults("Visit.Count").Count());

    [Fact]
    public void Parts_that_can_be_have_no_faults()
    {
        Assert.All(BlindIndexGen.TextParts, part => Assert.Empty(part.FindFaults("Patient.Name")));
        Assert.All(["bytes", "decimal", "guid", "char", "bool"], type => Assert.Empty(new BlindIndexPart("t.c", type).FindFaults("Patient.Name")));
    }

    [Theory]
    [InlineData(int.MinValue, false)]
    [InlineData(7, false)]
    [InlineData(8, true)]
    [InlineData(32, true)]
    [InlineData(33, false)]
    public void Length_is_8_to_32_bytes(int length, bool allowed)
    {
        var fault = BlindIndexContext.FindLengthFault("Patient.Name", length);

        Assert.Equal(allowed, fault is null);
        if (!allowed)
        {
            Assert.Contains($"'Patient.Name' keeps {length} bytes", fault, StringComparison.Ordinal);
            Assert.Throws<EnvelopeConfigurationException>(() => BlindIndexContext.Get([new("t.c", "string")], length));
        }
    }

    [Fact]
    public void Attributes_have_the_documented_defaults()
    {
        var index = new BlindIndexAttribute();
        Assert.Equal((Normalization.Exact, BlindIndexProjection.Whole, 0, 16, false, null), (index.Normalization, index.Projection, index.Characters, index.Length, index.IsUnique, index.Name));
        Assert.Equal(Normalization.Email, new BlindIndexAttribute(Normalization.Email).Normalization);

        var compound = new CompoundBlindIndexAttribute("LastName", "BirthDate");
        Assert.Equal(["LastName", "BirthDate"], compound.Properties);
        Assert.Equal((16, false, null), (compound.Length, compound.IsUnique, compound.Name));
    }

    [Fact]
    public void This_process_normalizes_as_the_format_says()
        => Assert.All(Enum.GetValues<Normalization>(), normalization => Assert.Null(BlindIndexInput.FindPlatformFault("Patient.Name", normalization)));

    // In globalization-invariant mode the platform composes nothing and says nothing. Only a process that was started so can show it.
    [Fact]
    public async Task Process_in_globalization_invariant_mode_is_refused_what_it_would_normalize_otherwise()
    {
        if (Environment.GetEnvironmentVariable(InvariantMode) == "1")
        {
            AssertInvariantModeIsRefused();
            return;
        }

        using var process = Process.Start(
            new ProcessStartInfo(
                "dotnet",
                ["exec", typeof(BlindIndexFaultTests).Assembly.Location, "-noLogo", "-noColor", "-noAutoReporters", "-method", $"*.{nameof(Process_in_globalization_invariant_mode_is_refused_what_it_would_normalize_otherwise)}"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment = { [InvariantMode] = "1" },
            })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();

        Assert.True(process.ExitCode == 0, output + await errors);
        Assert.Contains("Total: 1,", output, StringComparison.Ordinal);
    }

    private static void AssertInvariantModeIsRefused()
    {
        Assert.Equal(2, "e\u0301".Normalize().Length);
        foreach (var normalization in Enum.GetValues<Normalization>())
        {
            var part = new BlindIndexPart("t.c", "string", normalization);
            var fault = BlindIndexInput.FindPlatformFault("Patient.Name", normalization);
            if (normalization is Normalization.Exact or Normalization.DigitsOnly)
            {
                Assert.Null(fault);
                Assert.NotEmpty(BlindIndexInput.GetBytes("e\u03011", part));
                continue;
            }

            Assert.Contains("'Patient.Name'", fault, StringComparison.Ordinal);
            Assert.Contains(InvariantMode, fault, StringComparison.Ordinal);
            Assert.Throws<EnvelopeConfigurationException>(() => BlindIndexInput.GetBytes("a", part));
            Assert.Throws<EnvelopeConfigurationException>(() => BlindIndexInput.GetSearchBytes("a", part with { Projection = BlindIndexProjection.First, Characters = 1 }));
        }

        // Case and digits come from the format's own tables, so they are the same here.
        Assert.Equal("Σſ\u1C90", FrozenUnicode.ToUpper("ςſა"));
        Assert.Equal(1, FrozenUnicode.FindDigit(new System.Text.Rune(0x1D7E3)));
    }
}
