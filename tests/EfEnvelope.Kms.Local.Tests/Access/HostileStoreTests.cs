using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.SqlServer.TransactSql.ScriptDom;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>What a hand that writes the store, without its seal, does to undo a denial or a revocation.</summary>
public abstract class HostileStoreTests(TestStore store) : StoreTests(store)
{
    private const string Policy =
        """
        {
          "statements": [
            { "effect": "allow", "principals": ["app"], "operations": ["Wrap", "Unwrap"], "keys": ["clinic"] },
            { "effect": "deny", "principals": ["app"], "operations": ["Unwrap"], "keys": ["alias/archive"] }
          ]
        }
        """;

    [Fact]
    public async Task Alias_that_is_removed_from_the_store_undoes_no_denial()
    {
        using var kms = await Store.CreateAsync();
        await kms.SetAliasAsync("alias/archive", TestStore.KeyName, Cancellation);
        await kms.Access.PutPolicyAsync("p", Policy, Cancellation);
        var app = await PrincipalAsync(kms, "app");
        var wrapped = await app.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => app.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
        Assert.True((await kms.Audit.VerifyAsync(cancellationToken: Cancellation)).IsIntact);

        await Store.ExecuteAsync("DELETE FROM kms_aliases");

        var e = await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => app.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
        Assert.Contains("aliases of the key 'clinic'", e.Message);
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => kms.DescribeKeyAsync(TestStore.KeyName, Cancellation));
        var report = await kms.Audit.VerifyAsync(cancellationToken: Cancellation);
        Assert.False(report.IsIntact);
        Assert.Contains("aliases of the key 'clinic'", report.Fault);
    }

    [Fact]
    public async Task Alias_that_is_put_back_to_its_former_key_is_refused()
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("other", Cancellation);
        await kms.SetAliasAsync("alias/archive", TestStore.KeyName, Cancellation);
        await Store.ExecuteAsync("CREATE TABLE kept AS SELECT * FROM kms_aliases");
        await kms.SetAliasAsync("alias/archive", "other", Cancellation);

        await Store.ExecuteAsync("DELETE FROM kms_aliases");
        await Store.ExecuteAsync("INSERT INTO kms_aliases SELECT * FROM kept");

        foreach (var name in new[] { "alias/archive", TestStore.KeyName, "other" })
            await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => kms.WrapAsync(name, TestKms.NewKey(), TestKms.Context, Cancellation));
        Assert.False((await kms.Audit.VerifyAsync(cancellationToken: Cancellation)).IsIntact);
    }

    [Fact]
    public async Task Aliases_that_are_set_moved_and_removed_by_the_kms_stay_genuine()
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("other", Cancellation);
        await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(async () =>
        {
            await kms.SetAliasAsync($"alias/{i}", i % 2 == 0 ? "other" : TestStore.KeyName, Cancellation);
            await kms.WrapAsync($"alias/{i}", TestKms.NewKey(), TestKms.Context, Cancellation);
        })));
        await kms.SetAliasAsync("alias/1", "other", Cancellation);
        await kms.SetAliasAsync("alias/1", "other", Cancellation);
        Assert.True(await kms.RemoveAliasAsync("alias/2", Cancellation));
        Assert.False(await kms.RemoveAliasAsync("alias/2", Cancellation));

        Assert.Equal(["alias/0", "alias/1", "alias/4"], (await kms.DescribeKeyAsync("other", Cancellation)).Aliases);
        Assert.Equal(["alias/3", "alias/5"], (await kms.ListKeysAsync(Cancellation)).Single(k => k.Name == TestStore.KeyName).Aliases);
        Assert.True((await kms.Audit.VerifyAsync(cancellationToken: Cancellation)).IsIntact);
    }

    [Theory]
    [InlineData("UPDATE kms_keys SET state = 'disabled'")]
    [InlineData("UPDATE kms_key_versions SET state = 'disabled'")]
    [InlineData("UPDATE kms_keys SET next_rotation = '2030-01-01 00:00:00+00:00'")]
    [InlineData("UPDATE kms_grants SET key_name = 'other'")]
    [InlineData("UPDATE kms_principals SET name = 'root2'")]
    [InlineData("UPDATE kms_policies SET name = 'q'")]
    [InlineData("DELETE FROM kms_policies")]
    [InlineData("DELETE FROM kms_access")]
    public async Task Audit_names_a_row_that_was_altered_or_taken_away(string sql)
    {
        using var kms = await Store.CreateAsync();
        await kms.Access.PutPolicyAsync("p", Policy, Cancellation);
        await PrincipalAsync(kms, "app");
        await kms.Access.CreateGrantAsync("app", TestStore.KeyName, ["Wrap"], cancellationToken: Cancellation);
        Assert.True((await kms.Audit.VerifyAsync(cancellationToken: Cancellation)).IsIntact);

        await Store.ExecuteAsync(sql);

        if (sql == "DELETE FROM kms_access")
        {
            await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => kms.Audit.VerifyAsync(cancellationToken: Cancellation));
            return;
        }

        var report = await kms.Audit.VerifyAsync(cancellationToken: Cancellation);
        Assert.False(report.IsIntact);
        Assert.NotNull(report.Fault);
        Assert.Null(report.FirstBadSequence);
    }

    [Fact]
    public async Task Rewrapping_opens_no_key_that_its_caller_may_not_unwrap()
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("mine", Cancellation);
        var thief = await PrincipalAsync(kms, "thief");
        await kms.Access.PutPolicyAsync(
            "p",
            """
            {
              "statements": [
                { "effect": "allow", "principals": ["thief"], "operations": ["Rewrap"], "keys": ["*"] },
                { "effect": "allow", "principals": ["thief"], "operations": ["Wrap", "Unwrap"], "keys": ["mine"] }
              ]
            }
            """,
            Cancellation);
        var wrapped = await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);

        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => thief.RewrapAsync("mine", wrapped, TestKms.Context, Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => thief.RewrapAsync(TestStore.KeyName, wrapped, TestKms.Context, Cancellation));

        var events = await kms.Audit.QueryAsync(new LocalKmsAuditQuery { Principal = "thief" }, Cancellation);
        Assert.Equal([("Rewrap", "denied"), ("Rewrap", "denied")], events.Select(e => (e.Operation, e.Outcome)));
    }

    [Theory]
    [InlineData("Rewrap Unwrap", "Rewrap Wrap", true)]
    [InlineData("Unwrap", "Rewrap Wrap", false)]
    [InlineData("Rewrap Unwrap", "Wrap", false)]
    [InlineData("Rewrap Unwrap", "Rewrap Unwrap", false)]
    [InlineData("Rewrap Wrap", "Rewrap Wrap", false)]
    public async Task Rewrapping_needs_unwrap_on_the_former_key_and_wrap_on_the_new_one(string former, string next, bool allowed)
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("next", Cancellation);
        var mover = await PrincipalAsync(kms, "mover");
        await kms.Access.CreateGrantAsync("mover", TestStore.KeyName, former.Split(' '), cancellationToken: Cancellation);
        await kms.Access.CreateGrantAsync("mover", "next", next.Split(' '), cancellationToken: Cancellation);
        var key = TestKms.NewKey();
        var wrapped = await kms.WrapAsync(TestStore.KeyName, key, TestKms.Context, Cancellation);

        if (allowed)
            Assert.Equal(key, await kms.UnwrapAsync(await mover.RewrapAsync("next", wrapped, TestKms.Context, Cancellation), TestKms.Context, Cancellation));
        else
            await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => mover.RewrapAsync("next", wrapped, TestKms.Context, Cancellation));
    }

    [Fact]
    public async Task Context_of_a_denied_call_is_recorded_cut_and_marked()
    {
        using var kms = await Store.CreateAsync();
        var app = await PrincipalAsync(kms, "app");
        var context = new EncryptionContext(
            Enumerable.Range(0, 40).Select(i => new KeyValuePair<string, string>($"{i:00}{new string('n', 500)}", new string('v', 1000)))
                .Prepend(new("#scope", "clinic")));

        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => app.WrapAsync(TestStore.KeyName, TestKms.NewKey(), context, Cancellation));
        await TestKms.ThrowsAsync(
            KmsErrorKind.NotFound, () => kms.WrapAsync(new string('k', 200), TestKms.NewKey(), new EncryptionContext([new("kept", new('v', 300))]), Cancellation));

        var events = await kms.Audit.QueryAsync(new LocalKmsAuditQuery { PageSize = 1000 }, Cancellation);
        var denied = Assert.Single(events, e => e.Principal == "app");
        Assert.Equal(17, denied.Context.Pairs.Count);
        Assert.Equal("25 more", denied.Context.Pairs["…"]);
        Assert.Equal("clinic", denied.Context.Pairs["#scope"]);
        Assert.All(denied.Context.Pairs, pair => Assert.True(pair.Key.Length <= 200 && pair.Value.Length <= 200));
        Assert.Equal(15, denied.Context.Pairs.Count(pair => pair.Key.EndsWith('…') && pair.Value.EndsWith('…')));
        Assert.Equal(300, events[^1].Context.Pairs["kept"].Length);
        Assert.Equal(new string('k', 200), events[^1].KeyName);
        Assert.True((await kms.Audit.VerifyAsync(cancellationToken: Cancellation)).IsIntact);
    }

    protected static async Task<LocalKms> PrincipalAsync(LocalKms kms, string name)
        => kms.As(LocalKmsCredential.Parse(await kms.Access.CreatePrincipalAsync(name, Cancellation)));

    /// <summary>Revokes a grant in a store that has what <paramref name="trap" /> adds to it: refused, as is opening it and an audit of it.</summary>
    protected async Task RefusesTrapAsync(string trap)
    {
        using var kms = await Store.CreateAsync();
        await PrincipalAsync(kms, "app");
        var grant = await kms.Access.CreateGrantAsync("app", TestStore.KeyName, ["Wrap"], cancellationToken: Cancellation);

        await Store.ExecuteAsync(trap);

        var e = await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => kms.Access.RevokeGrantAsync(grant.GrantId, Cancellation));
        Assert.Contains("kms_grants", e.Message);
        using var other = Store.Open();
        Assert.Contains("kms_grants", (await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => other.OpenAsync(Cancellation))).Message);
        var report = await kms.Audit.VerifyAsync(cancellationToken: Cancellation);
        Assert.False(report.IsIntact);
        Assert.Contains("kms_grants", report.Fault);
    }
}

