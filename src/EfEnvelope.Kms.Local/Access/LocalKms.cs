using EfEnvelope.Kms.Local.Access;

namespace EfEnvelope.Kms.Local;

public sealed partial class LocalKms
{
    /// <summary>Gets who may do what: principals, policies, grants, and the dry run of a decision.</summary>
    public LocalKmsAccess Access => new(
        _gate,
        _access,
        new AccessAdministration(StoreName, _timeProvider),
        key => Call(LocalKmsOperation.ManageAccess, key),
        StoreName,
        _logger);

    /// <summary>Gets the audit trail: to verify, export, sign and query it.</summary>
    public LocalKmsAudit Audit => new(_gate, _trail.Appender, () => Call(LocalKmsOperation.ReadAudit), _store, _timeProvider);

    /// <summary>Returns the same KMS, seen by one caller: each call is allowed by what the rules say of it, and recorded as its.</summary>
    /// <param name="credential">Who calls; <see langword="null" /> for the caller of this view, or <c>root</c>, who holds the seal. It is checked
    /// at each call.</param>
    /// <param name="correlationId">What ties the calls to the caller's own logs; by default the trace id of the current activity.</param>
    /// <returns>A view, which works as long as this KMS is not disposed. Disposing it does nothing.</returns>
    /// <remarks>
    /// Each call may throw <see cref="KmsException" />: <see cref="KmsErrorKind.Unauthenticated" /> when the credential is not valid, or the
    /// principal disabled; <see cref="KmsErrorKind.AccessDenied" /> when no rule allows the call.
    /// </remarks>
    public LocalKms As(LocalKmsCredential? credential, string? correlationId = null) => new(this, credential ?? _caller, correlationId, isView: true);

    // The same KMS for a caller whose thread waits: on a file, what its methods return has ended.
    internal LocalKms OnThread() => new(this, _caller, _correlationId, isView: true, isSynchronous: true);

    // Whether it asks no service: neither a server that has the store, nor another KMS that opens it.
    internal bool IsInProcess => FilePath is not null && _opener.Seal is not Sealing.KeyWrapperSeal;

    // This KMS, handed over to one caller, who disposes it.
    internal LocalKms HandTo(LocalKmsCredential? credential) => new(this, credential, null, isView: false);
}
