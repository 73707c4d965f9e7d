namespace EfEnvelope.Kms.Local.Access;

/// <summary>Principals by operations by keys by contexts: each cell is tried, tried dry, and compared with a table written by hand.</summary>
public sealed class AccessMatrixTests : IAsyncLifetime
{
    private const string Policies =
        """
        {
          "statements": [
            { "effect": "allow", "principals": ["wrapper"], "operations": ["Wrap"], "keys": ["clinic"] },
            { "effect": "allow", "principals": ["app"], "operations": ["Wrap", "Unwrap"], "keys": ["clinic"],
              "context": { "anyOf": { "scope": ["clinic", "ward"] } } },
            { "effect": "allow", "principals": ["careful", "operator"], "operations": ["*"], "keys": ["*"] },
            { "effect": "deny", "principals": ["careful"], "operations": ["Unwrap"], "keys": ["*"], "context": { "equals": { "scope": "clinic" } } },
            { "effect": "deny", "principals": ["*"], "operations": ["Manage*", "RotateKey"], "keys": ["*"] },
            { "effect": "allow", "principals": ["tabled"], "operations": ["Wrap", "Unwrap"], "keys": ["bill*"], "context": { "exists": ["table"] } },
            { "effect": "allow", "principals": ["auditor"], "operations": ["ReadAudit", "ListKeys"], "keys": ["*"] }
          ]
        }
        """;

