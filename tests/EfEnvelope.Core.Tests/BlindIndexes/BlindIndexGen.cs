using CsCheck;
using EfEnvelope.BlindIndexes;

namespace EfEnvelope.Tests;

/// <summary>Values that are often equal after normalization, and forms to try them with.</summary>
internal static class BlindIndexGen
{
    private static readonly string[] Pieces =
    [
        "a", "A", "e", "é", "e\u0301", "É", "E\u0301", "\u0301", "\u0323", "k", "K", "\u212A", "\u0327", "s", "ſ", "\u0307", ";", "\u037E", "`", "\u1FEF", "ß", "ẞ", "ss", "i", "ı", "I", "İ", "ς", "σ", "Σ",
        "ﬁ", "fi", "ა", "Ა", "ᾳ", "α\u0345", "ǰ", "J\u030C", "\u1112", "\u1161", "하", "\u0958", "\uFFFE", "ƛ", "😀", "𐐨", "𐐀", " ", "\u00A0", "\t", "\u200B",
        "1", "１", "١", "𝟙", "²", "-", "+", "@", ".",
    ];

    public static readonly Gen<string> Texts = Gen.OneOfConst(Pieces).Array[0, 5].Select(string.Concat);

    public static readonly BlindIndexPart[] TextParts =
    [
        .. from normalization in Enum.GetValues<Normalization>()
           from projection in Enum.GetValues<BlindIndexProjection>()
           select new BlindIndexPart("t.c", "string", normalization, projection, projection == BlindIndexProjection.Whole ? 0 : 2),
    ];

    public static readonly Gen<BlindIndexPart> Parts = Gen.OneOfConst(TextParts);
}