public sealed class SqliteHostileStoreTests() : HostileStoreTests(new SqliteTestStore())
{
    private const string Columns = "grant_id, principal, principal_id, key_name, operations, context, context_exactly, expires, created, mac";

    [Theory]
    [InlineData(
        $"CREATE TRIGGER undo AFTER DELETE ON kms_grants BEGIN INSERT INTO kms_grants ({Columns}) VALUES (OLD.grant_id, OLD.principal, OLD.principal_id, "
        + "OLD.key_name, OLD.operations, OLD.context, OLD.context_exactly, OLD.expires, OLD.created, OLD.mac); END")]
    [InlineData("CREATE TRIGGER undo BEFORE DELETE ON kms_grants BEGIN SELECT RAISE(IGNORE); END")]
    public Task Trigger_that_would_undo_a_revocation_is_refused(string sql) => RefusesTrapAsync(sql);

    [Theory]
    [InlineData("INSERT INTO kms_principals VALUES ('evil', 'x', x'00', NULL, NULL, 0, '2024-01-01 00:00:00+00:00', 1, x'00')")]
    [InlineData("INSERT INTO kms_grants SELECT 'g', name, principal_id, 'clinic', '[]', '{}', 0, NULL, '2024-01-01 00:00:00+00:00', x'00' FROM kms_principals")]
    [InlineData("UPDATE kms_aliases SET mac = x'00'")]
    [InlineData("UPDATE kms_keys SET created = 'abc' WHERE name = 'second'")]
    public async Task Row_that_was_altered_keeps_nobody_from_enforcing_access(string sql)
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("second", Cancellation);
        await kms.SetAliasAsync("alias/a", TestStore.KeyName, Cancellation);
        await PrincipalAsync(kms, "app");
        await Store.ExecuteAsync(sql);

