using System.Globalization;
using System.Text;

namespace EfEnvelope.Cli.Output;

/// <summary>Shows invisible characters: those that turn the direction of text, have no width, or end a line; <c>\u202E</c> is written for one.</summary>
internal static class Invisible
{
    public static string Escape(string text)
    {
        if (!text.EnumerateRunes().Any(IsInvisible))
            return text;
        var escaped = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            var written = rune.ToString();
            if (!IsInvisible(rune))
                escaped.Append(written);
            else
                foreach (var c in written)
                    escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
        }

        return escaped.ToString();
    }

    // A variation selector and the fillers of Hangul are letters and marks by their category, and invisible.
    private static bool IsInvisible(Rune rune)
        => Rune.GetUnicodeCategory(rune) is UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            || rune.Value is 0x034F or 0x115F or 0x1160 or 0x17B4 or 0x17B5 or 0x180B or 0x180C or 0x180D or 0x2800 or 0x3164 or 0xFFA0 or (>= 0xFE00 and <= 0xFE0F) or (>= 0xE0000 and <= 0xE0FFF);
}
