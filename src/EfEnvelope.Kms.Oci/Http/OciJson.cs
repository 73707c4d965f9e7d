using System.Text.Json.Serialization;

namespace EfEnvelope.Kms.Oci.Http;

internal sealed record EncryptDataDetails(string KeyId, ReadOnlyMemory<byte> Plaintext, IReadOnlyDictionary<string, string>? AssociatedData);

internal sealed record EncryptedData(string? Ciphertext, string? KeyVersionId);

internal sealed record DecryptDataDetails(string KeyId, string Ciphertext, IReadOnlyDictionary<string, string>? AssociatedData);

// 'plaintextChecksum' is not read: the service does not say of what kind it is.
internal sealed record DecryptedData(byte[]? Plaintext);

internal sealed record KeyResponse(
    string? LifecycleState, string? CurrentKeyVersion, string? ProtectionMode, DateTimeOffset? TimeCreated, DateTimeOffset? TimeOfDeletion);

// What OCI's authentication service takes for the certificate of an instance, and gives.
internal sealed record FederationDetails(string Certificate, string PublicKey, IReadOnlyList<string> IntermediateCertificates)
{
    public string Purpose => "DEFAULT";

    public string FingerprintAlgorithm => "SHA256";
}

internal sealed record FederationToken(string? Token);

internal sealed record RegionInfo(string? RegionIdentifier, string? RealmDomainComponent);

internal sealed record ErrorResponse(string? Code, string? Message);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(EncryptDataDetails))]
[JsonSerializable(typeof(EncryptedData))]
[JsonSerializable(typeof(DecryptDataDetails))]
[JsonSerializable(typeof(DecryptedData))]
[JsonSerializable(typeof(KeyResponse))]
[JsonSerializable(typeof(FederationDetails))]
[JsonSerializable(typeof(FederationToken))]
[JsonSerializable(typeof(RegionInfo))]
[JsonSerializable(typeof(ErrorResponse))]
internal sealed partial class OciJson : JsonSerializerContext;
