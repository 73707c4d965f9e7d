using System.Buffers;
using System.Text;

namespace EfEnvelope.BlindIndexes;

/// <summary>The rules by which texts are made equal. Every one is part of the format: it must never change.</summary>
internal static class TextNormalization
{
    // Each pair is one that NFC has composed alike in every version of Unicode: a letter and its mark, marks out of order, a singleton,
    // Hangul, a composition that is excluded, and letters beyond the first plane.
    private static readonly (string Text, string Composed)[] Samples =
    [
        ("e\u0301", "\u00E9"), ("q\u0307\u0323", "q\u0323\u0307"), ("\u212B", "\u00C5"), ("\u2126", "\u03A9"), ("\u1112\u1161\u11AB", "\uD55C"),
        ("\u0958", "\u0915\u093C"), ("\U000110A5\U000110BA", "\U000110AB"), ("\uFB01", "\uFB01"),
    ];

    // The characters beyond ASCII that NFC turns into ASCII ones: the Kelvin sign into K, the Greek question mark into a semicolon, the
    // varia into a grave accent. They stay, and nothing composes across them, so that no text beyond ASCII is equal to an ASCII one.
    private static readonly SearchValues<char> NeverComposed = SearchValues.Create("\u212A\u037E\u1FEF\uFFFE");

    private static readonly Lazy<bool> Composes = new(() => Array.TrueForAll(Samples, s => Compose(s.Text) == s.Composed));

    /// <summary>
    /// Whether this process gives the results that every other one gives. In globalization-invariant mode the platform leaves all text
    /// beyond ASCII as it is, without a word, so indexes would differ from those of other hosts.
    /// </summary>
    public static bool IsSupported(Normalization normalization)
        => normalization is Normalization.Exact or Normalization.DigitsOnly || Composes.Value;

    /// <summary>Normalizes a text that is valid Unicode.</summary>
    public static string Apply(string text, Normalization normalization)
        => normalization switch
        {
            Normalization.Exact => text,
            Normalization.CaseInsensitive => Compose(FrozenUnicode.ToUpper(Compose(text))),
            Normalization.Trimmed => Compose(text).Trim(),
            Normalization.DigitsOnly => KeepDigits(text),
            Normalization.Email => Compose(FrozenUnicode.ToUpper(Compose(text).Trim())),
            _ => throw new ArgumentOutOfRangeException(nameof(normalization), normalization, null),
        };

    /// <summary>Takes the part of a normalized text that is compared.</summary>
    public static ReadOnlySpan<char> Project(string text, BlindIndexProjection projection, int characters)
        => projection switch
        {
            BlindIndexProjection.Whole => text,
            BlindIndexProjection.First => text.AsSpan(0, LengthOfFirst(text, characters)),
            BlindIndexProjection.Last => text.AsSpan(text.Length - LengthOfLast(text, characters)),
            _ => throw new ArgumentOutOfRangeException(nameof(projection), projection, null),
        };

    public static int CountCharacters(string text)
    {
        var count = 0;
        foreach (var _ in text.EnumerateRunes())
            count++;
        return count;
    }

    // The platform refuses U+FFFE, which is valid, composes with nothing and stays between its neighbours.
    private static string Compose(string text)
    {
        var at = text.AsSpan().IndexOfAny(NeverComposed);
        return at < 0
            ? text.Normalize(NormalizationForm.FormC)
            : string.Concat(text[..at].Normalize(NormalizationForm.FormC), text.AsSpan(at, 1), Compose(text[(at + 1)..]));
    }

    private static string KeepDigits(string text)
    {
        var digits = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (FrozenUnicode.FindDigit(rune) is >= 0 and var digit)
                digits.Append((char)('0' + digit));
        }

        return digits.ToString();
    }

    private static int LengthOfFirst(string text, int characters)
    {
        var length = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (characters-- == 0)
                break;
            length += rune.Utf16SequenceLength;
        }

        return length;
    }

    private static int LengthOfLast(string text, int characters)
    {
        var start = text.Length;
        while (start > 0 && characters-- > 0)
            start -= char.IsLowSurrogate(text[start - 1]) ? 2 : 1;
        return text.Length - start;
    }
}
