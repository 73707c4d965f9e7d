using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Operations;

/// <summary>How a call ended.</summary>
/// <param name="Decision">What access control said; <see langword="null" /> when it could not decide.</param>
/// <param name="Error">The kind of error it ended in; <see langword="null" /> when it succeeded.</param>
internal sealed record KmsOutcome(KmsDecision? Decision, KmsErrorKind? Error);

/// <summary>Appends the events of the audit trail.</summary>
internal interface IKmsAudit
{
    /// <summary>
    /// Records a call that changed nothing, or failed, outside of any transaction; ends when the event is durable. When it throws, the call fails.
    /// </summary>
    Task RecordAsync(RootKey root, KmsCall call, KmsSubject subject, KmsOutcome outcome, CancellationToken cancellationToken);

    /// <summary>
    /// Adds the event of one call to the context, within a transaction that the gate saves and commits: for a change, that of the change. When it
    /// throws, or the event cannot be stored, the call fails. May run again, in a new context, when somebody else wrote the same rows first.
    /// </summary>
    Task AppendAsync(
        KmsSession db, RootKey root, KmsCall call, KmsSubject subject, KmsOutcome outcome, CancellationToken cancellationToken);
}
