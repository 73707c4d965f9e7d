using EfEnvelope.Diagnostics;
using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>Which versions may be retired and destroyed, and when.</summary>
public class KeyRetirementTests
{
    private static readonly TimeSpan Wait = TimeSpan.FromDays(30);

    private readonly RingWorld _world = new();

    [Fact]
    public async Task Version_is_retired_when_no_instance_can_still_write_under_it_and_not_before()
    {
        await RotateAsync();
        var until = _world.Store[1].EncryptsUntil!.Value;
        _world.Time.Advance(_world.Options.RefreshInterval);
        Assert.Equal(until, _world.Time.GetUtcNow());

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(1, compared: false));
        Assert.Equal(Messages.KeyVersionStillWritten(RingWorld.Version(1), until), e.Message);
        Assert.Contains("until 2026-01-01 01:00:00Z", e.Message, StringComparison.Ordinal);
        Assert.Null(_world.Store[1].RetiredAt);

        _world.Time.Advance(TimeSpan.FromTicks(1));
        var retired = await RetireAsync(1, compared: false);
        Assert.Equal(_world.Time.GetUtcNow(), retired.RetiredAt);
        Assert.Equal(_world.Store[1], retired);
    }

    [Fact]
    public async Task Version_that_is_retired_already_keeps_its_time()
    {
        await RotateAsync();
        PassRefresh();
        var first = await RetireAsync(1, compared: false);
        _world.Time.Advance(TimeSpan.FromDays(1));

        Assert.Equal(first, await RetireAsync(1, compared: false));
        Assert.Equal(first, _world.Store[1]);
    }

    [Fact]
    public async Task Retirement_is_told_by_the_clock_of_the_key_store()
    {
        await RotateAsync();
        PassRefresh();
        _world.Store.ClockSkew = TimeSpan.FromMinutes(-5);
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(1, compared: false));

        _world.Store.ClockSkew = TimeSpan.FromHours(3);
        Assert.Equal(_world.Time.GetUtcNow().AddHours(3), (await RetireAsync(1, compared: false)).RetiredAt);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    public async Task Primary_and_the_version_that_will_be_are_not_retired(int number, int rotations)
    {
        var slot = await _world.WarmSlotAsync();
        for (var i = 0; i < rotations; i++)
            await _world.RotateAsync(slot);
        var rows = _world.Store.Rows;

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(number, compared: false));

        Assert.Equal(Messages.KeyVersionStillEncrypts(RingWorld.Version(number)), e.Message);
        Assert.Equal(rows, _world.Store.Rows);
    }

    [Fact]
    public async Task Newest_version_is_not_retired_although_it_is_disabled()
    {
        await RotateAsync();
        _world.Store[2] = _world.Store[2] with { Status = KeyVersionStatus.Disabled };
        PassRefresh();

        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(2, compared: false));
    }

    [Fact]
    public async Task Unknown_version_is_named()
    {
        await _world.WarmSlotAsync();
        var administration = _world.NewAdministration();

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(7, compared: false));
        Assert.Equal(Messages.KeyVersionUnknown(RingWorld.Version(7)), e.Message);
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(
            () => administration.DestroyAsync(_world.Store, RingWorld.Version(7), Wait, CancellationToken.None).AsTask());
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(
            () => administration.DisableAsync(_world.Store, new KeyVersion(new KeyScope("other"), 1), CancellationToken.None).AsTask());
    }

    [Fact]
    public async Task Version_whose_last_time_was_never_stored_gets_one_and_is_retired_after_it()
    {
        // The process that rotated died between its two updates.
        await RotateAsync();
        _world.Store[1] = _world.Store[1] with { EncryptsUntil = null };
        PassRefresh();

        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(1, compared: false));
        Assert.Equal(_world.Time.GetUtcNow() + _world.Options.RefreshInterval, _world.Store[1].EncryptsUntil);
        Assert.Null(_world.Store[1].RetiredAt);
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(1, compared: false));

        PassRefresh();
        Assert.NotNull((await RetireAsync(1, compared: false)).RetiredAt);
    }

    [Fact]
    public async Task Rotation_gives_its_last_time_to_every_version_before_it_and_not_to_one_that_was_put_aside()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Store[2] = _world.Store[1] with
        {
            Version = RingWorld.Version(2), Status = KeyVersionStatus.Disabled, EncryptsFrom = null, SearchesFrom = null,
        };

        Assert.Equal(3, (await _world.RotateAsync(slot, TimeSpan.Zero)).Number);

        Assert.NotNull(_world.Store[1].EncryptsUntil);
        Assert.Null(_world.Store[2].EncryptsUntil);
        Assert.NotNull((await RetireAsync(2, compared: true)).RetiredAt);
    }

    [Fact]
    public async Task Version_that_was_not_proved_yet_is_not_retired()
    {
        await _world.WarmSlotAsync();
        _world.Store[2] = _world.Store[1] with { Version = RingWorld.Version(2), EncryptsFrom = null, SearchesFrom = null };

        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(2, compared: false));
    }

    [Fact]
    public async Task Only_version_that_is_searched_stays_while_something_is_compared()
    {
        await RotateAsync();
        PassRefresh();

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(1, compared: true));

        Assert.Equal(Messages.OnlySearchVersion(RingWorld.Version(1)), e.Message);
        Assert.Null(_world.Store[1].RetiredAt);
    }

    [Fact]
    public async Task Only_version_that_is_searched_hands_over_to_the_primary_where_nothing_is_compared()
    {
        var slot = await RotateAsync();
        PassRefresh();
        var searched = new List<int>();
        _world.Store.Keep = key =>
        {
            searched.Add(_world.Store.Rows.Select(k => k.Version.Number == key.Version.Number ? key : k).Count(KeyRing.IsSearched));
            return key;
        };

        await RetireAsync(1, compared: false);

        Assert.Equal(_world.Time.GetUtcNow(), _world.Store[2].SearchesFrom);
        Assert.Equal([2, 1], searched);
        var ring = await slot.ReloadAsync(_world.Store, RingUse.Read, CancellationToken.None);
        Assert.Equal((2, 2), (ring.SearchPrimary.Version.Number, ring.UniquePrimary.Version.Number));
        Assert.Null(ring.UniqueNext);
    }

    [Fact]
    public async Task Retirement_that_was_broken_off_after_the_handing_over_is_finished_by_the_next()
    {
        await RotateAsync();
        PassRefresh();
        var updates = 0;
        _world.Store.BeforeUpdate = () => ++updates == 2 ? throw new IOException("The process dies here.") : Task.CompletedTask;
        await Assert.ThrowsAsync<IOException>(() => RetireAsync(1, compared: false));
        Assert.Equal([1, 2], _world.Store.Rows.Where(KeyRing.IsSearched).Select(k => k.Version.Number));

        await RetireAsync(1, compared: false);

        Assert.Equal([2], _world.Store.Rows.Where(KeyRing.IsSearched).Select(k => k.Version.Number));
    }

    [Fact]
    public async Task Search_version_is_retired_when_unique_values_have_moved_and_every_instance_knows_it()
    {
        var administration = _world.NewAdministration();
        var slot = await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        PassRefresh();
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(1, compared: true));
        Assert.Equal(Messages.NotReindexed(RingWorld.Version(1), RingWorld.Version(2)), e.Message);

        var at = _world.Time.GetUtcNow() + _world.Options.RefreshInterval;
        await administration.SetUniqueFromAsync(_world.Store, RingWorld.Version(2), at, CancellationToken.None);
        _world.Time.Advance(2 * _world.Options.RefreshInterval);
        e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(1, compared: true));
        Assert.Equal(Messages.KeyVersionStillWritten(RingWorld.Version(1), at + _world.Options.RefreshInterval), e.Message);

        _world.Time.Advance(TimeSpan.FromTicks(1));
        Assert.NotNull((await RetireAsync(1, compared: true)).RetiredAt);
    }

    [Fact]
    public async Task Newer_search_version_is_not_retired_before_the_older_one()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        await _world.RotateAsync(slot, TimeSpan.Zero);
        PassRefresh();

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => RetireAsync(2, compared: true));

        Assert.Equal(Messages.OnlySearchVersion(RingWorld.Version(2)), e.Message);
    }

    [Fact]
    public async Task Time_of_unique_values_is_set_once_and_only_after_every_instance_knows_the_version()
    {
        var administration = _world.NewAdministration();
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot, TimeSpan.Zero);
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        var at = _world.Time.GetUtcNow().AddHours(5);
        Task<StoredKey> SetAsync(int number, DateTimeOffset time)
            => administration.SetUniqueFromAsync(_world.Store, RingWorld.Version(number), time, CancellationToken.None).AsTask();

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => SetAsync(2, at));
        Assert.Equal(Messages.KeyVersionNotSearched(RingWorld.Version(2)), e.Message);
        _world.Time.Advance(_world.Options.RefreshInterval);
        e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => SetAsync(3, at));
        Assert.Equal(Messages.KeyVersionNotKnownYet(RingWorld.Version(3), _world.Time.GetUtcNow()), e.Message);

        _world.Time.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(at, (await SetAsync(3, at)).UniqueFrom);
        Assert.Equal(at, (await SetAsync(3, at.AddHours(1))).UniqueFrom);
        Assert.Equal(at, _world.Store[3].UniqueFrom);
    }

    [Fact]
    public async Task Version_is_destroyed_after_its_waiting_period_and_not_before()
    {
        var slot = await RotateAsync();
        PassRefresh();
        var administration = _world.NewAdministration();
        Task<StoredKey> DestroyAsync() => administration.DestroyAsync(_world.Store, RingWorld.Version(1), Wait, CancellationToken.None).AsTask();
        Assert.Equal(
            Messages.KeyVersionNotRetired(RingWorld.Version(1)), (await Assert.ThrowsAsync<EnvelopeConfigurationException>(DestroyAsync)).Message);
        var retired = await RetireAsync(1, compared: false);
        _world.Time.Advance(Wait - TimeSpan.FromTicks(1));

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(DestroyAsync);
        Assert.Equal(Messages.KeyVersionRetiredTooRecently(RingWorld.Version(1), retired.RetiredAt!.Value, retired.RetiredAt.Value + Wait), e.Message);
        Assert.NotNull(_world.Store[1].Wrapped);

        _world.Time.Advance(TimeSpan.FromTicks(1));
        var destroyed = await DestroyAsync();
        Assert.Equal(retired with { Status = KeyVersionStatus.Destroyed, Wrapped = null, Revision = retired.Revision + 1 }, destroyed);
        Assert.Equal(destroyed, _world.Store[1]);
        Assert.Equal(destroyed, await DestroyAsync());

        var ring = await slot.ReloadAsync(_world.Store, RingUse.Write, CancellationToken.None);
        Assert.Throws<KeyDestroyedException>(() => KeyRing.RequireKey(ring.Find(1)!));
        Assert.Equal(2, ring.Primary.Version.Number);
    }

    [Fact]
    public async Task Primary_is_not_destroyed_without_any_waiting_period_either()
    {
        await _world.WarmSlotAsync();

        await Assert.ThrowsAsync<EnvelopeConfigurationException>(
            () => _world.NewAdministration().DestroyAsync(_world.Store, RingWorld.Version(1), TimeSpan.Zero, CancellationToken.None).AsTask());

        Assert.NotNull(_world.Store[1].Wrapped);
    }

    [Fact]
    public async Task Retirement_that_is_taken_back_is_searched_again_if_there_is_room()
    {
        var slot = await RotateAsync();
        PassRefresh();
        await RetireAsync(1, compared: false);
        var administration = _world.NewAdministration();

        Assert.Null((await administration.UnretireAsync(_world.Store, RingWorld.Version(1), CancellationToken.None)).RetiredAt);
        var ring = await slot.ReloadAsync(_world.Store, RingUse.Search, CancellationToken.None);
        Assert.Equal((1, 2), (ring.FindSearchKey(0)!.Version.Number, ring.FindSearchKey(1)!.Version.Number));

        await RetireAsync(1, compared: false);
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(
            () => administration.UnretireAsync(_world.Store, RingWorld.Version(1), CancellationToken.None).AsTask());
    }

    [Fact]
    public async Task Change_that_is_overtaken_is_decided_anew_on_what_is_there_now()
    {
        await RotateAsync();
        PassRefresh();
        await RetireAsync(1, compared: false);
        _world.Time.Advance(Wait);
        var administration = _world.NewAdministration();
        var overtaken = false;
        _world.Store.BeforeUpdate = async () =>
        {
            if (overtaken)
                return;
            overtaken = true;
            await administration.UnretireAsync(_world.Store, RingWorld.Version(1), CancellationToken.None);
        };

        await Assert.ThrowsAsync<EnvelopeConfigurationException>(
            () => administration.DestroyAsync(_world.Store, RingWorld.Version(1), Wait, CancellationToken.None).AsTask());

        Assert.NotNull(_world.Store[1].Wrapped);
        Assert.Equal(KeyVersionStatus.Enabled, _world.Store[1].Status);
    }

    private async Task<KeyRingSlot> RotateAsync()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot, TimeSpan.Zero);
        return slot;
    }

    private void PassRefresh() => _world.Time.Advance(_world.Options.RefreshInterval + TimeSpan.FromTicks(1));

    private Task<StoredKey> RetireAsync(int number, bool compared)
        => _world.NewAdministration().MarkRetiredAsync(_world.Store, RingWorld.Version(number), compared, CancellationToken.None).AsTask();
}
