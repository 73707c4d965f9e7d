using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local;

/// <summary>What tells one configured embedded KMS from another. Prints no secret.</summary>
internal sealed class LocalKmsIdentity(StorePlace place, LocalKmsSeal seal, string keyName) : IEquatable<LocalKmsIdentity>
{
    public IKeyWrapper CreateWrapper(KmsServices services)
    {
        var kms = new LocalKms(place, seal, services.TimeProvider, services.LoggerFactory);
        return new LocalKeyWrapper(kms, keyName, create: true, ownsKms: true);
    }

    public bool Equals(LocalKmsIdentity? other) => other is not null && Parts.Equals(other.Parts);

    public override bool Equals(object? obj) => Equals(obj as LocalKmsIdentity);

    public override int GetHashCode() => Parts.GetHashCode();

    public override string ToString() => $"LocalKmsIdentity({keyName} in {place})";

    private (object Place, LocalKmsSeal Seal, string KeyName) Parts => (place.Identity, seal, keyName);
}
