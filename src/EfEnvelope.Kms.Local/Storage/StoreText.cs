using System.Text;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>Texts that every store keeps as they are.</summary>
internal static class StoreText
{
    /// <summary>Tells whether a text is valid Unicode without the character 0, which PostgreSQL cannot store.</summary>
    public static bool IsPlain(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\0' || Rune.DecodeFromUtf16(text.AsSpan(i), out _, out var length) != System.Buffers.OperationStatus.Done)
                return false;
            i += length - 1;
        }

        return true;
    }
}
