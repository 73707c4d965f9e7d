using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Local;

/// <summary>What a hand with little, or with nothing but the store, tries.</summary>
public abstract class AttackTests(TestStore store) : StoreTests(store)
{
    // The tilde stands for half of a surrogate pair, which no attribute can hold.
    private const string Broken = "half ~ of a pair";
    private const string Zero = "a\0b";

    [Fact]
    public async Task Alias_is_not_taken_from_a_key_by_who_may_not_set_its_aliases()
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("mine", Cancellation);
        await kms.SetAliasAsync("alias/prod", TestStore.KeyName, Cancellation);
        var thief = kms.As(LocalKmsCredential.Parse(await kms.Access.CreatePrincipalAsync("thief", Cancellation)));
        await kms.Access.CreateGrantAsync("thief", "mine", ["SetAlias"], cancellationToken: Cancellation);
        await thief.SetAliasAsync("alias/own", "mine", Cancellation);

        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => thief.SetAliasAsync("alias/prod", "mine", Cancellation));

        Assert.Contains("alias/prod", (await kms.DescribeKeyAsync(TestStore.KeyName, Cancellation)).Aliases);
        var events = await kms.Audit.QueryAsync(new LocalKmsAuditQuery { Principal = "thief" }, Cancellation);
        Assert.Equal(["ok", "denied"], events.Select(e => e.Outcome));
    }

    [Fact]
    public async Task Alias_is_moved_by_who_may_set_the_aliases_of_both_keys()
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("mine", Cancellation);
        await kms.SetAliasAsync("alias/prod", TestStore.KeyName, Cancellation);
        var mover = kms.As(LocalKmsCredential.Parse(await kms.Access.CreatePrincipalAsync("mover", Cancellation)));
        await kms.Access.CreateGrantAsync("mover", "mine", ["SetAlias"], cancellationToken: Cancellation);
        await kms.Access.CreateGrantAsync("mover", TestStore.KeyName, ["SetAlias"], cancellationToken: Cancellation);

        Assert.Contains("alias/prod", (await mover.SetAliasAsync("alias/prod", "mine", Cancellation)).Aliases);
    }

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(7)]
    public async Task Version_that_is_forged_does_not_choose_the_number_of_the_next_one(int forged)
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var kms = await Store.CreateAsync(time);
        await kms.SetKeyRotationAsync(TestStore.KeyName, TimeSpan.FromDays(1), Cancellation);
        await Store.ExecuteAsync(
            "INSERT INTO kms_key_versions (key_id, version, state, sealed_material, created, mac) "
            + $"SELECT key_id, {forged}, state, sealed_material, created, mac FROM kms_key_versions");
        time.Advance(TimeSpan.FromDays(2));
        var key = TestKms.NewKey();

        var wrapped = await kms.WrapAsync(TestStore.KeyName, key, TestKms.Context, Cancellation);

        Assert.Equal("2", wrapped.KekVersion);
        Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
    }

    [Theory]
    [InlineData(Broken)]
    [InlineData(Zero)]
    [InlineData("")]
    [InlineData("id:" + Zero)]
    [InlineData("id:" + Broken)]
    [InlineData("alias/" + Zero)]
    [InlineData("clinic ")]
    [InlineData("CLINIC")]
    public async Task Name_that_no_key_can_have_is_not_found(string name)
    {
        name = name.Replace('~', '\ud800');
        using var kms = await Store.CreateAsync();

        foreach (var call in new Func<Task>[]
        {
            () => kms.DescribeKeyAsync(name, Cancellation),
            () => kms.SignAsync(name, new byte[1], Cancellation),
            () => kms.RotateKeyAsync(name, Cancellation),
            () => kms.DisableKeyAsync(name, Cancellation),
            () => kms.TagKeyAsync(name, "a", "b", Cancellation),
            () => kms.ScheduleKeyDeletionAsync(name, 7, Cancellation),
            () => kms.VerifyAsync(new byte[1], new LocalKmsSignature(name, 1, new byte[1]), Cancellation),
            () => kms.Access.CreateGrantAsync("root2", name, ["Wrap"], cancellationToken: Cancellation),
        })
        {
            await TestKms.ThrowsAsync(KmsErrorKind.NotFound, call);
        }

        Assert.True((await kms.Audit.VerifyAsync(cancellationToken: Cancellation)).IsIntact);
    }

    [Theory]
    [InlineData(Broken)]
    [InlineData(Zero)]
    public async Task Text_that_a_store_cannot_keep_is_refused_as_what_it_is(string text)
    {
        text = text.Replace('~', '\ud800');
        using var kms = await Store.CreateAsync();
        await Assert.ThrowsAsync<ArgumentException>(() => kms.TagKeyAsync(TestStore.KeyName, text, "a", Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => kms.TagKeyAsync(TestStore.KeyName, "a", text, Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => kms.SetKeyDescriptionAsync(TestStore.KeyName, text, Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(
            () => kms.CreateKeyAsync("new", new LocalKmsKeyOptions { Description = text }, Cancellation));
        foreach (var call in new Func<Task>[]
        {
            () => kms.Access.RevokeGrantAsync(text, Cancellation),
            () => kms.Access.DeletePolicyAsync(text, Cancellation),
            () => kms.RemoveSealAsync(text, Cancellation),
            () => kms.ImportKeyAsync("new", new LocalKmsKeyOptions(), text, new byte[512], Cancellation),
        })
        {
            Assert.True((await Assert.ThrowsAsync<KmsException>(call)).Kind is KmsErrorKind.NotFound or KmsErrorKind.InvalidRequest);
        }

        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidRequest,
            () => kms.ListKeysAsync(1, Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(text)), Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => kms.Access.PutPolicyAsync(
            "p",
            $$"""{"statements":[{"effect":"allow","principals":["a"],"operations":["Wrap"],"keys":["{{text}}"]}]}""",
            Cancellation));
        Assert.True((await kms.Audit.VerifyAsync(cancellationToken: Cancellation)).IsIntact);
    }

    [Fact]
    public async Task Times_beyond_the_calendar_are_refused_and_damage_nothing()
    {
        using var kms = await Store.CreateAsync();
        await kms.Access.CreatePrincipalAsync("app", Cancellation);

        await Assert.ThrowsAnyAsync<ArgumentException>(() => kms.Access.RotateCredentialAsync("app", TimeSpan.MaxValue, Cancellation));
        await kms.Access.CreateGrantAsync("app", TestStore.KeyName, ["Wrap"], expires: DateTimeOffset.MaxValue, cancellationToken: Cancellation);
        Assert.Single(await kms.Access.ListGrantsAsync(Cancellation));
        await kms.Audit.QueryAsync(new LocalKmsAuditQuery { From = DateTimeOffset.MinValue, To = DateTimeOffset.MaxValue }, Cancellation);
    }

    [Fact]
    public async Task View_of_a_principal_gives_no_view_of_root()
    {
        using var kms = await Store.CreateAsync();
        var app = kms.As(LocalKmsCredential.Parse(await kms.Access.CreatePrincipalAsync("app", Cancellation)));

        await TestKms.ThrowsAsync(KmsErrorKind.AccessDenied, () => app.As(null, "request 1").ListKeysAsync(Cancellation));

        Assert.Single(await kms.As(null).ListKeysAsync(Cancellation));
    }

    [Fact]
    public async Task Context_of_many_megabytes_fills_no_trail()
    {
        using var kms = await Store.CreateAsync();
        var huge = new EncryptionContext([new("a", new string('a', 5_000_000))]);

        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), huge, Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => kms.EncryptAsync(TestStore.KeyName, new byte[1], huge, Cancellation));
    }

    [Fact]
    public async Task Export_that_is_cancelled_on_the_way_is_recorded()
    {
        using var kms = await Store.CreateAsync();
        using var cancelled = new CancellationTokenSource();
        using var target = new CancellingWriter(cancelled);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => kms.Audit.ExportAsync(target, cancellationToken: cancelled.Token));

        Assert.Contains(await kms.Audit.QueryAsync(new LocalKmsAuditQuery(), Cancellation), e => e.Detail == "export");
    }

    [Fact]
    public async Task Calls_that_are_cancelled_at_any_point_leave_a_whole_trail()
    {
        using var kms = await Store.CreateAsync();
        await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Task.Run(async () =>
        {
            using var cancelled = new CancellationTokenSource(TimeSpan.FromMilliseconds(i));
            try
            {
                await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, cancelled.Token);
                await kms.SetKeyDescriptionAsync(TestStore.KeyName, $"{i}", cancelled.Token);
                await kms.RotateKeyAsync(TestStore.KeyName, cancelled.Token);
            }
            catch (OperationCanceledException)
            {
            }
        })));

        Assert.True((await kms.Audit.VerifyAsync(cancellationToken: Cancellation)).IsIntact);
        var key = await kms.DescribeKeyAsync(TestStore.KeyName, Cancellation);
        Assert.Equal(key.Versions.Count, key.PrimaryVersion);
        var wrapped = await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);
        await kms.UnwrapAsync(wrapped, TestKms.Context, Cancellation);
    }

    [Fact]
    public async Task Private_key_that_does_not_belong_to_its_public_key_is_not_imported()
    {
        using var kms = await Store.CreateAsync();
        using var mine = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var mixed = mine.ExportPkcs8PrivateKey();
        var (point, foreign) = (mine.ExportSubjectPublicKeyInfo()[^64..], other.ExportSubjectPublicKeyInfo()[^64..]);
        foreign.CopyTo(mixed, mixed.AsSpan().IndexOf(point));
        var parameters = await kms.GetImportParametersAsync(3072, Cancellation);
        using var rsa = RSA.Create();
        rsa.ImportSubjectPublicKeyInfo(parameters.WrappingKey.Span, out _);
        using var aes = Aes.Create();
        byte[] wrapped = [.. rsa.Encrypt(aes.Key, RSAEncryptionPadding.OaepSHA256), .. aes.EncryptKeyWrapPadded(mixed)];

        await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => kms.ImportKeyAsync(
            "mixed", new LocalKmsKeyOptions { Algorithm = LocalKmsKeyAlgorithm.EcdsaP256 }, parameters.Token, wrapped, Cancellation));
    }

    [Fact]
    public async Task Stream_without_end_that_is_no_backup_is_refused()
    {
        using var kms = Store.Open();
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => kms.RestoreAsync(new Endless(), "passphrase", Cancellation));
    }

    [Fact]
    public async Task Of_two_restores_at_once_one_fills_the_store()
    {
        using var origin = new TestKms();
        using var backup = new MemoryStream();
        using (var kms = await origin.CreateAsync())
            await kms.BackupAsync(backup, "passphrase", Cancellation);
        using var first = Store.Open();
        using var second = Store.Open();

        var done = await Task.WhenAll(new[] { first, second }.Select(kms => Task.Run(async () =>
        {
            try
            {
                await kms.RestoreAsync(new MemoryStream(backup.ToArray()), "passphrase", Cancellation);
                return true;
            }
            catch (KmsException e) when (e.Kind == KmsErrorKind.InvalidRequest)
            {
                return false;
            }
        })));

        Assert.Single(done, d => d);
        Assert.Single(await first.ListKeysAsync(Cancellation));
        Assert.True((await second.Audit.VerifyAsync(cancellationToken: Cancellation)).IsIntact);
        Assert.Equal(1L, Convert.ToInt64(await Store.ExecuteAsync("SELECT count(*) FROM kms_seals")));
    }

    private sealed class Endless : MemoryStream
    {
        public override bool CanSeek => false;

        public override int Read(Span<byte> buffer) => buffer.Length;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(buffer.Length);

        public override Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
            => throw new InvalidOperationException("It has no end.");
    }

    private sealed class CancellingWriter(CancellationTokenSource source) : StringWriter
    {
        public override async Task WriteLineAsync(ReadOnlyMemory<char> buffer, CancellationToken cancellationToken = default)
        {
            await base.WriteLineAsync(buffer, CancellationToken.None);
            await source.CancelAsync();
            cancellationToken.ThrowIfCancellationRequested();
        }
    }
}

