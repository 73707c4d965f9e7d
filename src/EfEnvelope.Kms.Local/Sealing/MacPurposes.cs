namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>What a subkey of the root key is for. None of these texts may ever change.</summary>
internal static class MacPurposes
{
    public const string Credential = "credentials";
    public const string AccessRow = "access rows";
    public const string AuditEvent = "audit events";
    public const string AuditHead = "audit head";
}
