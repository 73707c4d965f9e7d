using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.Cli.Output;

/// <summary>JSON as the tool writes it: camelCase names and enumerations, nulls kept, versions as <c>clinic:v1</c>.</summary>
internal static class Json
{
    private static readonly JsonSerializerOptions Indented = Options(indented: true);
    private static readonly JsonSerializerOptions OneLine = Options(indented: false);

    // Outside its strings JSON has no such character, and inside them this is how it writes one.
    public static string Write(object document) => Invisible.Escape(JsonSerializer.Serialize(document, Indented));

    public static string WriteLine(object document) => Invisible.Escape(JsonSerializer.Serialize(document, OneLine));

    private static JsonSerializerOptions Options(bool indented) => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = indented,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase), new AsText<KeyScope>(), new AsText<KeyVersion>(), new AsPairs() },
    };

    private sealed class AsPairs : JsonConverter<EncryptionContext>
    {
        public override EncryptionContext Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, EncryptionContext value, JsonSerializerOptions options) => JsonSerializer.Serialize(writer, value.Pairs, options);
    }

    private sealed class AsText<T> : JsonConverter<T>
        where T : struct
    {
        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }
}
