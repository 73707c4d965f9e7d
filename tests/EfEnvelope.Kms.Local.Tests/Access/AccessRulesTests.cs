using System.Text.RegularExpressions;
using CsCheck;

namespace EfEnvelope.Kms.Local.Access;

public sealed class AccessRulesTests
{
    private static readonly string[] Principals = ["ada", "bob", "root"];
    private static readonly LocalKmsOperation[] Operations =
        [LocalKmsOperation.Wrap, LocalKmsOperation.Unwrap, LocalKmsOperation.ManageAccess, LocalKmsOperation.ListKeys];

    private static readonly string[] Keys = ["clinic", "tenant/1", "tenant/2"];

    private static readonly Gen<ContextCondition> Conditions = Gen.Select(
        Gen.OneOfConst("scope", "table"), Gen.OneOfConst("a", "b").List[0, 2], (name, values) => new ContextCondition(name, values));

    private static readonly Gen<PolicyStatement> Statements = Gen.Select(
        Gen.Bool,
        Gen.OneOfConst("*", "ada", "bob", "root").List[1, 2],
        Gen.OneOfConst("*", "Wrap", "Un*", "manageaccess", "ListKeys").List[1, 2],
        Gen.OneOfConst("*", "clinic", "tenant/*", "tenant/2").List[1, 2],
        Conditions.List[0, 1],
        (deny, principals, operations, keys, conditions) => new PolicyStatement(deny, principals, operations, keys, conditions));

    private static readonly Gen<AccessGrant> Grants = Gen.Select(
        Gen.OneOfConst("ada", "bob"),
        Gen.OneOfConst(Keys),
        Gen.OneOfConst("Wrap", "Unwrap", "*"),
        Gen.OneOfConst("", "a"),
        Gen.Bool,
        Gen.Int[-1, 1],
        (principal, key, operation, scope, exactly, expires) => new AccessGrant(
            "g", principal, key, [operation], Context(scope, ""), exactly, expires == 0 ? null : DateTimeOffset.UnixEpoch.AddDays(expires)));

    private static readonly Gen<AccessRequest> Requests = Gen.Select(
        Gen.OneOfConst(Principals),
        Gen.OneOfConst(Operations),
        Gen.OneOfConst(Keys),
        Gen.OneOfConst("", "a", "b"),
        Gen.OneOfConst("", "a", "b"),
        (principal, operation, key, scope, table) => new AccessRequest(
            principal, operation, operation == LocalKmsOperation.ListKeys ? [] : [key], Context(scope, table)));

    [Fact]
    public void Whatever_the_policies_a_denial_wins_and_what_nothing_allows_is_denied()
    {
        var (denied, allowed, byDefault) = (0, 0, 0);
        Gen.Select(Statements.List[0, 4].Array[0, 3], Grants.List[0, 3], Requests, Gen.Bool).Sample(
            (policies, grants, request, enforced) =>
            {
                var decision = AccessRules.Decide(
                    request, enforced, policies.Select((s, i) => ($"p{i}", new PolicyDocument(s))), grants, DateTimeOffset.UnixEpoch);

                var applying = policies.SelectMany((p, i) => p.Select((s, j) => (Rule: $"policy p{i}, statement {j + 1}", Statement: s)))
                    .Where(s => Applies(s.Statement, request)).ToList();
                if (request.Principal == "root" && (!enforced || request.Operation == LocalKmsOperation.ManageAccess))
                    Assert.Equal(new LocalKmsDecision(true, "root"), decision);
                else if (applying.Exists(s => s.Statement.Deny))
                {
                    denied++;
                    Assert.False(decision.Allowed);
                    Assert.Contains(applying, s => s.Statement.Deny && s.Rule == decision.Rule);
                }
                else if (applying.Count > 0)
                {
                    allowed++;
                    Assert.Equal(new LocalKmsDecision(true, applying[0].Rule), decision);
                }
                else if (grants.Exists(g => Applies(g, request)))
                    Assert.Equal(new LocalKmsDecision(true, "grant g"), decision);
                else
                {
                    byDefault++;
                    Assert.Equal(new LocalKmsDecision(false, "default"), decision);
                }
            },
            iter: 20_000);

        Assert.True(denied > 100 && allowed > 100 && byDefault > 100, $"{denied} {allowed} {byDefault}");
    }

    // Written anew, by regular expressions and by hand.
    private static bool Applies(PolicyStatement statement, AccessRequest request)
        => statement.Principals.Any(p => p == request.Principal || (p == "*" && request.Principal is "ada" or "bob" && p == "*"))
            && statement.Operations.Any(o => Glob(o, request.Operation.ToString(), RegexOptions.IgnoreCase))
            && (request.Keys.Count == 0 ? statement.Keys.Contains("*") : statement.Keys.Any(k => Glob(k, request.Keys[0], RegexOptions.None)))
            && statement.Conditions.All(c => request.Context.Pairs.ContainsKey(c.Name)
                && (c.Values.Count == 0 || c.Values.Contains(request.Context.Pairs[c.Name])));

    private static bool Applies(AccessGrant grant, AccessRequest request)
    {
        if (grant.Principal != request.Principal || request.Keys.Count == 0 || request.Keys[0] != grant.KeyName)
            return false;
        if (grant.Operations[0] != "*" && grant.Operations[0] != request.Operation.ToString())
            return false;
        if (grant.Expires is { } until && until <= DateTimeOffset.UnixEpoch)
            return false;
        var scope = grant.Context.Pairs.GetValueOrDefault("scope");
        var asked = request.Context.Pairs.GetValueOrDefault("scope");
        return grant.Exactly ? scope == asked && !request.Context.Pairs.ContainsKey("table") : scope is null || scope == asked;
    }

    private static bool Glob(string pattern, string text, RegexOptions options)
        => Regex.IsMatch(text, "^" + Regex.Escape(pattern).Replace("\\*", ".*") + "$", options);

    private static EncryptionContext Context(string scope, string table)
    {
        var pairs = new Dictionary<string, string>();
        if (scope.Length > 0)
            pairs.Add("scope", scope);
        if (table.Length > 0)
            pairs.Add("table", table);
        return new EncryptionContext(pairs);
    }
}
