using EfEnvelope.Kms.Local.Audit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>Principals, policies and grants over a real store; one small class per server.</summary>
public abstract class AccessTests : IAsyncLifetime
{
    private TamperStore _store = null!;

    private protected TamperStore Store => _store;

    public async ValueTask InitializeAsync() => _store = await CreateStoreAsync();

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_store is not null)
            await _store.DisposeAsync();
    }

    [Fact]
    public async Task Principal_with_only_wrap_cannot_unwrap()
    {
        using var kms = await _store.CreateAsync();
        var wrapper = kms.As(await PrincipalAsync(kms, "wrapper"));
        await kms.Access.PutPolicyAsync("wrapping", Policy("allow", "wrapper", "Wrap", TestKms.KeyName), TestKms.Cancellation);

        var wrapped = await wrapper.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);

        var denied = await TestKms.ThrowsAsync(
            KmsErrorKind.AccessDenied, () => wrapper.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        Assert.Contains("'wrapper'", denied.Message);
        Assert.Contains("'Unwrap'", denied.Message);
        Assert.Contains("'clinic'", denied.Message);
        Assert.DoesNotContain("wrapping", denied.Message);
    }

    [Fact]
    public async Task Revoked_grant_stops_at_the_next_operation_of_another_instance()
    {
        using var kms = await _store.CreateAsync();
        using var elsewhere = _store.Open();
        var app = elsewhere.As(await PrincipalAsync(kms, "app"));
        var grant = await kms.Access.CreateGrantAsync("app", TestKms.KeyName, ["Wrap", "Unwrap"], cancellationToken: TestKms.Cancellation);
        var wrapped = await app.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        await app.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation);

        await kms.Access.RevokeGrantAsync(grant.GrantId, TestKms.Cancellation);

        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => app.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        Assert.Empty(await kms.Access.ListGrantsAsync(TestKms.Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.Access.RevokeGrantAsync(grant.GrantId, TestKms.Cancellation));
    }

    [Fact]
    public async Task Changed_policy_and_disabled_principal_stop_another_instance_at_once()
    {
        using var kms = await _store.CreateAsync();
        using var elsewhere = _store.Open();
        var app = elsewhere.As(await PrincipalAsync(kms, "app"));
        await kms.Access.PutPolicyAsync("app", Policy("allow", "app", "*", "*"), TestKms.Cancellation);
        var wrapped = await app.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);

        await kms.Access.PutPolicyAsync("app", Policy("allow", "app", "Wrap", "*"), TestKms.Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => app.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        await kms.Access.PutPolicyAsync("app", Policy("allow", "app", "*", "*"), TestKms.Cancellation);
        await app.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation);
        await kms.Access.DisablePrincipalAsync("app", TestKms.Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => app.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        await kms.Access.EnablePrincipalAsync("app", TestKms.Cancellation);
        await app.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation);
        await kms.Access.DeletePolicyAsync("app", TestKms.Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => app.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Unknown_name_and_wrong_secret_are_told_in_the_same_words()
    {
        using var kms = await _store.CreateAsync();
        var good = await kms.Access.CreatePrincipalAsync("app", TestKms.Cancellation);
        var wrong = good[..(good.IndexOf('.') + 1)] + LocalKmsCredential.Create("x").Reveal().Split('.')[1];
        var unknown = LocalKmsCredential.Create("nobody");

        var ofSecret = await TestKms.ThrowsAsync(
            KmsErrorKind.Unauthenticated, () => kms.As(LocalKmsCredential.Parse(wrong)).ListKeysAsync(TestKms.Cancellation));
        var ofName = await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => kms.As(unknown).ListKeysAsync(TestKms.Cancellation));
        var asRoot = await TestKms.ThrowsAsync(
            KmsErrorKind.Unauthenticated, () => kms.As(LocalKmsCredential.Create("root")).ListKeysAsync(TestKms.Cancellation));

        Assert.Equal(ofSecret.Message, ofName.Message.Replace("nobody", "app"));
        Assert.Equal(ofSecret.Message, asRoot.Message.Replace("root", "app"));
    }

    [Fact]
    public async Task Rotated_credential_leaves_the_former_one_valid_until_the_overlap_ends()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        using var kms = await _store.CreateAsync(time);
        await kms.Access.PutPolicyAsync("all", Policy("allow", "*", "*", "*"), TestKms.Cancellation);
        var first = kms.As(await PrincipalAsync(kms, "app"));

        var second = kms.As(LocalKmsCredential.Parse(await kms.Access.RotateCredentialAsync("app", TimeSpan.FromHours(1), TestKms.Cancellation)));
        await first.ListKeysAsync(TestKms.Cancellation);
        await second.ListKeysAsync(TestKms.Cancellation);
        Assert.Equal(time.Start + TimeSpan.FromHours(1), (await kms.Access.ListPrincipalsAsync(TestKms.Cancellation))[0].FormerCredentialValidUntil);

        time.Advance(TimeSpan.FromHours(1));
        await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => first.ListKeysAsync(TestKms.Cancellation));
        await second.ListKeysAsync(TestKms.Cancellation);

        await kms.Access.RotateCredentialAsync("app", TimeSpan.Zero, TestKms.Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => second.ListKeysAsync(TestKms.Cancellation));
    }

    [Fact]
    public async Task Namesake_of_a_deleted_principal_inherits_no_grant()
    {
        using var kms = await _store.CreateAsync();
        var former = kms.As(await PrincipalAsync(kms, "app"));
        await kms.Access.CreateGrantAsync("app", TestKms.KeyName, ["*"], cancellationToken: TestKms.Cancellation);
        await former.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        await using var db = _store.Place.CreateContext();
        var kept = await db.Set<GrantRow>().AsNoTracking().SingleAsync(TestKms.Cancellation);

        await kms.Access.DeletePrincipalAsync("app", TestKms.Cancellation);
        var namesake = kms.As(await PrincipalAsync(kms, "app"));
        await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => former.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => namesake.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation));

        // Put back by a hand that kept it, it is for the one who is gone.
        db.Add(kept);
        await db.SaveChangesAsync(TestKms.Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => namesake.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation));
    }

    [Fact]
    public async Task Expired_grant_allows_nothing()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        using var kms = await _store.CreateAsync(time);
        var app = kms.As(await PrincipalAsync(kms, "app"));
        await kms.Access.CreateGrantAsync(
            "app", TestKms.KeyName, ["Wrap"], expires: time.Start.AddMinutes(1), cancellationToken: TestKms.Cancellation);
        await app.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);

        time.Advance(TimeSpan.FromMinutes(1));

        await TestKms.ThrowsAsync(
            KmsErrorKind.AccessDenied, () => app.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Holder_of_the_seal_uses_no_key_while_access_is_enforced()
    {
        using var kms = await _store.CreateAsync();
        var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        await kms.Access.EnforceAsync(TestKms.Cancellation);
        using var elsewhere = _store.Open();

        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => elsewhere.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => elsewhere.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation));
        Assert.True(await elsewhere.Access.IsEnforcedAsync(TestKms.Cancellation));
        Assert.True((await elsewhere.Audit.VerifyAsync(cancellationToken: TestKms.Cancellation)).IsIntact);

        await elsewhere.Access.StopEnforcingAsync(TestKms.Cancellation);
        await kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation);
    }

    [Fact]
    public async Task Keys_that_nobody_could_rotate_are_named_before_access_is_enforced()
    {
        using var kms = await _store.CreateAsync();
        foreach (var name in (string[])["by-root", "by-policy", "by-alias", "by-grant", "denied", "half", "disabled", "deleted"])
            await kms.CreateKeyAsync(name, TestKms.Cancellation);
        await kms.SetAliasAsync("alias/other", "by-alias", TestKms.Cancellation);
        await kms.ScheduleKeyDeletionAsync("deleted", 7, TestKms.Cancellation);
        foreach (var name in (string[])["admin", "holder", "gone"])
            await kms.Access.CreatePrincipalAsync(name, TestKms.Cancellation);
        async Task AllowAsync(string principal, string operation, string key)
            => await kms.Access.PutPolicyAsync($"{principal}-{operation}-{key.Replace('/', '-')}".ToLowerInvariant(), Policy("allow", principal, operation, key), TestKms.Cancellation);
        foreach (var operation in (string[])["DescribeKey", "RotateKey"])
        {
            await AllowAsync("root", operation, "by-root");
            await AllowAsync("admin", operation, "by-policy");
            await AllowAsync("admin", operation, "alias/other");
            await AllowAsync("admin", operation, "denied");
            await AllowAsync("gone", operation, "disabled");
        }

        await AllowAsync("admin", "RotateKey", "half");
        await kms.Access.PutPolicyAsync("deny", Policy("deny", "*", "RotateKey", "denied"), TestKms.Cancellation);
        await kms.Access.CreateGrantAsync("holder", "by-grant", ["DescribeKey", "RotateKey"], cancellationToken: TestKms.Cancellation);
        await kms.Access.DisablePrincipalAsync("gone", TestKms.Cancellation);

        Assert.Equal(
            [TestKms.KeyName, "deleted", "denied", "disabled", "half"],
            await kms.Access.ListKeysWithoutAdministratorAsync(TestKms.Cancellation));

        // The same code decides afterwards.
        await kms.Access.EnforceAsync(TestKms.Cancellation);
        await kms.RotateKeyAsync("by-root", TestKms.Cancellation);
        foreach (var name in (string[])["clinic", "by-policy", "denied"])
            await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => kms.RotateKeyAsync(name, TestKms.Cancellation));
        Assert.False((await kms.Access.SimulateAsync("admin", LocalKmsOperation.RotateKey, "denied", cancellationToken: TestKms.Cancellation)).Allowed);
        Assert.True((await kms.Access.SimulateAsync("admin", LocalKmsOperation.RotateKey, "by-alias", cancellationToken: TestKms.Cancellation)).Allowed);
    }

    [Fact]
    public async Task Rows_that_were_forged_in_the_store_are_refused()
    {
        using var kms = await _store.CreateAsync();
        var credential = await PrincipalAsync(kms, "app");
        var app = kms.As(credential);
        await kms.Access.PutPolicyAsync("app", Policy("allow", "app", "Wrap", TestKms.KeyName), TestKms.Cancellation);
        await kms.Access.PutPolicyAsync("never", Policy("deny", "app", "Unwrap", "*"), TestKms.Cancellation);
        await kms.Access.CreateGrantAsync("app", TestKms.KeyName, ["DescribeKey"], cancellationToken: TestKms.Cancellation);
        await WrapAsync();
        await using var db = _store.Place.CreateContext();
        var policies = await db.Set<PolicyRow>().AsNoTracking().ToListAsync(TestKms.Cancellation);
        var all = Policy("allow", "app", "*", "*");

        await RefusedAsync("UPDATE kms_policies SET document = {0} WHERE name = 'app'", all);
        await RefusedAsync("DELETE FROM kms_policies WHERE name = 'never'");
        await RefusedAsync("INSERT INTO kms_policies SELECT 'more', document, changed, mac FROM kms_policies WHERE name = 'app'");
        await RefusedAsync("UPDATE kms_grants SET operations = {0}", "[\"*\"]");
        await RefusedAsync("UPDATE kms_grants SET key_name = {0}", "billing");
        await RefusedAsync("UPDATE kms_principals SET disabled = {0}", true);
        await RefusedAsync("UPDATE kms_principals SET credential_hash = {0}", new byte[32]);
        await RefusedAsync("UPDATE kms_access SET enforced = {0}", true);
        await RefusedAsync("DELETE FROM kms_access");

        Task WrapAsync() => app.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);

        async Task RefusedAsync(string sql, params object?[] parameters)
        {
            await using var before = _store.Place.CreateContext();
            var (state, principals, grants) = (await before.Set<AccessStateRow>().AsNoTracking().ToListAsync(TestKms.Cancellation),
                await before.Set<PrincipalRow>().AsNoTracking().ToListAsync(TestKms.Cancellation),
                await before.Set<GrantRow>().AsNoTracking().ToListAsync(TestKms.Cancellation));
            Assert.Equal(1, await _store.ExecuteAsync(sql, parameters));

            var exception = await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, WrapAsync);
            Assert.Contains("altered", exception.Message);

            await before.Set<PolicyRow>().ExecuteDeleteAsync(TestKms.Cancellation);
            await before.Set<GrantRow>().ExecuteDeleteAsync(TestKms.Cancellation);
            await before.Set<PrincipalRow>().ExecuteDeleteAsync(TestKms.Cancellation);
            await before.Set<AccessStateRow>().ExecuteDeleteAsync(TestKms.Cancellation);
            before.AddRange([.. policies, .. grants, .. principals, .. state]);
            await before.SaveChangesAsync(TestKms.Cancellation);
            await WrapAsync();
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("efk_")]
    [InlineData("efk_.")]
    [InlineData("efk_app")]
    [InlineData("efk_app.")]
    [InlineData("efk_app.short")]
    [InlineData("efk_app.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!")]
    [InlineData("efk_app.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("efk_app.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+")]
    [InlineData("efk_app.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ")]
    [InlineData("efk_app.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAä")]
    [InlineData("efk_app.AAAA AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")]
    [InlineData("efk_a b.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public void Text_that_is_not_a_credential_is_refused_in_the_words_of_the_kms(string text)
    {
        var e = Assert.Throws<ArgumentException>(() => LocalKmsCredential.Parse(text));

        Assert.StartsWith(LocalKmsAccessMessages.MalformedCredential(), e.Message);
        Assert.Null(e.InnerException);
    }

    [Fact]
    public async Task Credential_stands_in_the_store_as_a_keyed_hash_and_prints_nowhere()
    {
        using var kms = await _store.CreateAsync();
        var text = await kms.Access.CreatePrincipalAsync("app", TestKms.Cancellation);
        var credential = LocalKmsCredential.Parse(text);

        Assert.Matches("^efk_app\\.[A-Za-z0-9_-]{43}$", text);
        Assert.Equal("LocalKmsCredential(app)", credential.ToString());
        await using var db = _store.Place.CreateContext();
        var row = await db.Set<PrincipalRow>().SingleAsync(TestKms.Cancellation);
        Assert.Equal(32, row.CredentialHash.Length);
        Assert.NotEqual(System.Security.Cryptography.SHA256.HashData(credential.Secret), row.CredentialHash);
        Assert.NotEqual(credential.Secret.ToArray(), row.CredentialHash);
        var events = await db.Set<AuditEventRow>().ToListAsync(TestKms.Cancellation);
        Assert.All(events, e => Assert.DoesNotContain(text.Split('.')[1], $"{e.Detail} {e.Rule} {e.Context}"));
    }

    [Fact]
    public async Task Rule_for_an_alias_holds_for_the_key_by_any_of_its_names()
    {
        using var kms = await _store.CreateAsync();
        await kms.SetAliasAsync("alias/front", TestKms.KeyName, TestKms.Cancellation);
        var app = kms.As(await PrincipalAsync(kms, "app"));
        await kms.Access.PutPolicyAsync("app", Policy("allow", "app", "DescribeKey", "alias/fr*"), TestKms.Cancellation);

        await app.DescribeKeyAsync("alias/front", TestKms.Cancellation);
        await app.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        await kms.Access.PutPolicyAsync("no", Policy("deny", "app", "DescribeKey", TestKms.KeyName), TestKms.Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => app.DescribeKeyAsync("alias/front", TestKms.Cancellation));
    }

    [Fact]
    public async Task Restored_backup_has_the_same_principals_rules_and_trail()
    {
        using var kms = await _store.CreateAsync();
        var credential = await PrincipalAsync(kms, "app");
        await kms.Access.PutPolicyAsync("app", Policy("allow", "app", "Wrap", "*"), TestKms.Cancellation);
        await kms.Access.CreateGrantAsync("app", TestKms.KeyName, ["DescribeKey"], cancellationToken: TestKms.Cancellation);
        await kms.Access.EnforceAsync(TestKms.Cancellation);
        var checkpoint = await kms.Audit.CheckpointAsync(TestKms.Cancellation);
        using var backup = new MemoryStream();
        await kms.BackupAsync(backup, TestKms.Passphrase, TestKms.Cancellation);
        backup.Position = 0;

        await using var elsewhere = new SqliteTamperStore();
        using var restored = elsewhere.Open();
        await restored.RestoreAsync(backup, TestKms.Passphrase, TestKms.Cancellation);

        var app = restored.As(credential);
        await app.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        await app.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => app.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => restored.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation));
        var report = await restored.Audit.VerifyAsync(checkpoint, TestKms.Cancellation);
        Assert.True(report.IsIntact, report.Fault);
    }

    [Fact]
    public async Task Root_cannot_be_made_nor_a_principal_twice()
    {
        using var kms = await _store.CreateAsync();
        await kms.Access.CreatePrincipalAsync("app", TestKms.Cancellation);

        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => kms.Access.CreatePrincipalAsync("app", TestKms.Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => kms.Access.CreatePrincipalAsync("root", TestKms.Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => kms.Access.CreatePrincipalAsync("a.b", TestKms.Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.Access.DisablePrincipalAsync("absent", TestKms.Cancellation));
        Assert.Equal(["app"], (await kms.Access.ListPrincipalsAsync(TestKms.Cancellation)).Select(p => p.Name));
    }

    internal static string Policy(string effect, string principal, string operation, string key) =>
        $$"""{"statements":[{"effect":"{{effect}}","principals":["{{principal}}"],"operations":["{{operation}}"],"keys":["{{key}}"]}]}""";

    internal static async Task<LocalKmsCredential> PrincipalAsync(LocalKms kms, string name)
        => LocalKmsCredential.Parse(await kms.Access.CreatePrincipalAsync(name, TestKms.Cancellation));

    private protected abstract Task<TamperStore> CreateStoreAsync();
}

public sealed class SqliteAccessTests : AccessTests
{
    private protected override Task<TamperStore> CreateStoreAsync() => Task.FromResult<TamperStore>(new SqliteTamperStore());
}

public sealed class PostgresAccessTests : AccessTests
{
    private protected override async Task<TamperStore> CreateStoreAsync() => await PostgresTamperStore.NewAsync();
}
