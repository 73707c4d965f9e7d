namespace EfEnvelope.Kms.Local.Access;

/// <summary>What somebody wants to do.</summary>
/// <param name="Principal">The name of the principal; it was authenticated before.</param>
/// <param name="Operation">The operation.</param>
/// <param name="Keys">The names the key goes by, its own first; none where the operation has no key.</param>
/// <param name="Context">The encryption context; empty where there is none.</param>
internal sealed record AccessRequest(string Principal, LocalKmsOperation Operation, IReadOnlyList<string> Keys, EncryptionContext Context);

/// <summary>A parsed policy: statements in their order.</summary>
internal sealed record PolicyDocument(IReadOnlyList<PolicyStatement> Statements);

/// <summary>One statement. It applies when all of its parts match.</summary>
internal sealed record PolicyStatement(
    bool Deny,
    IReadOnlyList<string> Principals,
    IReadOnlyList<string> Operations,
    IReadOnlyList<string> Keys,
    IReadOnlyList<ContextCondition> Conditions)
{
    public bool Applies(AccessRequest request)
        => MatchesPrincipal(request.Principal)
            && AccessOperations.Matches(Operations, request.Operation)
            && MatchesKey(request.Keys)
            && Conditions.All(c => c.Holds(request.Context));

    // The star means every principal that was made, not who holds the seal: what root may do is said by its name.
    private bool MatchesPrincipal(string principal)
        => Principals.Any(p => p == principal || (p == Patterns.Star && principal != PrincipalName.Root));

    // An operation without a key is matched by the star alone.
    private bool MatchesKey(IReadOnlyList<string> names)
        => names.Count == 0 ? Keys.Contains(Patterns.Star) : names.Any(n => Keys.Any(k => Patterns.Matches(k, n, StringComparison.Ordinal)));
}

/// <summary>What a pair of the encryption context must be.</summary>
/// <param name="Name">The name of the pair.</param>
/// <param name="Values">One of these; when there are none, the pair only has to exist.</param>
internal sealed record ContextCondition(string Name, IReadOnlyList<string> Values)
{
    public bool Holds(EncryptionContext context)
        => context.Pairs.TryGetValue(Name, out var value) && (Values.Count == 0 || Values.Contains(value, StringComparer.Ordinal));
}

/// <summary>Names, and names that end in a star and stand for all that begin so.</summary>
internal static class Patterns
{
    public const string Star = "*";

    public static bool Matches(string pattern, string name, StringComparison comparison)
        => pattern.EndsWith('*') ? name.StartsWith(pattern[..^1], comparison) : name.Equals(pattern, comparison);

    /// <summary>Whether there is no star but at the end.</summary>
    public static bool IsValid(string pattern)
        => pattern.Length > 0 && pattern.IndexOf('*', StringComparison.Ordinal) is var at && (at < 0 || at == pattern.Length - 1);
}
