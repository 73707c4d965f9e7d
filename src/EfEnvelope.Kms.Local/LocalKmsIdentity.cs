namespace EfEnvelope.Kms.Local;

/// <summary>What tells one configured embedded KMS from another. Prints no secret, because no seal does.</summary>
internal sealed record LocalKmsIdentity(string ConnectionString, LocalKmsSeal Seal, string KeyName)
{
    public IKeyWrapper CreateWrapper(KmsServices services)
    {
        var kms = new LocalKms(ConnectionString, Seal, services.TimeProvider, services.LoggerFactory);
        return new LocalKeyWrapper(kms, KeyName, create: true, ownsKms: true);
    }
}