        await kms.Access.EnforceAsync(Cancellation);

        Assert.True(await kms.Access.IsEnforcedAsync(Cancellation));
        await Assert.ThrowsAsync<KmsException>(() => kms.Access.ListKeysWithoutAdministratorAsync(Cancellation));
    }

    [Fact]
    public async Task Primary_version_that_was_altered_leaves_the_others_usable()
    {
        using var kms = await Store.CreateAsync();
        var key = TestKms.NewKey();
        var wrapped = await kms.WrapAsync(TestStore.KeyName, key, TestKms.Context, Cancellation);
        await kms.RotateKeyAsync(TestStore.KeyName, Cancellation);
        await Store.ExecuteAsync("UPDATE kms_key_versions SET created = 'abc' WHERE version = 2");

        Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
    }

    [Fact]
    public async Task View_in_the_place_of_a_table_is_refused()
    {
        using var kms = await Store.CreateAsync();
        await Store.ExecuteAsync("ALTER TABLE kms_grants RENAME TO kept; CREATE VIEW kms_grants AS SELECT * FROM kept");

        using var other = Store.Open();
        Assert.Contains("kms_grants", (await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => other.OpenAsync(Cancellation))).Message);
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => kms.Access.EnforceAsync(Cancellation));
    }

    [Fact]
    public async Task Change_that_the_store_does_not_keep_is_not_reported_as_done()
    {
        using var kms = await Store.CreateAsync();
        await PrincipalAsync(kms, "app");
        var sql = (string)(await Store.ExecuteAsync("SELECT sql FROM sqlite_master WHERE name = 'kms_grants'"))!;
        await Store.ExecuteAsync("DROP TABLE kms_grants");
        await Store.ExecuteAsync(sql[..sql.LastIndexOf(')')] + ", UNIQUE (principal) ON CONFLICT IGNORE)");
        await kms.Access.CreateGrantAsync("app", TestStore.KeyName, ["Wrap"], cancellationToken: Cancellation);

        var e = await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => kms.Access.CreateGrantAsync("app", TestStore.KeyName, ["Unwrap"], cancellationToken: Cancellation));

        Assert.Contains("'kms_grants'", e.Message);
        Assert.Contains("undone by the database", e.Message);
        Assert.Equal(1L, await Store.ExecuteAsync("SELECT count(*) FROM kms_grants"));
        Assert.Equal("failed", (await kms.Audit.QueryAsync(new LocalKmsAuditQuery { PageSize = 1000 }, Cancellation))[^1].Outcome);
    }
}

