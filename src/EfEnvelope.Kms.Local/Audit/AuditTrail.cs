using System.Diagnostics;
using EfEnvelope.Kms.Local.Access;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>Records every call: a change in its own transaction, all others by group commit; one whose caller's thread waits, on that thread.</summary>
internal sealed class AuditTrail : IKmsAudit
{
    private readonly AuditAppender _appender;
    private readonly AuditQueue _queue;
    private readonly KmsStore _store;

    public AuditTrail(KmsStore store, TimeProvider timeProvider)
    {
        _appender = new AuditAppender(store.Path, timeProvider);
        _store = store;
        _queue = new AuditQueue(CommitAsync);
    }

    public AuditAppender Appender => _appender;

    /// <summary>What a new KMS starts with: an empty trail, and the key that signs it.</summary>
    public static object[] NewRows(RootKey root) => [AuditChain.NewHead(root, root.KmsId), AuditSigner.NewKey(root)];

    public Task AppendAsync(
        KmsSession db, RootKey root, KmsCall call, KmsSubject subject, KmsOutcome outcome, CancellationToken cancellationToken)
        => _appender.AppendAsync(db, root, [Event(call, subject, outcome)], cancellationToken);

    public Task RecordAsync(RootKey root, KmsCall call, KmsSubject subject, KmsOutcome outcome, CancellationToken cancellationToken)
        => call.IsSynchronous
            ? CommitAsync(root, [Event(call, subject, outcome)])
            : _queue.AppendAsync(root, Event(call, subject, outcome)).WaitAsync(cancellationToken);

    // Not to be cancelled: what was done is recorded.
    private Task CommitAsync(RootKey root, IReadOnlyList<AuditEvent> events)
        => _store.AppendAsync((db, token) => _appender.AppendAsync(db, root, events, token), CancellationToken.None);

    private static EncryptionContext ContextOf(KmsCall call, KmsSubject subject, KmsOutcome outcome)
    {
        var context = call.Context ?? EncryptionContext.Empty;
        return outcome.Error is not null && (subject.Refused ?? outcome.Decision) is not { IsAllowed: true } ? AuditLimits.CutDenied(context) : context;
    }

    private static AuditEvent Event(KmsCall call, KmsSubject subject, KmsOutcome outcome) => new(
        outcome.Decision?.Principal ?? (call.Caller is { } caller ? AccessControl.Unproven(caller.Name) : PrincipalName.Root),
        call.Operation.ToString(),
        subject.KeyName ?? call.Key,
        subject.KeyId,
        subject.Version,
        ContextOf(call, subject, outcome),
        subject.Detail,
        outcome.Error is null ? AuditOutcomes.Ok : (subject.Refused ?? outcome.Decision) is { IsAllowed: false } ? AuditOutcomes.Denied : AuditOutcomes.Failed,
        outcome.Error?.ToString(),
        (subject.Refused ?? outcome.Decision)?.Rule,
        call.CorrelationId ?? Activity.Current?.TraceId.ToHexString());
}
