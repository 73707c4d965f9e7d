using EfEnvelope.Diagnostics;

namespace EfEnvelope.BlindIndexes;

/// <summary>How one property goes into a blind index.</summary>
/// <param name="Field">The column's stable name.</param>
/// <param name="Type">The name of the plaintext's type.</param>
/// <param name="Normalization">What is made equal.</param>
/// <param name="Projection">Which part is compared.</param>
/// <param name="Characters">How many characters the first or last ones are; 0 for the whole.</param>
internal sealed record BlindIndexPart(
    string Field, string Type, Normalization Normalization = default, BlindIndexProjection Projection = default, int Characters = 0)
{
    public const string Text = "string";
    private const string Json = "json";

    public bool IsText => Type == Text;

    /// <summary>
    /// Gets the one spelling of all but the name, such as <c>string email first 3</c>. It is part of the format: subkeys depend on it.
    /// </summary>
    public string Form => Projection == BlindIndexProjection.Whole
        ? $"{Type} {NameOf(Normalization)} whole"
        : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Type} {NameOf(Normalization)} {NameOf(Projection)} {Characters}");

    /// <summary>Finds what cannot be indexed so.</summary>
    /// <param name="property">What the messages call it, such as <c>Patient.Email</c>.</param>
    public IEnumerable<string> FindFaults(string property)
    {
        if (Type == Json)
        {
            yield return Messages.BlindIndexOfJson(property);
            yield break;
        }

        if (!Enum.IsDefined(Normalization))
            yield return Messages.BlindIndexOptionUnknown(property, nameof(Normalization), (int)Normalization);
        else if (!IsText && Normalization != Normalization.Exact)
            yield return Messages.BlindIndexNormalizesNoText(property, Type, Normalization);

        if (!Enum.IsDefined(Projection))
            yield return Messages.BlindIndexOptionUnknown(property, nameof(Projection), (int)Projection);
        else if (!IsText && Projection != BlindIndexProjection.Whole)
            yield return Messages.BlindIndexProjectsNoText(property, Type, Projection);
        else if (Projection == BlindIndexProjection.Whole && Characters != 0)
            yield return Messages.BlindIndexOfWholeCountsCharacters(property, Characters);
        else if (Projection != BlindIndexProjection.Whole && Characters <= 0)
            yield return Messages.BlindIndexNeedsCharacters(property, Projection, Characters);
    }

    private static string NameOf(Normalization normalization)
        => normalization switch
        {
            Normalization.Exact => "exact",
            Normalization.CaseInsensitive => "case-insensitive",
            Normalization.Trimmed => "trimmed",
            Normalization.DigitsOnly => "digits-only",
            Normalization.Email => "email",
            _ => throw new ArgumentOutOfRangeException(nameof(normalization), normalization, null),
        };

    private static string NameOf(BlindIndexProjection projection)
        => projection switch
        {
            BlindIndexProjection.First => "first",
            BlindIndexProjection.Last => "last",
            _ => throw new ArgumentOutOfRangeException(nameof(projection), projection, null),
        };
}
