using EfEnvelope.Diagnostics;
using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

/// <summary>An instance with an old ring may read, but does not write under a version whose time is up, or that was retired or destroyed meanwhile.</summary>
public class FenceTests
{
    private readonly RingWorld _world = new();

    [Fact]
    public async Task Instance_that_never_hears_of_a_rotation_stops_writing_before_the_old_version_may_be_retired()
    {
        var old = await _world.WarmSlotAsync();
        await _world.RotateAsync(await _world.WarmSlotAsync(), TimeSpan.Zero);
        var until = _world.Store[1].EncryptsUntil!.Value;
        _world.Store.Failure = new KeyUnavailableException("gone");
        var wrote = 0;
        for (; _world.Time.GetUtcNow() <= until; _world.Time.Advance(TimeSpan.FromMinutes(1)), wrote++)
        {
            if (await Record.ExceptionAsync(() => _world.WriteAsync(old).AsTask()) is not { } failure)
                continue;
            Assert.Equal(Messages.RingMustNotWrite(RingWorld.Scope), failure.Message);
            break;
        }

        Assert.Equal(60, wrote);
        while (_world.Time.GetUtcNow() <= until.AddHours(20))
        {
            _world.Time.Advance(TimeSpan.FromMinutes(10));
            await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.WriteAsync(old).AsTask());
            Assert.Equal(1, KeyRing.RequireKey((await _world.ReadAsync(old)).Find(1)!).Version.Number);
        }

        // It comes back: it reads anew, and writes under the new one.
        _world.Store.Failure = null;
        _world.Time.Advance(_world.Options.RetryInterval);
        Assert.Equal(2, (await _world.WriteAsync(old)).Primary.Version.Number);
    }

    [Fact]
    public async Task Old_snapshot_encrypts_under_no_version_past_its_last_time()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot, TimeSpan.Zero);
        _world.Store[2] = _world.Store[2] with { Status = KeyVersionStatus.Disabled };
        var ring = await slot.ReloadAsync(_world.Store, RingUse.Read, CancellationToken.None);
        _world.Time.Advance(_world.Options.RefreshInterval);
        Assert.Equal(1, ring.Primary.Version.Number);

        _world.Time.Advance(TimeSpan.FromTicks(1));

        Assert.Throws<KeyUnavailableException>(() => ring.Primary);
        Assert.Equal(1, KeyRing.RequireKey(ring.Find(1)!).Version.Number);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ring_that_is_replaced_after_a_retirement_writes_under_the_new_version(bool destroyed)
    {
        var slot = await WarmSlotWithNewerVersionAsync();
        var stale = slot.GetFresh(RingUse.Write)!;
        await RetireAsync(destroyed);

        var ring = await slot.ReplaceAsync(_world.Store, stale, CancellationToken.None);

        Assert.Equal(2, ring.Primary.Version.Number);
        Assert.Equal([2], ring.FindWriting().Select(k => k.Version.Number));
        Assert.Equal(destroyed, ring.Find(1)!.Key is null);
    }

    [Fact]
    public async Task Ring_cannot_be_replaced_while_the_key_store_is_out_of_reach_and_still_reads()
    {
        var slot = await WarmSlotWithNewerVersionAsync();
        var stale = slot.GetFresh(RingUse.Write)!;
        await RetireAsync(destroyed: true);
        _world.Store.Failure = new KeyUnavailableException("gone");

        await Assert.ThrowsAsync<KeyUnavailableException>(() => slot.ReplaceAsync(_world.Store, stale, CancellationToken.None).AsTask());

        Assert.Same(stale, await _world.ReadAsync(slot));
        Assert.Equal(1, KeyRing.RequireKey(stale.Find(1)!).Version.Number);
    }

    [Fact]
    public async Task Writers_that_found_together_that_their_ring_is_stale_read_it_anew_once()
    {
        var slot = await WarmSlotWithNewerVersionAsync();
        var stale = slot.GetFresh(RingUse.Write)!;
        await RetireAsync(destroyed: false);
        var reads = _world.Store.Reads;

        var rings = await Task.WhenAll(
            Enumerable.Range(0, 16).Select(_ => Task.Run(async () => await slot.ReplaceAsync(_world.Store, stale, CancellationToken.None))));

        Assert.Single(rings.Distinct());
        Assert.Equal(1, _world.Store.Reads - reads);
        Assert.Equal(2, rings[0].Primary.Version.Number);
    }

    [Fact]
    public async Task Reloading_to_read_makes_no_version()
    {
        var slot = _world.NewSlot();

        Assert.Empty((await slot.ReloadAsync(_world.Store, RingUse.Read, CancellationToken.None)).Keys);
        Assert.Empty(_world.Store.Rows);
        Assert.Equal(1, (await slot.ReloadAsync(_world.Store, RingUse.Write, CancellationToken.None)).Primary.Version.Number);
    }

    // Its ring says that version 1 is searched, and version 2 the primary.
    private async Task<KeyRingSlot> WarmSlotWithNewerVersionAsync()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot, TimeSpan.Zero);
        _world.Time.Advance(_world.Options.RefreshInterval + TimeSpan.FromTicks(1));
        Assert.Equal([1, 2], (await _world.WriteAsync(slot)).FindWriting().Select(k => k.Version.Number).Order());
        return slot;
    }

    private async Task RetireAsync(bool destroyed)
    {
        var (administration, version) = (_world.NewAdministration(), RingWorld.Version(1));
        await administration.MarkRetiredAsync(_world.Store, version, hasComparedColumns: false, CancellationToken.None);
        if (destroyed)
            await administration.DestroyAsync(_world.Store, version, TimeSpan.Zero, CancellationToken.None);
    }
}
