using System.Text.Json;
using System.Text.Json.Serialization;
using EfEnvelope.BlindIndexes;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>A blind index as it was asked for; kept in annotations as JSON.</summary>
internal sealed record BlindIndexDefinition
{
    /// <summary>Gets the names of the properties, of one type, that it is computed from.</summary>
    public required IReadOnlyList<string> Properties { get; init; }

    /// <summary>Gets how each of them is normalized.</summary>
    public required IReadOnlyList<Normalization> Normalizations { get; init; }

    public BlindIndexProjection Projection { get; init; }

    public int Characters { get; init; }

    public int Length { get; init; } = BlindIndexContext.DefaultLength;

    public bool IsUnique { get; init; }

    /// <summary>Gets whether rows may lack it that were there before it, so that no query may use it yet.</summary>
    public bool AllowsMissing { get; init; }

    public string? Name { get; init; }

    /// <summary>Gets, in the encryption map, the column of which this one is the second.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? NextOf { get; init; }

    [JsonIgnore]
    public bool IsCompound => Properties.Count > 1;

    /// <summary>Gets whether '==' on the property is answered by it.</summary>
    [JsonIgnore]
    public bool IsWhole => Projection == BlindIndexProjection.Whole;

    /// <summary>Gets what comes after the names of properties and columns in the name of its own.</summary>
    [JsonIgnore]
    public string Suffix
        => Projection switch
        {
            BlindIndexProjection.First => $"_First{Characters}Index",
            BlindIndexProjection.Last => $"_Last{Characters}Index",
            _ => "_BlindIndex",
        };

    public static BlindIndexDefinition Of(string property, BlindIndexAttribute attribute)
        => new()
        {
            Properties = [property],
            Normalizations = [attribute.Normalization],
            Projection = attribute.Projection,
            Characters = attribute.Characters,
            Length = attribute.Length,
            IsUnique = attribute.IsUnique,
            AllowsMissing = attribute.AllowMissingWhileBackfilling,
            Name = attribute.Name,
        };

    public static BlindIndexDefinition Of(CompoundBlindIndexAttribute attribute)
        => new()
        {
            Properties = attribute.Properties,
            Normalizations = [.. attribute.Properties.Select(_ => Normalization.Exact)],
            Length = attribute.Length,
            IsUnique = attribute.IsUnique,
            AllowsMissing = attribute.AllowMissingWhileBackfilling,
            Name = attribute.Name,
        };

    public static BlindIndexDefinition Parse(string text) => JsonSerializer.Deserialize<BlindIndexDefinition>(text)!;

    public static IReadOnlyList<BlindIndexDefinition> ParseAll(string text) => JsonSerializer.Deserialize<List<BlindIndexDefinition>>(text)!;

    public static string Format(IEnumerable<BlindIndexDefinition> all) => JsonSerializer.Serialize(all);

    public string Format() => JsonSerializer.Serialize(this);
}
