using EfEnvelope.Diagnostics;
using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>Which version writes what is compared, under which ones a query looks, and who may make a second one.</summary>
public class SearchRotationTests
{
    private readonly RingWorld _world = new();

    [Fact]
    public async Task Scope_without_keys_is_searched_without_making_one()
    {
        var ring = await _world.SearchAsync(_world.NewSlot());

        Assert.Null(ring.FindSearchKey(0));
        Assert.Null(ring.FindSearchKey(1));
        Assert.False(ring.IsSearchRotating);
        Assert.Throws<KeyUnavailableException>(() => ring.SearchPrimary);
        Assert.Throws<KeyUnavailableException>(() => ring.UniquePrimary);
        Assert.Empty(_world.Store.Rows);
    }

    [Fact]
    public async Task First_version_writes_what_is_compared_and_both_slots_look_under_it()
    {
        var ring = await _world.WriteAsync(_world.NewSlot());

        AssertRoles(ring, search: 1, unique: 1, first: 1, second: 1);
        Assert.False(ring.IsSearchRotating);
        Assert.Equal(_world.Store[1].EncryptsFrom, _world.Store[1].SearchesFrom);
    }

    [Fact]
    public async Task First_version_that_is_made_by_an_ordinary_rotation_writes_what_is_compared_too()
    {
        await _world.RotateAsync(_world.NewSlot(), TimeSpan.Zero);

        AssertRoles(await _world.SearchAsync(_world.NewSlot()), search: 1, unique: 1, first: 1, second: 1);
    }

    [Fact]
    public async Task Ordinary_rotations_by_hand_leave_equal_values_equal()
    {
        var slot = await _world.WarmSlotAsync();
        for (var number = 2; number <= 4; number++)
        {
            Assert.Equal(number, (await _world.RotateAsync(slot, TimeSpan.Zero)).Number);
            var ring = await _world.WriteAsync(slot);
            Assert.Equal(number, ring.Primary.Version.Number);
            AssertRoles(ring, search: 1, unique: 1, first: 1, second: 1);
            Assert.Null(_world.Store[number].SearchesFrom);
        }
    }

    [Fact]
    public async Task Rotation_by_age_leaves_equal_values_equal()
    {
        _world.Options = _world.Options with { RotateAfter = TimeSpan.FromHours(5) };
        var slot = await _world.WarmSlotAsync();
        _world.Time.Advance(TimeSpan.FromHours(6));
        await _world.WriteAsync(slot);
        _world.Time.Advance(_world.Options.ActivationDelay);

        var ring = await _world.WriteAsync(slot);

        Assert.Equal(2, ring.Primary.Version.Number);
        AssertRoles(ring, search: 1, unique: 1, first: 1, second: 1);
    }

    [Fact]
    public async Task Rotation_by_use_leaves_equal_values_equal()
    {
        _world.Options = _world.Options with { RotateAfterValues = 10, ActivationDelay = TimeSpan.Zero };
        var slot = await _world.WarmSlotAsync();
        var budget = new UsageBudget("t.c");
        for (var i = 0; i < 20; i++)
            await slot.TakeBudgetAsync(_world.Store, slot.GetFresh(RingUse.Write)!.Find(1)!.Key!, budget, 1, CancellationToken.None);

        var ring = await _world.WriteAsync(slot);

        Assert.Equal(2, ring.Primary.Version.Number);
        AssertRoles(ring, search: 1, unique: 1, first: 1, second: 1);
    }

    [Fact]
    public async Task Second_search_version_is_looked_under_at_once_and_writes_from_its_time_on()
    {
        var slot = await _world.WarmSlotAsync();
        Assert.Equal(2, (await _world.RotateSearchAsync(slot)).Number);
        Assert.Equal(_world.Store[2].EncryptsFrom, _world.Store[2].SearchesFrom);
        AssertRoles(await _world.WriteAsync(slot), search: 1, unique: 1, first: 1, second: 2);

        _world.Time.Advance(_world.Options.ActivationDelay - TimeSpan.FromTicks(1));
        var ring = await _world.WriteAsync(slot);
        AssertRoles(ring, search: 1, unique: 1, first: 1, second: 2);
        Assert.Equal([1, 2], ring.FindWriting().Select(k => k.Version.Number));
        Assert.True(ring.IsSearchRotating);

        // One snapshot crosses the time: it does not have to be read anew for it.
        _world.Time.Advance(TimeSpan.FromTicks(1));
        AssertRoles(ring, search: 2, unique: 1, first: 1, second: 2);
        Assert.Equal([1, 2], ring.FindWriting().Select(k => k.Version.Number).Order());
        Assert.Equal(2, ring.Primary.Version.Number);
    }