public sealed class SqliteAttackTests() : AttackTests(new SqliteTestStore());

public sealed class PostgresAttackTests() : AttackTests(new PostgresTestStore())
{
    [Fact]
    public async Task Head_that_another_session_holds_makes_callers_fail_in_time_and_loses_nothing()
    {
        using var kms = await Store.CreateAsync();
        using var impatient = new LocalKms(store => store.UseNpgsql(Store.Address + ";Command Timeout=5"), TestKms.QuickSeal());
        await impatient.OpenAsync(Cancellation);
        await using (var stuck = Store.Connect())
        {
            await stuck.OpenAsync(Cancellation);
            await using var transaction = await stuck.BeginTransactionAsync(Cancellation);
            await using var command = stuck.CreateCommand();
            command.CommandText = "UPDATE kms_audit_head SET id = id";
            await command.ExecuteNonQueryAsync(Cancellation);

            var calls = Enumerable.Range(0, 8).Select(_ => TestKms.ThrowsAsync(
                KmsErrorKind.Unavailable, () => impatient.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation)));
            await Task.WhenAll(calls);
            await TestKms.ThrowsAsync(KmsErrorKind.Unavailable, () => impatient.RotateKeyAsync(TestStore.KeyName, Cancellation));
        }

        await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);
        Assert.Equal(1, (await kms.DescribeKeyAsync(TestStore.KeyName, Cancellation)).PrimaryVersion);
        Assert.True((await kms.Audit.VerifyAsync(cancellationToken: Cancellation)).IsIntact);
    }
}
