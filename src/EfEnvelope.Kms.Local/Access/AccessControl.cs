using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>Authenticates the caller and decides, by what the store says at this moment.</summary>
internal sealed class AccessControl(string file, TimeProvider timeProvider) : IKmsAccess
{
    // What a wrong name is compared with, so that it takes the same path as a wrong secret.
    private static readonly byte[] NoHash = new byte[32];

    public async Task<KmsDecision> AuthorizeAsync(
        KmsSession db, RootKey root, KmsCall call, KmsSubject subject, CancellationToken cancellationToken)
    {
        var reader = new AccessReader(db, root, file);
        PrincipalRow? principal = null;
        if (call.Caller is { } credential)
        {
            principal = await reader.FindPrincipalAsync(credential.Name, cancellationToken).ConfigureAwait(false);
            if (Refuse(reader.Macs, principal, credential) is { } refusal)
                return new KmsDecision(Unproven(credential.Name), null, refusal);
        }

        var name = principal?.Name ?? PrincipalName.Root;
        var keys = await reader.KeyNamesAsync(call.Key, subject, cancellationToken).ConfigureAwait(false);
        var request = new AccessRequest(name, call.Operation, keys, call.Context ?? EncryptionContext.Empty);
        var decision = await DecideAsync(reader, principal, request, cancellationToken).ConfigureAwait(false);
        return new KmsDecision(
            name,
            decision.Rule,
            decision.Allowed
                ? null
                : new KmsException(
                    KmsErrorKind.AccessDenied, LocalKmsAccessMessages.Denied(file, name, call.Operation.ToString(), subject.KeyName ?? call.Key)));
    }

    /// <summary>Decides about somebody who is known to be who they are. The dry run is this too.</summary>
    public async Task<LocalKmsDecision> DecideAsync(
        AccessReader reader, PrincipalRow? principal, AccessRequest request, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        if (principal is null)
        {
            // Without the policies, so that whoever holds the seal can mend one that is damaged.
            var alone = await reader.ReadStateAsync(cancellationToken).ConfigureAwait(false);
            if (AccessRules.Decide(request, alone.Enforced, [], [], now) is { Allowed: true } allowed)
                return allowed;
        }

        var (state, policies) = await reader.ReadPoliciesAsync(cancellationToken).ConfigureAwait(false);
        var grants = principal is null ? [] : await reader.ReadGrantsAsync(principal, cancellationToken).ConfigureAwait(false);
        return AccessRules.Decide(request, state.Enforced, policies.Select(p => (p.Name, reader.Parse(p))), grants.Select(reader.Parse), now);
    }

    private KmsException? Refuse(AccessMacs macs, PrincipalRow? row, LocalKmsCredential credential)
    {
        var hash = macs.HashOf(credential);
        var current = AccessMacs.Equal(hash, row?.CredentialHash ?? NoHash);
        var former = AccessMacs.Equal(hash, row?.FormerHash ?? NoHash) && timeProvider.GetUtcNow() < (row?.FormerUntil ?? DateTimeOffset.MinValue);
        if (row is null || !(current | former))
            return new KmsException(KmsErrorKind.Unauthenticated, LocalKmsAccessMessages.Unauthenticated(file, credential.Name));
        return row.Disabled ? new KmsException(KmsErrorKind.Unauthenticated, LocalKmsAccessMessages.Disabled(file, credential.Name)) : null;
    }

    // No name may begin so: the audit trail tells who was claimed from who was proven.
    public static string Unproven(string name) => "?" + name;
}
