using System.Text.Json;
using System.Text.Json.Serialization;

namespace EfEnvelope.Kms.GoogleCloud.Http;

// Bytes are Base64; checksums are 64-bit integers, which Google's JSON writes as strings; what is false or empty is left out.
internal sealed record EncryptRequest(
    ReadOnlyMemory<byte> Plaintext, long PlaintextCrc32c, ReadOnlyMemory<byte> AdditionalAuthenticatedData, long AdditionalAuthenticatedDataCrc32c);

internal sealed record EncryptResponse(
    string? Name, byte[]? Ciphertext, long? CiphertextCrc32c, bool VerifiedPlaintextCrc32c, bool VerifiedAdditionalAuthenticatedDataCrc32c);

internal sealed record DecryptRequest(
    ReadOnlyMemory<byte> Ciphertext, long CiphertextCrc32c, ReadOnlyMemory<byte> AdditionalAuthenticatedData, long AdditionalAuthenticatedDataCrc32c);

internal sealed record DecryptResponse(byte[]? Plaintext, long? PlaintextCrc32c);

internal sealed record CryptoKeyResponse(string? Purpose, DateTimeOffset? CreateTime, CryptoKeyVersionResponse? Primary);

internal sealed record CryptoKeyVersionResponse(string? Name, string? State, string? ProtectionLevel, DateTimeOffset? DestroyTime);

internal sealed record ErrorResponse(ErrorBody? Error);

internal sealed record ErrorBody(string? Message, string? Status, JsonElement[]? Details);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, NumberHandling = JsonNumberHandling.AllowReadingFromString | JsonNumberHandling.WriteAsString)]
[JsonSerializable(typeof(EncryptRequest))]
[JsonSerializable(typeof(EncryptResponse))]
[JsonSerializable(typeof(DecryptRequest))]
[JsonSerializable(typeof(DecryptResponse))]
[JsonSerializable(typeof(CryptoKeyResponse))]
[JsonSerializable(typeof(ErrorResponse))]
internal sealed partial class GoogleJson : JsonSerializerContext;
