using System.Text.Json.Serialization;

namespace EfEnvelope.Kms.Vault;

/// <summary>The bodies that are sent. Byte arrays are Base64, so no key is ever a string.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(EncryptBody))]
[JsonSerializable(typeof(DecryptBody))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, string>))]
internal sealed partial class VaultJson : JsonSerializerContext;

internal sealed record EncryptBody(
    [property: JsonPropertyName("plaintext")] ReadOnlyMemory<byte> Plaintext, [property: JsonPropertyName("associated_data")] ReadOnlyMemory<byte> AssociatedData);

internal sealed record DecryptBody(
    [property: JsonPropertyName("ciphertext")] string Ciphertext, [property: JsonPropertyName("associated_data")] ReadOnlyMemory<byte> AssociatedData);
