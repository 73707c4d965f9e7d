namespace EfEnvelope.Kms.Local.Audit;

/// <summary>What is to be recorded of one operation; the appender adds sequence, time, node and hashes.</summary>
/// <param name="Principal">Who.</param>
/// <param name="Operation">What.</param>
/// <param name="KeyName">The key by its name, as far as it is known.</param>
/// <param name="KeyId">The key by its id, as far as it is known.</param>
/// <param name="KeyVersion">The version that was used, or made.</param>
/// <param name="Context">The encryption context.</param>
/// <param name="Detail">What else was used or changed, such as the name of a principal.</param>
/// <param name="Outcome">One of <see cref="AuditOutcomes" />.</param>
/// <param name="ErrorKind">Why it failed or was denied.</param>
/// <param name="Rule">What decided.</param>
/// <param name="CorrelationId">What ties it to the caller's own logs.</param>
internal sealed record AuditEvent(
    string Principal,
    string Operation,
    string? KeyName,
    string? KeyId,
    int? KeyVersion,
    EncryptionContext Context,
    string? Detail,
    string Outcome,
    string? ErrorKind,
    string? Rule,
    string? CorrelationId);

/// <summary>How an operation ended, as text.</summary>
internal static class AuditOutcomes
{
    public const string Ok = "ok";
    public const string Denied = "denied";
    public const string Failed = "failed";
}