    [Fact]
    public async Task Ordinary_rotation_after_a_search_rotation_leaves_both_search_versions_as_they_are()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        await _world.RotateAsync(slot, TimeSpan.Zero);

        var ring = await _world.WriteAsync(slot);

        Assert.Equal(3, ring.Primary.Version.Number);
        AssertRoles(ring, search: 2, unique: 1, first: 1, second: 2);
        Assert.Equal([1, 2, 3], ring.FindWriting().Select(k => k.Version.Number).Order());
    }

    [Fact]
    public async Task Process_whose_ring_is_older_than_the_rotation_looks_under_every_version_that_another_may_have_written_under()
    {
        var (rotating, old) = (await _world.WarmSlotAsync(), await _world.WarmSlotAsync());
        await _world.RotateSearchAsync(rotating);

        for (var minute = 0; minute < 240; minute++)
        {
            var written = (await _world.WriteAsync(rotating)).SearchPrimary.Version.Number;
            var searching = await _world.SearchAsync(old);
            Assert.Contains(written, new[] { searching.FindSearchKey(0)!.Version.Number, searching.FindSearchKey(1)!.Version.Number });
            Assert.Equal(1, searching.UniquePrimary.Version.Number);
            _world.Time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(2, (await _world.SearchAsync(old)).SearchPrimary.Version.Number);
    }

    [Fact]
    public async Task Third_search_version_is_refused_and_nothing_is_changed()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        var rows = _world.Store.Rows;
        var wraps = _world.Kms.Wraps;

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => _world.RotateSearchAsync(slot, TimeSpan.Zero).AsTask());

        Assert.Equal(Messages.SearchStillRotating(RingWorld.Scope, 2), e.Message);
        Assert.Equal(rows, _world.Store.Rows);
        Assert.Equal(wraps, _world.Kms.Wraps);
    }

    [Fact]
    public async Task Three_search_versions_that_somebody_stored_are_refused_instead_of_missing_rows_of_one()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        await _world.RotateAsync(slot, TimeSpan.Zero);
        _world.Store[3] = _world.Store[3] with { SearchesFrom = _world.Store[3].EncryptsFrom };

        var ring = await _world.SearchAsync(_world.NewSlot());

        Assert.Throws<EnvelopeConfigurationException>(() => ring.FindSearchKey(0));
        Assert.Throws<EnvelopeConfigurationException>(() => ring.FindSearchKey(1));
    }

    [Fact]
    public async Task Destroyed_version_is_no_longer_searched_and_makes_room_for_another()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        SetStatus(1, KeyVersionStatus.Destroyed);
        _world.Time.Advance(_world.Options.RefreshInterval);

        var ring = await _world.WriteAsync(slot);

        AssertRoles(ring, search: 2, unique: 2, first: 2, second: 2);
        Assert.False(ring.IsSearchRotating);
        Assert.Equal(3, (await _world.RotateSearchAsync(slot, TimeSpan.Zero)).Number);
        AssertRoles(await _world.WriteAsync(slot), search: 3, unique: 2, first: 2, second: 3);
    }

    [Fact]
    public async Task Second_version_that_is_destroyed_hands_back_to_the_first()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot);
        SetStatus(2, KeyVersionStatus.Destroyed);

        AssertRoles(await _world.SearchAsync(_world.NewSlot()), search: 1, unique: 1, first: 1, second: 1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Disabled_version_makes_searches_fail_instead_of_missing_its_rows(int number)
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        await _world.RotateAsync(slot, TimeSpan.Zero);
        SetStatus(number, KeyVersionStatus.Disabled);

        var ring = await _world.SearchAsync(_world.NewSlot());

        var e = Assert.Throws<KeyUnavailableException>(() => ring.FindSearchKey(number - 1));
        Assert.Contains($"'clinic:v{number}'", e.Message, StringComparison.Ordinal);
        Assert.Equal(3 - number, ring.FindSearchKey(2 - number)!.Version.Number);
        Assert.True(ring.IsSearchRotating);

        // What nothing compares is written on.
        Assert.Equal(3, ring.Primary.Version.Number);
        Assert.Throws<KeyUnavailableException>(() => number == 1 ? ring.UniquePrimary : ring.SearchPrimary);
        Assert.Equal(3 - number, (number == 1 ? ring.SearchPrimary : ring.UniquePrimary).Version.Number);
    }

    [Fact]
    public async Task Disabled_version_still_takes_its_place_when_a_further_one_is_asked_for()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        SetStatus(1, KeyVersionStatus.Disabled);

        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => _world.RotateSearchAsync(slot, TimeSpan.Zero).AsTask());

        Assert.Equal(2, _world.Store.Rows.Count);
    }

    [Fact]
    public async Task When_every_search_version_is_destroyed_nothing_is_found_and_the_next_rotation_makes_one()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot, TimeSpan.Zero);
        SetStatus(1, KeyVersionStatus.Destroyed);
        slot = _world.NewSlot();

        var ring = await _world.SearchAsync(slot);
        Assert.Null(ring.FindSearchKey(0));
        Assert.Throws<KeyUnavailableException>(() => ring.SearchPrimary);
        Assert.Equal(2, ring.Primary.Version.Number);

        Assert.Equal(3, (await _world.RotateAsync(slot, TimeSpan.Zero)).Number);
        AssertRoles(await _world.WriteAsync(slot), search: 3, unique: 3, first: 3, second: 3);
    }

    [Fact]
    public async Task Key_store_whose_clock_was_set_back_goes_on_with_its_oldest_search_version()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        _world.Store.ClockSkew = TimeSpan.FromSeconds(-5);

        AssertRoles(await _world.WriteAsync(_world.NewSlot()), search: 1, unique: 1, first: 1, second: 2);
    }

    [Fact]
    public async Task Ring_past_its_time_may_read_and_may_not_search_while_the_key_store_cannot_be_read()
    {
        var slot = await _world.DueSlotAsync();
        _world.Store.Failure = new KeyUnavailableException("gone");
        Assert.Equal(1, (await _world.SearchAsync(slot)).FindSearchKey(0)!.Version.Number);
        _world.Time.Advance(TimeSpan.FromTicks(1));

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.SearchAsync(slot).AsTask());

        Assert.Equal(Messages.RingMustNotSearch(RingWorld.Scope), e.Message);
        Assert.Equal(1, (await _world.ReadAsync(slot)).Primary.Version.Number);
        await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.WriteAsync(slot).AsTask());

        _world.Store.Failure = null;
        _world.Time.Advance(_world.Options.RetryInterval);
        Assert.Equal(1, (await _world.SearchAsync(slot)).FindSearchKey(0)!.Version.Number);
    }

    [Fact]
    public async Task Eight_processes_that_decide_on_one_snapshot_make_one_second_search_version()
    {
        var slots = await WarmSlotsAsync(8);

        // All read for the ring, and then all read what they decide on, before any of them goes on.
        MeetAfterReading(8, 2);
        var versions = await Task.WhenAll(slots.Select(s => Task.Run(async () => await _world.RotateSearchAsync(s))));

        Assert.All(versions, v => Assert.Equal(2, v.Number));
        Assert.Equal(2, _world.Store.Rows.Count);
        Assert.All(_world.Store.Rows, r => Assert.NotNull(r.SearchesFrom));
        await AssertSearchAlikeAsync(slots);
    }

    [Fact]
    public async Task Eight_processes_that_rotate_in_any_order_make_one_second_search_version()
    {
        for (var round = 0; round < 20; round++)
        {
            var world = new RingWorld();
            var slots = new List<KeyRingSlot>();
            for (var i = 0; i < 8; i++)
                slots.Add(await world.WarmSlotAsync());

            var results = await Task.WhenAll(
                slots.Select(
                    (slot, i) => Task.Run(
                        async () =>
                        {
                            for (var wait = 0; wait < i * round % 7; wait++)
                                await Task.Yield();
                            return await Record.ExceptionAsync(async () => Assert.Equal(2, (await world.RotateSearchAsync(slot)).Number));
                        })));

            Assert.Contains(results, r => r is null);
            Assert.All(results, r => Assert.True(r is null or EnvelopeConfigurationException, r?.ToString()));
            Assert.Equal([1, 2], world.Store.Rows.Where(KeyRing.IsSearched).Select(k => k.Version.Number));
            Assert.All(world.Store.Rows, r => Assert.NotNull(r.EncryptsFrom));
        }
    }

    [Fact]
    public async Task Ordinary_and_search_rotations_in_any_order_never_make_a_third_search_version_nor_claim_one_that_is_not()
    {
        for (var round = 0; round < 20; round++)
        {
            var world = new RingWorld();
            var slots = new List<KeyRingSlot>();
            for (var i = 0; i < 8; i++)
                slots.Add(await world.WarmSlotAsync());

            await Task.WhenAll(
                slots.Select(
                    (slot, i) => Task.Run(
                        async () =>
                        {
                            for (var wait = 0; wait < (i + round) % 5; wait++)
                                await Task.Yield();
                            if (i % 2 == 0)
                            {
                                await world.RotateAsync(slot, TimeSpan.Zero);
                                return;
                            }

                            try
                            {
                                var version = await world.RotateSearchAsync(slot, TimeSpan.Zero);
                                Assert.NotNull(world.Store[version.Number].SearchesFrom);
                            }
                            catch (EnvelopeException e) when (e is EnvelopeConfigurationException or KeyUnavailableException)
                            {
                            }
                        })));

            Assert.InRange(world.Store.Rows.Count(KeyRing.IsSearched), 1, 2);
        }
    }

    [Fact]
    public async Task Search_rotation_that_finds_its_version_proved_by_an_ordinary_one_is_refused()
    {
        var (search, ordinary) = (await _world.WarmSlotAsync(), await _world.WarmSlotAsync());
        Once(() => _world.RotateAsync(ordinary).AsTask(), when => _world.Store.AfterAdd = when);

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.RotateSearchAsync(search).AsTask());

        Assert.Equal(Messages.RotatedMeanwhile(new KeyVersion(RingWorld.Scope, 2)), e.Message);
        Assert.Null(_world.Store[2].SearchesFrom);
        Assert.Equal(3, (await _world.RotateSearchAsync(search)).Number);
        Assert.NotNull(_world.Store[3].SearchesFrom);
    }

    [Fact]
    public async Task Search_rotation_that_is_overtaken_by_an_ordinary_one_while_it_proves_is_refused_instead_of_claiming_success()
    {
        var (search, ordinary) = (await _world.WarmSlotAsync(), await _world.WarmSlotAsync());
        AfterAddOnceAtTheKms(() => _world.RotateAsync(ordinary).AsTask());

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.RotateSearchAsync(search).AsTask());

        Assert.Equal(Messages.RotatedMeanwhile(new KeyVersion(RingWorld.Scope, 2)), e.Message);
        Assert.Null(_world.Store[2].SearchesFrom);
        Assert.Equal(2, _world.Store.Rows.Count);
    }

    [Fact]
    public async Task Search_rotation_that_is_overtaken_by_another_one_while_it_proves_takes_its_version()
    {
        var (one, other) = (await _world.WarmSlotAsync(), await _world.WarmSlotAsync());
        AfterAddOnceAtTheKms(() => _world.RotateSearchAsync(other).AsTask());

        Assert.Equal(2, (await _world.RotateSearchAsync(one)).Number);

        Assert.Equal(2, _world.Store.Rows.Count(KeyRing.IsSearched));
        AssertRoles(await _world.SearchAsync(one), search: 1, unique: 1, first: 1, second: 2);
    }

    [Fact]
    public async Task Version_that_was_put_aside_by_another_search_rotation_makes_no_third_search_version()
    {
        var (one, other) = (await _world.WarmSlotAsync(), await _world.WarmSlotAsync());
        _world.Store[2] = _world.Store[1] with
        {
            Version = new KeyVersion(RingWorld.Scope, 2), Commitment = new byte[DataKey.CommitmentLength], EncryptsFrom = null, SearchesFrom = null,
        };

        // The first has read the version that does not open, and tries it; the other puts it aside and makes the next one.
        var unwraps = 0;
        _world.Kms.Before = () => Interlocked.Increment(ref unwraps) == 2 ? _world.RotateSearchAsync(other).AsTask() : Task.CompletedTask;
        var version = await _world.RotateSearchAsync(one);

        Assert.Equal(3, version.Number);
        Assert.Equal([1, 3], _world.Store.Rows.Where(KeyRing.IsSearched).Select(k => k.Version.Number));
        Assert.Equal(KeyVersionStatus.Disabled, _world.Store[2].Status);
        Assert.Equal(3, _world.Store.Rows.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Version_of_a_search_rotation_that_died_before_proving_it_searches_only_if_the_next_rotation_wants_it(bool searches)
    {
        var slot = await _world.WarmSlotAsync();
        _world.Store.AfterAdd = () => throw new IOException("The process dies here.");
        await Assert.ThrowsAsync<IOException>(() => _world.RotateSearchAsync(slot).AsTask());
        _world.Store.AfterAdd = () => Task.CompletedTask;

        // It is not looked under: nothing can be stored under it.
        AssertRoles(await _world.SearchAsync(await _world.WarmSlotAsync()), search: 1, unique: 1, first: 1, second: 1);

        Assert.Equal(2, (await (searches ? _world.RotateSearchAsync(slot, TimeSpan.Zero) : _world.RotateAsync(slot, TimeSpan.Zero))).Number);
        var ring = await _world.WriteAsync(slot);
        Assert.Equal(2, ring.Primary.Version.Number);
        AssertRoles(ring, search: searches ? 2 : 1, unique: 1, first: 1, second: searches ? 2 : 1);
    }

    private static void AssertRoles(KeyRing ring, int search, int unique, int first, int second)
        => Assert.Equal(
            (search, unique, first, second),
            (ring.SearchPrimary.Version.Number, ring.UniquePrimary.Version.Number, ring.FindSearchKey(0)!.Version.Number, ring.FindSearchKey(1)!.Version.Number));

    private async Task AssertSearchAlikeAsync(KeyRingSlot[] slots)
    {
        _world.Time.Advance(_world.Options.ActivationDelay);
        foreach (var slot in slots)
            AssertRoles(await _world.WriteAsync(slot), search: 2, unique: 1, first: 1, second: 2);
    }

    private async Task<KeyRingSlot[]> WarmSlotsAsync(int count)
    {
        var slots = new KeyRingSlot[count];
        for (var i = 0; i < count; i++)
            slots[i] = await _world.WarmSlotAsync();
        return slots;
    }

    private void SetStatus(int number, KeyVersionStatus status)
        => _world.Store[number] = _world.Store[number] with
        {
            Status = status,
            Wrapped = status == KeyVersionStatus.Destroyed ? null : _world.Store[number].Wrapped,
            Revision = _world.Store[number].Revision + 1,
        };

    private static void Once(Func<Task> work, Action<Func<Task>> hook)
    {
        var done = 0;
        hook(() => Interlocked.Exchange(ref done, 1) == 0 ? work() : Task.CompletedTask);
    }

    // The version has been stored and read back, and is being unwrapped to prove it.
    private void AfterAddOnceAtTheKms(Func<Task> work)
    {
        var armed = 0;
        _world.Kms.Before = () => Interlocked.Exchange(ref armed, 0) == 1 ? work() : Task.CompletedTask;
        Once(
            () =>
            {
                armed = 1;
                return Task.CompletedTask;
            },
            hook => _world.Store.AfterAdd = hook);
    }

    private void MeetAfterReading(int count, int times)
    {
        var meetings = Enumerable.Range(0, times).Select(_ => new TaskCompletionSource()).ToArray();
        var arrived = 0;
        _world.Store.AfterRead = () =>
        {
            var place = Interlocked.Increment(ref arrived) - 1;
            if (place >= count * times)
                return Task.CompletedTask;
            var meeting = meetings[place / count];
            if (place % count == count - 1)
                meeting.SetResult();
            return meeting.Task;
        };
    }
}