    // Per principal: what is allowed, all else is denied. Operation, key, context; "-" where there is none.
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["root"] = ["ManageAccess - -", "ReadAudit - -"],
        ["nobody"] = [],
        ["wrapper"] = ["Wrap clinic none", "Wrap clinic clinic", "Wrap clinic clinic+table", "Wrap clinic ward"],
        ["app"] =
        [
            "Wrap clinic clinic", "Wrap clinic clinic+table", "Wrap clinic ward", "Unwrap clinic clinic", "Unwrap clinic clinic+table",
            "Unwrap clinic ward",
        ],
        ["careful"] =
        [
            "Wrap clinic none", "Wrap clinic clinic", "Wrap clinic clinic+table", "Wrap clinic ward", "Wrap billing none", "Wrap billing clinic",
            "Wrap billing clinic+table", "Wrap billing ward", "Unwrap clinic none", "Unwrap clinic ward", "Unwrap billing none",
            "Unwrap billing ward", "DescribeKey clinic -", "DescribeKey billing -", "DisableKey clinic -",
            "DisableKey billing -", "ListKeys - -", "ReadAudit - -",
        ],
        ["operator"] =
        [
            "Wrap clinic none", "Wrap clinic clinic", "Wrap clinic clinic+table", "Wrap clinic ward", "Wrap billing none", "Wrap billing clinic",
            "Wrap billing clinic+table", "Wrap billing ward", "Unwrap clinic none", "Unwrap clinic clinic", "Unwrap clinic clinic+table",
            "Unwrap clinic ward", "Unwrap billing none", "Unwrap billing clinic", "Unwrap billing clinic+table", "Unwrap billing ward",
            "DescribeKey clinic -", "DescribeKey billing -", "DisableKey clinic -",
            "DisableKey billing -", "ListKeys - -", "ReadAudit - -",
        ],
        ["tabled"] = ["Wrap billing clinic+table", "Unwrap billing clinic+table"],
        ["auditor"] = ["ReadAudit - -", "ListKeys - -"],
        ["granted"] = ["Unwrap clinic clinic", "Unwrap clinic clinic+table"],
        ["exact"] = ["Wrap clinic clinic", "DescribeKey clinic -"],
    };

    private static readonly Dictionary<string, EncryptionContext> Contexts = new()
    {
        ["none"] = EncryptionContext.Empty,
        ["clinic"] = new([new("scope", "clinic")]),
        ["clinic+table"] = new([new("scope", "clinic"), new("table", "patients")]),
        ["ward"] = new([new("scope", "ward")]),
        ["-"] = EncryptionContext.Empty,
    };

    private readonly Dictionary<string, LocalKms> _callers = [];
    private readonly Dictionary<(string Key, string Context), WrappedKeyCopy> _wrapped = [];
    private readonly SqliteTamperStore _store = new();
    private LocalKms _kms = null!;

    public async ValueTask InitializeAsync()
    {
        _kms = await _store.CreateAsync();
        await _kms.CreateKeyAsync("billing", TestKms.Cancellation);
        foreach (var key in new[] { "clinic", "billing" })
        {
            foreach (var (name, context) in Contexts)
                _wrapped[(key, name)] = await _kms.WrapAsync(key, TestKms.NewKey(), context, TestKms.Cancellation);
        }

        foreach (var name in Allowed.Keys)
            _callers[name] = name == "root" ? _kms : _kms.As(await AccessTests.PrincipalAsync(_kms, name));
        await _kms.Access.PutPolicyAsync("matrix", Policies, TestKms.Cancellation);
        await _kms.Access.CreateGrantAsync("granted", "clinic", ["Unwrap"], Contexts["clinic"], cancellationToken: TestKms.Cancellation);
        await _kms.Access.CreateGrantAsync(
            "exact", "clinic", ["Wrap"], Contexts["clinic"], contextExactly: true, cancellationToken: TestKms.Cancellation);
        await _kms.Access.CreateGrantAsync("exact", "clinic", ["Describe*"], cancellationToken: TestKms.Cancellation);
        await _kms.Access.EnforceAsync(TestKms.Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        _kms.Dispose();
        await _store.DisposeAsync();
    }

    [Fact]
    public async Task Each_cell_is_as_the_table_says_and_as_the_dry_run_said()
    {
        var (cells, allowed) = (0, 0);
        foreach (var (principal, caller) in _callers)
        {
            foreach (var (operation, key, context) in Cells())
            {
                var cell = $"{operation} {key} {context}";
                var expected = Allowed[principal].Contains(cell);
                var simulated = await _kms.Access.SimulateAsync(
                    principal, operation, key == "-" ? null : key, Contexts[context], TestKms.Cancellation);
                var error = await TryAsync(caller, operation, key, context);

                Assert.True(expected == simulated.Allowed, $"{principal}: {cell} by {simulated.Rule}");
                Assert.True((error is null) == expected && (error is null or KmsErrorKind.AccessDenied), $"{principal}: {cell} was {error}");
                cells++;
                allowed += expected ? 1 : 0;
            }
        }

        Assert.Equal(Allowed.Sum(a => a.Value.Length), allowed);
        Assert.Equal(Allowed.Count * Cells().Count(), cells);

        // Each was recorded with the rule that decided.
        var denied = await _kms.Audit.QueryAsync(new LocalKmsAuditQuery { Principal = "careful", PageSize = 1000 }, TestKms.Cancellation);
        Assert.Contains(denied, e => e is { Operation: "Unwrap", Outcome: "denied", ErrorKind: "AccessDenied", Rule: "policy matrix, statement 4" });
        Assert.Contains(denied, e => e is { Operation: "Wrap", Outcome: "ok", ErrorKind: null, Rule: "policy matrix, statement 3" });
    }

    [Theory]
    [InlineData("root", LocalKmsOperation.ManageAccess, null, "root")]
    [InlineData("root", LocalKmsOperation.Wrap, "clinic", "default")]
    [InlineData("app", LocalKmsOperation.Wrap, "clinic", "policy matrix, statement 2")]
    [InlineData("careful", LocalKmsOperation.Unwrap, "clinic", "policy matrix, statement 4")]
    [InlineData("operator", LocalKmsOperation.RotateKey, "clinic", "policy matrix, statement 5")]
    [InlineData("nobody", LocalKmsOperation.RotateKey, "clinic", "policy matrix, statement 5")]
    [InlineData("nobody", LocalKmsOperation.Sign, "absent", "default")]
    public async Task Dry_run_names_the_rule_that_decides(string principal, LocalKmsOperation operation, string? key, string rule)
        => Assert.Equal(
            rule, (await _kms.Access.SimulateAsync(principal, operation, key, Contexts["clinic"], TestKms.Cancellation)).Rule);

    [Fact]
    public async Task Dry_run_names_the_grant_that_decides()
    {
        var grant = Assert.Single(await _kms.Access.ListGrantsAsync(TestKms.Cancellation), g => g.Principal == "granted");

        var decision = await _kms.Access.SimulateAsync("granted", LocalKmsOperation.Unwrap, "clinic", Contexts["clinic+table"], TestKms.Cancellation);

        Assert.Equal(new LocalKmsDecision(true, $"grant {grant.GrantId}"), decision);
    }

    private static IEnumerable<(LocalKmsOperation Operation, string Key, string Context)> Cells()
    {
        foreach (var key in new[] { "clinic", "billing" })
        {
            foreach (var context in Contexts.Keys.Where(c => c != "-"))
            {
                yield return (LocalKmsOperation.Wrap, key, context);
                yield return (LocalKmsOperation.Unwrap, key, context);
            }

            yield return (LocalKmsOperation.DescribeKey, key, "-");
            yield return (LocalKmsOperation.RotateKey, key, "-");
            yield return (LocalKmsOperation.DisableKey, key, "-");
        }

        yield return (LocalKmsOperation.ListKeys, "-", "-");
        yield return (LocalKmsOperation.ManageAccess, "-", "-");
        yield return (LocalKmsOperation.ReadAudit, "-", "-");
    }

    private async Task<KmsErrorKind?> TryAsync(LocalKms caller, LocalKmsOperation operation, string key, string context)
    {
        Task task = operation switch
        {
            LocalKmsOperation.Wrap => caller.WrapAsync(key, TestKms.NewKey(), Contexts[context], TestKms.Cancellation),
            LocalKmsOperation.Unwrap => caller.UnwrapAsync(_wrapped[(key, context)], Contexts[context], TestKms.Cancellation),
            LocalKmsOperation.DescribeKey => caller.DescribeKeyAsync(key, TestKms.Cancellation),
            LocalKmsOperation.RotateKey => caller.RotateKeyAsync(key, TestKms.Cancellation),
            LocalKmsOperation.ListKeys => caller.ListKeysAsync(TestKms.Cancellation),
            LocalKmsOperation.ManageAccess => caller.Access.ListPoliciesAsync(TestKms.Cancellation),
            LocalKmsOperation.ReadAudit => caller.Audit.QueryAsync(new LocalKmsAuditQuery { PageSize = 1 }, TestKms.Cancellation),
            LocalKmsOperation.DisableKey => DisableAndEnableAsync(caller, key),
            _ => throw new NotSupportedException(),
        };
        try
        {
            await task;
            return null;
        }
        catch (KmsException e)
        {
            return e.Kind;
        }
    }

    private static async Task DisableAndEnableAsync(LocalKms caller, string key)
    {
        await caller.DisableKeyAsync(key, TestKms.Cancellation);
        await caller.EnableKeyAsync(key, TestKms.Cancellation);
    }
}
