using System.Text.Json;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>
/// Reads the rules from the store for each decision; nothing is kept between two. A row that is not genuine is refused, and with it
/// the call.
/// </summary>
internal sealed class AccessReader(KmsSession db, RootKey root, string file)
{
    private const int Attempts = 10;

    private readonly AccessMacs _macs = new(root, root.KmsId);

    public AccessMacs Macs => _macs;

    /// <summary>Asks for what a decision about this caller reads first.</summary>
    public static IEnumerable<Query> Ask(LocalKmsCredential? caller)
        => caller is null ? [AskState] : [AskState, Query.One(AccessTables.Principals, IsPrincipal(caller.Name)), new Query(AccessTables.Policies, [])];

    /// <summary>
    /// Reads whether access is enforced, and all policies. They fit together, though somebody may change them meanwhile. The one that is
    /// about to be replaced need not be genuine.
    /// </summary>
    public async Task<(AccessStateRow State, List<PolicyRow> Policies)> ReadPoliciesAsync(
        CancellationToken cancellationToken, string? replaced = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            var state = await ReadStateAsync(cancellationToken).ConfigureAwait(false);
            var policies = await db.ListAsync(AccessTables.Policies, [], fresh: true, cancellationToken: cancellationToken)
                .ConfigureAwait(false);
            if (AccessMacs.Equal(AccessMacs.Digest(policies), state.Policies))
            {
                policies.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
                return policies.Find(p => p.Name != replaced && !_macs.IsGenuine(p)) is { } forged
                    ? throw Damaged($"The policy '{forged.Name}'")
                    : (state, policies);
            }

            var again = await ReadStateAsync(cancellationToken).ConfigureAwait(false);
            if (again.Revision == state.Revision || attempt == Attempts)
                throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsAccessMessages.StateDamaged(file));
        }
    }

    public async Task<AccessStateRow> ReadStateAsync(CancellationToken cancellationToken)
    {
        var state = await db.FindAsync(AccessTables.State, AskState.Where, fresh: true, cancellationToken)
            .ConfigureAwait(false);
        return state is not null && _macs.IsGenuine(state)
            ? state
            : throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsAccessMessages.StateDamaged(file));
    }

    public async Task<PrincipalRow?> FindPrincipalAsync(string name, CancellationToken cancellationToken)
    {
        var row = await db.FindAsync(AccessTables.Principals, [IsPrincipal(name)], cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        return row is null || _macs.IsGenuine(row) ? row : throw Damaged($"The principal '{name}'");
    }

    public async Task<List<PrincipalRow>> ListPrincipalsAsync(CancellationToken cancellationToken)
    {
        var rows = await db.ListAsync(AccessTables.Principals, [], "name", fresh: true, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        return rows.Find(p => !_macs.IsGenuine(p)) is { } forged ? throw Damaged($"The principal '{forged.Name}'") : rows;
    }

    /// <summary>Reads the grants of one principal; none of a namesake that was deleted.</summary>
    public async Task<List<GrantRow>> ReadGrantsAsync(PrincipalRow principal, CancellationToken cancellationToken)
        => Genuine(await db.ListAsync(
            AccessTables.Grants, [Where.Is("principal_id", principal.PrincipalId)], "grant_id", fresh: true, cancellationToken: cancellationToken)
                .ConfigureAwait(false));

    public async Task<List<GrantRow>> ListGrantsAsync(CancellationToken cancellationToken)
        => Genuine(await db.ListAsync(AccessTables.Grants, [], "principal, grant_id", fresh: true, cancellationToken: cancellationToken)
            .ConfigureAwait(false));

    /// <summary>Returns the names a key goes by: its own first, then its aliases. Of a key that is not there, what it was called.</summary>
    public async Task<IReadOnlyList<string>> KeyNamesAsync(string? asked, KmsSubject subject, CancellationToken cancellationToken)
    {
        if (subject.Key is not { } key)
            return asked is null ? [] : [asked];
        var aliases = await KeyLookup.AliasesAsync(db, root, file, key, cancellationToken).ConfigureAwait(false);
        return [key.Name, .. aliases.Select(a => a.Alias)];
    }

    /// <summary>Parses a policy that was parsed when it was put.</summary>
    public PolicyDocument Parse(PolicyRow policy)
    {
        try
        {
            return PolicyParser.Parse(policy.Document);
        }
        catch (FormatException e)
        {
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsAccessMessages.MalformedPolicy(policy.Name, e.Message), e);
        }
    }

    public AccessGrant Parse(GrantRow grant) => ContextJson.TryRead(grant.Context, out var context)
        ? new AccessGrant(
            grant.GrantId, grant.Principal, grant.KeyName, JsonSerializer.Deserialize<List<string>>(grant.Operations)!, context, grant.ContextExactly,
            grant.Expires)
        : throw Damaged($"The grant '{grant.GrantId}'");

    private static Query AskState { get; } = Query.One(AccessTables.State, Where.Is("id", AccessStateRow.OnlyId));

    private static Where IsPrincipal(string name) => Where.Is("name", name);

    private List<GrantRow> Genuine(List<GrantRow> grants)
        => grants.Find(g => !_macs.IsGenuine(g)) is { } forged ? throw Damaged($"The grant '{forged.GrantId}'") : grants;

    private KmsException Damaged(string what) => new(KmsErrorKind.InvalidCiphertext, LocalKmsAccessMessages.RuleDamaged(file, what));
}
