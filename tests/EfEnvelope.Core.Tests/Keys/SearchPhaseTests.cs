using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>
/// How what is compared moves from one version to the next: P0, one version; P1, a second one is stored, so that rows get a second value under it; P2, unique
/// values have moved; P3, the old one is retired, and everything is as in P0.
/// </summary>
public class SearchPhaseTests
{
    private readonly RingWorld _world = new();

    [Fact]
    public async Task Unique_values_move_from_one_version_to_the_next_and_queries_look_under_both_meanwhile()
    {
        var slot = await _world.WarmSlotAsync();
        AssertOne(await _world.WriteAsync(slot), 1);

        // P1, from the moment at which it is stored, before it writes anything else.
        await _world.RotateSearchAsync(slot);
        AssertTwo(await _world.WriteAsync(slot), search: 1, unique: 1, old: 1, next: 2);
        _world.Time.Advance(_world.Options.ActivationDelay);
        AssertTwo(await _world.WriteAsync(slot), search: 2, unique: 1, old: 1, next: 2);

        // P2: the time comes within one snapshot.
        PassRefresh();
        await SetUniqueFromAsync(2, _world.Options.RefreshInterval);
        var ring = await slot.ReloadAsync(_world.Store, RingUse.Read, CancellationToken.None);
        _world.Time.Advance(_world.Options.RefreshInterval - TimeSpan.FromTicks(1));
        AssertTwo(ring, search: 2, unique: 1, old: 1, next: 2);
        _world.Time.Advance(TimeSpan.FromTicks(1));
        AssertTwo(ring, search: 2, unique: 2, old: 1, next: 2);

        PassRefresh();
        await RetireAsync(1);
        AssertOne(await slot.ReloadAsync(_world.Store, RingUse.Write, CancellationToken.None), 2);
        AssertOne(await _world.WriteAsync(_world.NewSlot()), 2);
    }

    [Fact]
    public async Task Third_search_version_follows_after_the_first_was_retired_and_unique_values_stay_until_they_move_again()
    {
        var slot = await ReachLastPhaseAsync();

        Assert.Equal(3, (await _world.RotateSearchAsync(slot, TimeSpan.Zero)).Number);

        AssertTwo(await _world.WriteAsync(slot), search: 3, unique: 2, old: 2, next: 3);
        PassRefresh();
        await SetUniqueFromAsync(3, TimeSpan.Zero);
        AssertTwo(await slot.ReloadAsync(_world.Store, RingUse.Write, CancellationToken.None), search: 3, unique: 3, old: 2, next: 3);
        PassRefresh();
        await RetireAsync(2);
        AssertOne(await slot.ReloadAsync(_world.Store, RingUse.Write, CancellationToken.None), 3);
    }

    [Fact]
    public async Task Retired_version_still_decrypts_and_writes_nothing()
    {
        var slot = await _world.WarmSlotAsync();
        var envelope = TestRings.Encrypt(slot.GetFresh(RingUse.Write)!.Primary, "t.c", "of a backup");
        await ReachLastPhaseAsync(slot);

        foreach (var ring in new[] { await _world.WriteAsync(slot), await _world.WriteAsync(_world.NewSlot()) })
        {
            Assert.True(TestRings.TryDecrypt<string>(ring, "t.c", envelope, out var value));
            Assert.Equal("of a backup", value);
            Assert.Equal([2], ring.FindWriting().Select(k => k.Version.Number));
        }
    }

    [Fact]
    public async Task Newer_version_that_is_retired_is_never_primary()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot, TimeSpan.Zero);
        _world.Store[2] = _world.Store[2] with { RetiredAt = _world.Time.GetUtcNow() };

        Assert.Equal(1, (await _world.WriteAsync(_world.NewSlot())).Primary.Version.Number);

        // Once the older one has had its last time, too, there is none: a retired one does not step in.
        PassRefresh();
        var ring = await _world.WriteAsync(_world.NewSlot());
        Assert.Null(ring.FindPrimary());
        Assert.Equal(2, KeyRing.RequireKey(ring.Find(2)!).Version.Number);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(-3)]
    [InlineData(-24)]
    [InlineData(-24 * 30)]
    public async Task Clock_that_is_set_back_brings_no_retired_version_back(int hours)
    {
        await ReachLastPhaseAsync();
        _world.Store.ClockSkew = TimeSpan.FromHours(hours);

        AssertOne(await _world.WriteAsync(_world.NewSlot()), 2);
    }

    [Fact]
    public async Task Clock_that_is_set_back_between_the_phases_writes_first_values_under_the_old_version_and_second_ones_under_the_new()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot, TimeSpan.Zero);
        PassRefresh();
        await SetUniqueFromAsync(2, TimeSpan.Zero);
        _world.Store.ClockSkew = TimeSpan.FromMinutes(-1);

        // Those that know the time already see what is written now by its second value.
        AssertTwo(await _world.WriteAsync(_world.NewSlot()), search: 2, unique: 1, old: 1, next: 2);
    }

    [Fact]
    public async Task Version_left_unproved_and_retired_is_not_adopted_by_a_rotation()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Store[2] = _world.Store[1] with
        {
            Version = RingWorld.Version(2), EncryptsFrom = null, SearchesFrom = null, RetiredAt = _world.Time.GetUtcNow(),
        };

        Assert.Equal(3, (await _world.RotateAsync(slot, TimeSpan.Zero)).Number);
        Assert.Equal(3, (await _world.WriteAsync(slot)).Primary.Version.Number);
    }

    private static void AssertOne(KeyRing ring, int number)
    {
        Assert.Equal((number, number), (ring.SearchPrimary.Version.Number, ring.UniquePrimary.Version.Number));
        Assert.Equal((number, number), (ring.FindSearchKey(0)!.Version.Number, ring.FindSearchKey(1)!.Version.Number));
        Assert.Equal(number, ring.Primary.Version.Number);
        Assert.Null(ring.UniqueNext);
        Assert.False(ring.IsSearchRotating);
    }

    private static void AssertTwo(KeyRing ring, int search, int unique, int old, int next)
    {
        Assert.Equal((search, unique, next), (ring.SearchPrimary.Version.Number, ring.UniquePrimary.Version.Number, ring.UniqueNext!.Version.Number));
        Assert.Equal((old, next), (ring.FindSearchKey(0)!.Version.Number, ring.FindSearchKey(1)!.Version.Number));
        Assert.True(ring.IsSearchRotating);
        Assert.Superset(new HashSet<int> { search, unique, next }, ring.FindWriting().Select(k => k.Version.Number).ToHashSet());
    }

    private async Task<KeyRingSlot> ReachLastPhaseAsync(KeyRingSlot? slot = null)
    {
        slot ??= await _world.WarmSlotAsync();
        await _world.RotateSearchAsync(slot, TimeSpan.FromHours(2));
        _world.Time.Advance(TimeSpan.FromHours(2));
        PassRefresh();
        await SetUniqueFromAsync(2, TimeSpan.Zero);
        PassRefresh();
        await RetireAsync(1);
        return slot;
    }

    private void PassRefresh() => _world.Time.Advance(_world.Options.RefreshInterval + TimeSpan.FromTicks(1));

    private async Task SetUniqueFromAsync(int number, TimeSpan delay)
        => await _world.NewAdministration().SetUniqueFromAsync(
            _world.Store, RingWorld.Version(number), _world.Time.GetUtcNow() + delay, CancellationToken.None);

    private async Task RetireAsync(int number)
        => await _world.NewAdministration().MarkRetiredAsync(
            _world.Store, RingWorld.Version(number), hasComparedColumns: true, CancellationToken.None);
}
