namespace EfEnvelope.Kms.Local.Access;

/// <summary>A grant as the rules see it.</summary>
/// <param name="GrantId">Its id.</param>
/// <param name="Principal">Whom it lets do something.</param>
/// <param name="KeyName">With which key.</param>
/// <param name="Operations">Which operations.</param>
/// <param name="Context">Pairs that the encryption context must contain.</param>
/// <param name="Exactly">Whether the encryption context must be these pairs and no other.</param>
/// <param name="Expires">Until when, not including.</param>
internal sealed record AccessGrant(
    string GrantId,
    string Principal,
    string KeyName,
    IReadOnlyList<string> Operations,
    EncryptionContext Context,
    bool Exactly,
    DateTimeOffset? Expires)
{
    public bool Applies(AccessRequest request, DateTimeOffset now)
        => Principal == request.Principal
            && (Expires is null || now < Expires)
            && request.Keys.Count > 0 && request.Keys[0] == KeyName
            && AccessOperations.Matches(Operations, request.Operation)
            && (Exactly ? Context.Equals(request.Context) : Contains(request.Context.Pairs));

    private bool Contains(IReadOnlyDictionary<string, string> asked)
        => Context.Pairs.All(p => asked.TryGetValue(p.Key, out var value) && value == p.Value);
}

/// <summary>
/// The whole of the decision, as a function of what it depends on: a statement that denies wins over everything, then a statement that
/// allows, then a grant; what nothing allows is denied.
/// </summary>
internal static class AccessRules
{
    public const string RootRule = "root";
    public const string DefaultRule = "default";

    public static LocalKmsDecision Decide(
        AccessRequest request,
        bool enforced,
        IEnumerable<(string Name, PolicyDocument Document)> policies,
        IEnumerable<AccessGrant> grants,
        DateTimeOffset now)
    {
        // Before any policy, so that no policy locks out who could write another one anyway.
        if (request.Principal == PrincipalName.Root && (!enforced || AccessOperations.IsManagement(request.Operation)))
            return new LocalKmsDecision(true, RootRule);

        string? allowed = null;
        foreach (var (name, document) in policies)
        {
            for (var i = 0; i < document.Statements.Count; i++)
            {
                if (!document.Statements[i].Applies(request))
                    continue;
                var rule = $"policy {name}, statement {i + 1}";
                if (document.Statements[i].Deny)
                    return new LocalKmsDecision(false, rule);
                allowed ??= rule;
            }
        }

        if (allowed is not null)
            return new LocalKmsDecision(true, allowed);
        return grants.FirstOrDefault(g => g.Applies(request, now)) is { } grant
            ? new LocalKmsDecision(true, $"grant {grant.GrantId}")
            : new LocalKmsDecision(false, DefaultRule);
    }
}