public sealed class PostgresHostileStoreTests() : HostileStoreTests(new PostgresTestStore())
{
    [Theory]
    [InlineData("CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
        + "CREATE TRIGGER undo BEFORE DELETE ON kms_grants FOR EACH ROW EXECUTE FUNCTION undo()")]
    [InlineData("CREATE RULE undo AS ON DELETE TO kms_grants DO INSTEAD NOTHING")]
    [InlineData("ALTER TABLE kms_grants ENABLE ROW LEVEL SECURITY")]
    [InlineData("ALTER TABLE kms_grants RENAME TO kept; CREATE VIEW kms_grants AS SELECT * FROM kept")]
    [InlineData("CREATE TABLE kept () INHERITS (kms_grants)")]
    public Task Trigger_rule_or_view_that_would_undo_a_revocation_is_refused(string sql) => RefusesTrapAsync(sql);

    [Fact]
    public async Task Trigger_on_a_table_of_another_application_is_not_the_concern_of_the_kms()
    {
        using var kms = await Store.CreateAsync();
        await Store.ExecuteAsync(
            "CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
            + "CREATE TRIGGER undo BEFORE DELETE ON kms_notes FOR EACH ROW EXECUTE FUNCTION undo()");

        await kms.DisableKeyAsync(TestStore.KeyName, Cancellation);
        using var other = Store.Open();
        await other.OpenAsync(Cancellation);
    }
}

public sealed class SqlServerHostileStoreTests
{
    [Fact]
    public void Triggers_views_synonyms_and_row_policies_are_asked_for()
    {
        var sql = StoreDialect.Of("Microsoft.EntityFrameworkCore.SqlServer")!.TrapsSql(["kms_grants", "kms_keys"]);

        new TSql160Parser(initialQuotedIdentifiers: true).Parse(new StringReader(sql), out var errors);
        Assert.Empty(errors);
        Assert.Contains("o.name IN (N'kms_grants', N'kms_keys')", sql);
        foreach (var part in new[] { "o.type <> 'U'", "'HasAfterTrigger'", "'HasInsteadOfTrigger'", "sys.security_predicates" })
            Assert.Contains(part, sql);
    }
}
