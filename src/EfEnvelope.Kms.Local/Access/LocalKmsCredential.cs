namespace EfEnvelope.Kms.Local;

/// <summary>Says who calls an embedded KMS. It prints no secret.</summary>
public sealed class LocalKmsCredential
{
    internal LocalKmsCredential()
    {
    }
}
