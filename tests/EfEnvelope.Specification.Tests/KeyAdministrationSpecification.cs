using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>What an administrator does with keys, and what is refused.</summary>
public abstract class KeyAdministrationSpecification(TestDatabase database) : EngineSpecification(database)
{
    private static readonly KeyVersion First = new(Scope, 1);
    private static readonly KeyVersion Second = new(Scope, 2);

    [Fact]
    public async Task A_scope_is_created_once_in_a_database_that_had_no_table()
    {
        var version = Assert.Single(await Encrypted.Keys.ListAsync(Scope));
        Assert.True(version is { IsPrimary: true, Status: KeyVersionStatus.Enabled });
        await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Keys.CreateAsync(Scope));
        await Encrypted.Keys.CreateAsync(new KeyScope("other"));
        Assert.Equal(["default", "other"], (await Encrypted.Keys.GetScopesAsync()).Select(s => s.Name));
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => Encrypted.Keys.ListAsync(new KeyScope("nobody")));
    }

    [Fact]
    public async Task A_database_without_a_key_store_says_so()
    {
        foreach (var table in new[] { "__EnvelopeKeys", "__EnvelopeUsage", "__EnvelopeMap" })
            await SqlAsync($"DROP TABLE {Q(table)}");
        Assert.Empty(await Encrypted.Keys.GetScopesAsync());
        Assert.Empty((await Encrypted.ReadMapAsync()).Columns);
        Assert.Empty(await Encrypted.Jobs.ListAsync());
        var refused = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => Encrypted.Keys.RotateAsync(Scope));
        Assert.Contains("no key store", refused.Message, StringComparison.Ordinal);
        Assert.Equal(First, await Reopen().Keys.CreateAsync(Scope));
    }

    [Fact]
    public async Task A_scope_that_many_create_at_once_has_one_version()
    {
        foreach (var table in new[] { "__EnvelopeKeys", "__EnvelopeUsage", "__EnvelopeMap" })
            await SqlAsync($"DROP TABLE {Q(table)}");
        var instances = Enumerable.Range(0, 4).Select(_ => Reopen()).ToList();
        await Task.WhenAll(instances.Select(i => Task.Run(async () =>
        {
            try
            {
                await i.Keys.CreateAsync(Scope);
            }
            catch (OperationRefusedException)
            {
            }
        })));
        Assert.Single(await Encrypted.Keys.ListAsync(Scope));
    }

    [Fact]
    public async Task A_rotated_version_becomes_primary_after_its_delay()
    {
        Assert.Equal(Second, await Encrypted.Keys.RotateAsync(Scope, TimeSpan.FromHours(1)));
        Assert.Equal([true, false], (await Encrypted.Keys.ListAsync(Scope)).Select(v => v.IsPrimary));
        Assert.NotNull((await PlanAsync()).NotBefore);
        Assert.Equal(new KeyVersion(Scope, 3), await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero));
    }

    [Fact]
    public async Task A_scope_moves_to_another_KEK_without_a_changed_row()
    {
        await MakeTextsAsync(5);
        await RunAsync(Backfill());
        var stored = await TextsAsync();
        var other = new TestKms("other");
        await using (var both = EncryptedDatabase.Open(o => Database.UseProvider(o).UseEnvelopeEncryption(e => e.UseKms(Kms).UseKms(other))))
            Assert.Equal([Kms.Kek.ToString(), other.Kek.ToString()], Assert.Single(await both.Keys.RewrapAsync(Scope)).Keks);

        // The old one is not needed any more.
        Kms.Failure = EfEnvelope.Kms.KmsErrorKind.AccessDenied;
        await using var moved = EncryptedDatabase.Open(o => Database.UseProvider(o).UseEnvelopeEncryption(e => e.UseKms(other)));
        Assert.Equal([other.Kek.ToString()], Assert.Single(await moved.Keys.RewrapAsync(Scope)).Keks);
        Assert.Equal(stored, await TextsAsync());
        AssertCompleted(await RunAsync((await moved.Jobs.EnqueueAsync(await moved.Jobs.PlanAsync(Decrypt()))).Id, by: moved), 5);
        Assert.Equal(Enumerable.Range(1, 5).Select(i => $"value {i}"), await TextsAsync());
    }

    [Fact]
    public async Task The_primary_is_neither_disabled_nor_retired_nor_destroyed()
    {
        await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Keys.DisableAsync(First));
        await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Keys.RetireAsync(First));
        await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Keys.DestroyAsync(First, TimeSpan.Zero));
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => Encrypted.Keys.RetireAsync(Second));
        Assert.True(Assert.Single(await Encrypted.Keys.ListAsync(Scope)) is { IsPrimary: true, RetiredAt: null, Status: KeyVersionStatus.Enabled });
    }

    [Fact]
    public async Task A_version_that_other_instances_may_still_write_under_is_not_retired()
    {
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);
        await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Keys.RetireAsync(First));
        Assert.All(await Encrypted.Keys.ListAsync(Scope), v => Assert.Null(v.RetiredAt));
    }

    [Fact]
    public async Task A_version_with_references_is_not_retired_and_each_column_of_them_is_named()
    {
        await MakeTextsAsync(7);
        await SqlAsync("ALTER TABLE t ADD COLUMN w text");
        await SqlAsync("UPDATE t SET w = 'x' WHERE id < 4");
        await RunAsync(Backfill() with { Columns = ["v", "w"] });
        await SettleAsync();
        var report = await Encrypted.Keys.RetireAsync(First);
        Assert.False(report.IsRetired);
        Assert.Equal([new VersionReference("t.v", 7), new VersionReference("t.w", 3)], report.References);

        await RunAsync(Backfill() with { Kind = JobKind.Reencrypt, Columns = [] });
        Assert.True((await Encrypted.Keys.RetireAsync(First, execute: false)).IsRetired);
        Assert.Null((await Encrypted.Keys.ListAsync(Scope))[0].RetiredAt);
        Assert.True((await Encrypted.Keys.RetireAsync(First)).IsRetired);

        await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Keys.DestroyAsync(First, TimeSpan.FromDays(1)));
        Assert.Equal(KeyVersionStatus.Enabled, (await Encrypted.Keys.ListAsync(Scope))[0].Status);
        Assert.True((await Encrypted.Keys.DestroyAsync(First, TimeSpan.Zero)).IsRetired);
        Assert.Equal(KeyVersionStatus.Destroyed, (await Encrypted.Keys.ListAsync(Scope))[0].Status);
    }

    [Fact]
    public async Task A_retired_version_whose_values_came_back_with_a_backup_is_not_destroyed()
    {
        await MakeTextsAsync(1);
        await RunAsync(Backfill());
        var backup = (await TextsAsync())[0];
        await SettleAsync();
        await RunAsync(Backfill() with { Kind = JobKind.Reencrypt, Columns = [] });
        Assert.True((await Encrypted.Keys.RetireAsync(First)).IsRetired);
        await SqlAsync($"UPDATE t SET v = '{backup}'");
        Assert.False((await Encrypted.Keys.DestroyAsync(First, TimeSpan.Zero)).IsRetired);
        Assert.Equal(KeyVersionStatus.Enabled, (await Encrypted.Keys.ListAsync(Scope))[0].Status);
    }

    [Fact]
    public async Task A_column_that_the_map_has_and_the_table_has_not_keeps_a_version_from_being_retired()
    {
        await MakeTextsAsync(1);
        await RunAsync(Backfill());
        await SettleAsync();
        await SqlAsync("ALTER TABLE t RENAME COLUMN v TO w");
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => Encrypted.Keys.RetireAsync(First));
    }

    [Fact]
    public async Task A_KMS_that_does_not_answer_is_an_outage_and_changes_nothing()
    {
        Kms.Failure = EfEnvelope.Kms.KmsErrorKind.Unavailable;
        await Assert.ThrowsAsync<KeyUnavailableException>(() => Reopen().Keys.RotateAsync(Scope));
        Kms.Failure = null;
        Assert.Single(await Encrypted.Keys.ListAsync(Scope), v => v.EncryptsFrom is not null);
    }

    protected async Task SettleAsync()
    {
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);
        await Task.Delay(TimeSpan.FromSeconds(1.2));
    }

    private async Task<JobPlan> PlanAsync()
    {
        await MakeTextsAsync(1);
        await RunAsync(Backfill());
        return await Encrypted.Jobs.PlanAsync(Backfill() with { Kind = JobKind.Reencrypt });
    }
}
