using System.Buffers;
using System.Text;
using System.Text.Json;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>An encryption context as JSON: one object of texts, in the order of the names, without white space.</summary>
internal static class ContextJson
{
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = 2 };

    public static string Write(EncryptionContext context)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
            Write(writer, context);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    public static void Write(Utf8JsonWriter writer, EncryptionContext context)
    {
        writer.WriteStartObject();
        foreach (var (name, value) in context.Pairs.OrderBy(p => p.Key, StringComparer.Ordinal))
            writer.WriteString(name, value);
        writer.WriteEndObject();
    }

    /// <summary>Reads what <see cref="Write(EncryptionContext)" /> wrote, and nothing that is written otherwise.</summary>
    public static bool TryRead(string text, out EncryptionContext context)
    {
        context = EncryptionContext.Empty;
        try
        {
            using var document = JsonDocument.Parse(text, Options);
            context = new EncryptionContext(
                document.RootElement.EnumerateObject().Select(p => new KeyValuePair<string, string>(p.Name, p.Value.GetString()!)));
            return Write(context) == text;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            return false;
        }
    }
}
