using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local;

/// <summary>What tells one configured embedded KMS from another. Prints no secret.</summary>
internal sealed class LocalKmsIdentity(StorePlace place, LocalKmsSeal seal, string keyName, LocalKmsCredential? credential = null)
    : IEquatable<LocalKmsIdentity>
{
    public IKeyWrapper CreateWrapper(KmsServices services)
    {
        // Who comes with a credential makes nothing: in a new KMS there is no such principal.
        var kms = new LocalKms(place, seal, services.TimeProvider, services.LoggerFactory).HandTo(credential);
        return new LocalKeyWrapper(kms, keyName, create: credential is null, ownsKms: true);
    }

    public bool Equals(LocalKmsIdentity? other) => other is not null && Parts.Equals(other.Parts);

    public override bool Equals(object? obj) => Equals(obj as LocalKmsIdentity);

    public override int GetHashCode() => Parts.GetHashCode();

    public override string ToString() => $"LocalKmsIdentity({keyName} in {place})";

    private (object Place, LocalKmsSeal Seal, string KeyName, LocalKmsCredential? Credential) Parts => (place.Identity, seal, keyName, credential);
}
