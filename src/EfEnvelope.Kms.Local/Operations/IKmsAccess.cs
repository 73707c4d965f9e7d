using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Operations;

/// <summary>Who called, whether that is allowed, and which rule says so.</summary>
/// <param name="Principal">The principal's name; <see langword="null" /> when the caller is unknown.</param>
/// <param name="Rule">The rule that decides; <see langword="null" /> when there is none.</param>
/// <param name="Refusal">What is thrown; <see langword="null" /> when the call is allowed.</param>
internal sealed record KmsDecision(string? Principal, string? Rule, KmsException? Refusal)
{
    public bool IsAllowed => Refusal is null;
}

/// <summary>Authenticates the caller and decides.</summary>
internal interface IKmsAccess
{
    /// <summary>
    /// Decides about one call. In a write it runs in the transaction of the work, and again when that is repeated. It throws only when it cannot decide.
    /// </summary>
    Task<KmsDecision> AuthorizeAsync(KmsSession db, RootKey root, KmsCall call, KmsSubject subject, CancellationToken cancellationToken);
}
