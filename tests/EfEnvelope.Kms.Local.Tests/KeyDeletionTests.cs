using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Local;

public abstract class KeyDeletionTests(TestStore store) : StoreTests(store)
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-03-01T10:00:00.1234567Z"));

    [Fact]
    public async Task Key_that_awaits_deletion_does_nothing_until_it_is_cancelled_and_enabled()
    {
        using var kms = await Store.CreateAsync(_time);
        var key = TestKms.NewKey();
        var wrapped = await kms.WrapAsync(TestStore.KeyName, key, TestKms.Context, Cancellation);

        var scheduled = await kms.ScheduleKeyDeletionAsync(TestStore.KeyName, 7, Cancellation);
        Assert.Equal(LocalKmsKeyState.PendingDeletion, scheduled.State);
        Assert.Equal(DateTimeOffset.Parse("2026-03-08T10:00:00.123Z"), scheduled.DeletionAt);
        foreach (var use in Uses(kms, wrapped))
            await TestKms.ThrowsAsync(KmsErrorKind.PendingDeletion, use);

        var cancelled = await kms.CancelKeyDeletionAsync(TestStore.KeyName, Cancellation);
        Assert.Equal((LocalKmsKeyState.Disabled, (DateTimeOffset?)null), (cancelled.State, cancelled.DeletionAt));
        await TestKms.ThrowsAsync(KmsErrorKind.Disabled, () => kms.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
        await kms.EnableKeyAsync(TestStore.KeyName, Cancellation);
        _time.Advance(TimeSpan.FromDays(60));
        await kms.RunMaintenanceAsync(Cancellation);
        Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, Cancellation));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Deleted_key_is_gone_on_time_and_its_name_stays_taken(bool maintained)
    {
        using var kms = await Store.CreateAsync(_time);
        var wrapped = await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);
        await kms.SetAliasAsync("alias/a", TestStore.KeyName, Cancellation);
        await kms.TagKeyAsync(TestStore.KeyName, "team", "a", Cancellation);
        await kms.ScheduleKeyDeletionAsync(TestStore.KeyName, 7, Cancellation);

        _time.Advance(TimeSpan.FromDays(7) - TimeSpan.FromSeconds(1));
        Assert.Empty((await kms.RunMaintenanceAsync(Cancellation)).Destroyed);
        await TestKms.ThrowsAsync(KmsErrorKind.PendingDeletion, () => kms.UnwrapAsync(wrapped, TestKms.Context, Cancellation));

        _time.Advance(TimeSpan.FromSeconds(1));
        if (maintained)
        {
            Assert.Equal([TestStore.KeyName], (await kms.RunMaintenanceAsync(Cancellation)).Destroyed);
            Assert.Empty((await kms.RunMaintenanceAsync(Cancellation)).Destroyed);
            Assert.Equal(0L, Convert.ToInt64(await Store.ExecuteAsync("SELECT count(*) FROM kms_key_versions")));
            Assert.Equal("destroyed", await Store.ExecuteAsync("SELECT state FROM kms_keys"));
        }

        foreach (var use in Uses(kms, wrapped))
            await TestKms.ThrowsAsync(KmsErrorKind.NotFound, use);
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.CancelKeyDeletionAsync(TestStore.KeyName, Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.DescribeKeyAsync("alias/a", Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => kms.CreateKeyAsync(TestStore.KeyName, Cancellation));
        var configured = new LocalKeyWrapper(kms, TestStore.KeyName, create: true, ownsKms: false);
        await TestKms.ThrowsAsync(
            KmsErrorKind.NotFound, async () => await configured.WrapAsync(TestKms.NewKey(), TestKms.Context, Cancellation));
        Assert.Empty(await kms.ListKeysAsync(Cancellation));
    }

    [Theory]
    [InlineData(6)]
    [InlineData(31)]
    public async Task Deletion_waits_7_to_30_days(int days)
    {
        using var kms = await Store.CreateAsync(_time);

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => kms.ScheduleKeyDeletionAsync(TestStore.KeyName, days, Cancellation));
    }

    [Fact]
    public async Task Key_rotates_by_itself_at_its_next_use_or_maintenance()
    {
        using var kms = await Store.CreateAsync(_time);
        await kms.CreateKeyAsync("idle", new LocalKmsKeyOptions { RotationPeriod = TimeSpan.FromDays(30) }, Cancellation);
        var key = await kms.SetKeyRotationAsync(TestStore.KeyName, TimeSpan.FromDays(30), Cancellation);
        Assert.Equal(DateTimeOffset.Parse("2026-03-31T10:00:00.123Z"), key.NextRotation);
        var before = await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);
        Assert.Equal("1", before.KekVersion);

        _time.Advance(TimeSpan.FromDays(30));
        var wrapped = await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);
        Assert.Equal("2", wrapped.KekVersion);
        Assert.Equal("2", (await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation)).KekVersion);
        Assert.Equal(1, (await kms.DescribeKeyAsync("idle", Cancellation)).PrimaryVersion);
        Assert.Equal(["idle"], (await kms.RunMaintenanceAsync(Cancellation)).Rotated);
        Assert.Equal(2, (await kms.DescribeKeyAsync("idle", Cancellation)).PrimaryVersion);
        await kms.UnwrapAsync(before, TestKms.Context, Cancellation);

        await kms.SetKeyRotationAsync(TestStore.KeyName, null, Cancellation);
        _time.Advance(TimeSpan.FromDays(300));
        Assert.Equal("2", (await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation)).KekVersion);
    }

    [Fact]
    public async Task Due_rotation_happens_once_for_all_callers_of_two_nodes()
    {
        using var first = await Store.CreateAsync(_time);
        using var second = Store.Open(time: _time);
        await first.SetKeyRotationAsync(TestStore.KeyName, TimeSpan.FromDays(1), Cancellation);
        _time.Advance(TimeSpan.FromDays(1));

        var wrapped = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Task.Run(
            () => (i % 2 == 0 ? first : second).WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation))));

        Assert.All(wrapped, w => Assert.Equal("2", w.KekVersion));
        Assert.Equal(2, (await first.DescribeKeyAsync(TestStore.KeyName, Cancellation)).Versions.Count);
    }

    [Fact]
    public async Task Version_that_is_disabled_opens_nothing_while_the_others_do()
    {
        using var kms = await Store.CreateAsync(_time);
        var first = await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, () => kms.DisableKeyVersionAsync(TestStore.KeyName, 1, Cancellation));
        await kms.RotateKeyAsync(TestStore.KeyName, Cancellation);
        var second = await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);

        var key = await kms.DisableKeyVersionAsync(TestStore.KeyName, 1, Cancellation);

        Assert.Equal([LocalKmsKeyState.Disabled, LocalKmsKeyState.Enabled], key.Versions.Select(v => v.State));
        await TestKms.ThrowsAsync(KmsErrorKind.Disabled, () => kms.UnwrapAsync(first, TestKms.Context, Cancellation));
        await kms.UnwrapAsync(second, TestKms.Context, Cancellation);
        await kms.EnableKeyVersionAsync(TestStore.KeyName, 1, Cancellation);
        await kms.UnwrapAsync(first, TestKms.Context, Cancellation);
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.DisableKeyVersionAsync(TestStore.KeyName, 3, Cancellation));
    }

    private static IEnumerable<Func<Task>> Uses(LocalKms kms, WrappedKeyCopy wrapped) =>
    [
        () => kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation),
        () => kms.UnwrapAsync(wrapped, TestKms.Context, Cancellation),
        () => kms.EncryptAsync(TestStore.KeyName, new byte[1], TestKms.Context, Cancellation),
        () => kms.RewrapAsync(TestStore.KeyName, wrapped, TestKms.Context, Cancellation),
        () => kms.RotateKeyAsync(TestStore.KeyName, Cancellation),
        () => kms.EnableKeyAsync(TestStore.KeyName, Cancellation),
        () => kms.DisableKeyAsync(TestStore.KeyName, Cancellation),
        () => kms.ScheduleKeyDeletionAsync(TestStore.KeyName, 30, Cancellation),
    ];
}

public sealed class SqliteKeyDeletionTests() : KeyDeletionTests(new SqliteTestStore());

public sealed class PostgresKeyDeletionTests() : KeyDeletionTests(new PostgresTestStore());
