using EfEnvelope.Keys;
using EfEnvelope.Kms;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Tests;

/// <summary>How a ring is loaded, kept fresh, and kept alive in an outage.</summary>
public class KeyRingCacheTests
{
    private const int KeyUnwrapFail = 1001;
    private const int KeyRingRefreshFail = 1002;
    private const int KeyVersionRestore = 1004;

    private readonly RingWorld _world = new();

    [Fact]
    public async Task Cold_callers_share_one_load()
    {
        var first = await _world.WarmSlotAsync();
        await _world.RotateAsync(first);
        await _world.RotateAsync(first);
        var (reads, unwraps) = (_world.Store.Reads, _world.Kms.Unwraps);
        using var cache = _world.NewCache();

        var rings = await Task.WhenAll(Enumerable.Range(0, 64).Select(
            _ => Task.Run(async () => await _world.WriteAsync(cache.GetSlot(new KeyStoreIdentity(_world.Store, ""), RingWorld.Scope)))));

        Assert.Equal(1, _world.Store.Reads - reads);
        Assert.Equal(3, _world.Kms.Unwraps - unwraps);
        Assert.Single(rings.Distinct());
    }

    [Fact]
    public async Task Rows_that_another_address_of_the_database_stores_during_a_load_are_obeyed_when_it_ends()
    {
        await _world.WarmSlotAsync();
        using var cache = _world.NewCache();
        var slow = cache.GetSlot(new KeyStoreIdentity(_world.Store, "one"), RingWorld.Scope);
        var (read, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        _world.Store.AfterRead = async () =>
        {
            _world.Store.AfterRead = () => Task.CompletedTask;
            read.SetResult();
            await goOn.Task;
        };
        var loading = Task.Run(async () => await _world.ReadAsync(slow), TestContext.Current.CancellationToken);
        await read.Task;
        await _world.RotateAsync(cache.GetSlot(new KeyStoreIdentity(_world.Store, "other"), RingWorld.Scope));
        goOn.SetResult();

        await loading.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        Assert.Null(slow.GetFresh(RingUse.Read));
        Assert.Equal(2, (await _world.WriteAsync(slow)).Keys.Count);
    }

    [Fact]
    public async Task Version_that_is_destroyed_during_a_load_leaves_the_others_usable()
    {
        using var cache = _world.NewCache();
        var slot = cache.GetSlot(new KeyStoreIdentity(_world.Store, "one"), RingWorld.Scope);
        await _world.WriteAsync(slot);
        await _world.RotateAsync(slot, TimeSpan.Zero);
        await _world.WriteAsync(slot);
        _world.Store[1] = _world.Store[1] with { Status = KeyVersionStatus.Destroyed, Wrapped = null };
        _world.Time.Advance(_world.Options.RefreshInterval);
        _world.Store.AfterRead = () =>
        {
            _world.Store.AfterRead = () => Task.CompletedTask;
            cache.Follow(RingWorld.Scope, _world.Store.Rows);
            return Task.CompletedTask;
        };

        var ring = await _world.WriteAsync(slot);

        Assert.Equal(2, ring.Primary.Version.Number);
        Assert.NotEmpty(TestRings.Encrypt(ring.Primary, "t.c", "value"));
        Assert.NotEmpty(TestRings.Encrypt((await _world.WriteAsync(slot)).Primary, "t.c", "value"));
    }

    [Fact]
    public async Task Fresh_ring_is_given_without_any_io()
    {
        var slot = await _world.WarmSlotAsync();
        var journal = _world.Journal.Count;
        _world.Time.Advance(_world.Options.RefreshInterval * 0.79);

        Assert.True(_world.WriteAsync(slot).IsCompletedSuccessfully);
        Assert.Equal(journal, _world.Journal.Count);
    }

    [Fact]
    public async Task Processes_started_together_refresh_between_80_and_100_percent_of_the_interval_and_not_together()
    {
        List<KeyRingSlot> slots = [];
        for (var i = 0; i < 60; i++)
            slots.Add(await _world.WarmSlotAsync());
        int Due() => slots.Count(s => s.GetFresh(RingUse.Read) is null);

        _world.Time.Advance(_world.Options.RefreshInterval * 0.799);
        Assert.Equal(0, Due());
        _world.Time.Advance(_world.Options.RefreshInterval * 0.101);
        Assert.InRange(Due(), 1, 59);
        _world.Time.Advance(_world.Options.RefreshInterval * 0.101);
        Assert.Equal(60, Due());
    }

    [Fact]
    public async Task Due_ring_is_refreshed_by_one_caller_while_the_others_go_on()
    {
        var slot = await _world.DueSlotAsync();
        var (reads, unwraps) = (_world.Store.Reads, _world.Kms.Unwraps);
        var answer = new TaskCompletionSource();
        _world.Kms.Before = () => answer.Task;

        var refresher = _world.WriteAsync(slot).AsTask();
        while (_world.Kms.Unwraps == unwraps)
            await Task.Yield();

        for (var i = 0; i < 20; i++)
        {
            Assert.True(_world.WriteAsync(slot).IsCompletedSuccessfully);
            Assert.True(_world.ReadAsync(slot).IsCompletedSuccessfully);
        }

        Assert.False(refresher.IsCompleted);
        answer.SetResult();
        await refresher;
        Assert.Equal((1, 1), (_world.Store.Reads - reads, _world.Kms.Unwraps - unwraps));
        Assert.NotNull(slot.GetFresh(RingUse.Read));
    }

    [Fact]
    public async Task Ring_past_its_time_makes_everybody_wait_for_one_refresh()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Time.Advance(_world.Options.RefreshInterval);
        var unwraps = _world.Kms.Unwraps;
        var answer = new TaskCompletionSource();
        _world.Kms.Before = () => answer.Task;

        var callers = Enumerable.Range(0, 8).Select(_ => _world.WriteAsync(slot).AsTask()).ToList();
        while (_world.Kms.Unwraps == unwraps)
            await Task.Yield();
        Assert.DoesNotContain(callers, c => c.IsCompleted);
        answer.SetResult();

        Assert.Single((await Task.WhenAll(callers)).Distinct());
        Assert.Equal(1, _world.Kms.Unwraps - unwraps);
    }

    [Fact]
    public async Task Ring_past_its_time_reads_but_does_not_write_while_the_key_store_is_down()
    {
        var slot = await _world.DueSlotAsync();
        var outage = new IOException("The database is gone.");
        _world.Store.Failure = outage;

        // Only due: both go on.
        var key = (await _world.WriteAsync(slot)).Primary;
        await _world.ReadAsync(slot);
        _world.Time.Advance(_world.Options.RefreshInterval);

        Assert.Same(key, (await _world.ReadAsync(slot)).Primary);
        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.WriteAsync(slot).AsTask());
        Assert.Same(outage, e.InnerException);

        _world.Store.Failure = null;
        _world.Time.Advance(_world.Options.RetryInterval);
        Assert.Same(key, (await _world.WriteAsync(slot)).Primary);
    }

    [Fact]
    public async Task Ring_is_refused_even_to_readers_when_its_keys_were_last_proved_too_long_ago()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Store.Failure = new IOException("The database is gone.");

        _world.Time.Advance(_world.Options.RefreshInterval + _world.Options.StaleIfErrorFor - TimeSpan.FromTicks(1));
        await _world.ReadAsync(slot);
        _world.Time.Advance(TimeSpan.FromTicks(1));
        await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.ReadAsync(slot).AsTask());
    }

    [Fact]
    public async Task What_a_transaction_may_not_do_is_not_remembered_against_those_outside_of_it()
    {
        var slot = _world.NewSlot();
        var inside = new TransactionKeyStore(_world.Store);
        await Assert.ThrowsAsync<KeyUnavailableException>(() => slot.GetAsync(inside, RingUse.Write, CancellationToken.None).AsTask());

        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);
    }

    [Fact]
    public async Task Failing_key_store_is_asked_once_per_retry_interval()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Time.Advance(_world.Options.RefreshInterval);
        _world.Store.Failure = new IOException("The database is gone.");
        for (var i = 0; i < 60; i++)
        {
            await _world.ReadAsync(slot);
            _world.Time.Advance(_world.Options.RetryInterval / 10);
        }

        Assert.Equal(6, _world.Log.Count(KeyRingRefreshFail));
    }

    [Theory]
    [InlineData(1, KmsErrorKind.Unavailable)]
    [InlineData(23, KmsErrorKind.Unavailable)]
    [InlineData(23, KmsErrorKind.Timeout)]
    [InlineData(23, KmsErrorKind.Throttled)]
    [InlineData(23, KmsErrorKind.Unauthenticated)]
    public async Task Outage_of_the_kms_is_survived_with_one_warning_per_retry_interval(int hours, KmsErrorKind kind)
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        _world.Kms.Failure = kind;
        var step = TimeSpan.FromSeconds(10);
        for (var past = TimeSpan.Zero; past < TimeSpan.FromHours(hours); past += step)
        {
            _world.Time.Advance(step);
            Assert.Same(key, (await _world.WriteAsync(slot)).Primary);
            Assert.Same(key, KeyRing.RequireKey((await _world.ReadAsync(slot)).Find(1)!));
        }

        var warnings = _world.Log.Events.Where(e => e.Id == KeyUnwrapFail).ToList();
        Assert.All(warnings, w => Assert.Equal(LogLevel.Warning, w.Level));
        Assert.All(warnings.Zip(warnings.Skip(1)), pair => Assert.Equal(_world.Options.RetryInterval, pair.Second.At - pair.First.At));
        Assert.InRange(warnings.Count, ((hours - 1) * 60) + 1, ((hours - 1) * 60) + 13);

        // Mended: the next retry proves the key, and it is the same one.
        _world.Kms.Failure = null;
        _world.Time.Advance(_world.Options.RetryInterval);
        Assert.Same(key, (await _world.WriteAsync(slot)).Primary);
        _world.Time.Advance(_world.Options.RefreshInterval * 0.79);
        Assert.NotNull(slot.GetFresh(RingUse.Read));
    }

    [Fact]
    public async Task Outage_of_the_kms_beyond_the_stated_time_ends_the_use_of_the_keys_and_zeroes_them()
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        _world.Kms.Failure = KmsErrorKind.Unavailable;
        _world.Time.Advance(_world.Options.RefreshInterval + _world.Options.StaleIfErrorFor - TimeSpan.FromTicks(1));
        Assert.Same(key, (await _world.WriteAsync(slot)).Primary);

        _world.Time.Advance(_world.Options.RetryInterval);

        var ring = await _world.WriteAsync(slot);
        var e = Assert.Throws<KeyUnavailableException>(() => ring.Primary);
        Assert.Equal(KmsErrorKind.Unavailable, Assert.IsType<KmsException>(e.InnerException).Kind);
        Assert.Throws<KeyUnavailableException>(() => KeyRing.RequireKey(ring.Find(1)!));
        Assert.All(TestRings.MemoryOf(key), b => Assert.Equal(0, b));

        _world.Kms.Failure = null;
        _world.Time.Advance(_world.Options.RetryInterval);
        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);
    }

    [Theory]
    [InlineData(KmsErrorKind.AccessDenied)]
    [InlineData(KmsErrorKind.Disabled)]
    [InlineData(KmsErrorKind.PendingDeletion)]
    [InlineData(KmsErrorKind.NotFound)]
    [InlineData(KmsErrorKind.NotFoundOrDenied)]
    [InlineData(KmsErrorKind.WrongKey)]
    public async Task Refusal_of_the_kms_is_obeyed_at_the_next_refresh(KmsErrorKind kind)
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        _world.Time.Advance(_world.Options.RefreshInterval);
        _world.Kms.Failure = kind;

        var ring = await _world.WriteAsync(slot);

        Assert.Throws<KeyUnavailableException>(() => ring.Primary);
        Assert.Throws<KeyUnavailableException>(() => KeyRing.RequireKey(ring.Find(1)!));
        Assert.All(TestRings.MemoryOf(key), b => Assert.Equal(0, b));
    }

    [Fact]
    public async Task Version_refused_for_good_does_not_take_the_others_chance_to_outlive_an_outage()
    {
        var (refused, outage) = (false, false);
        _world.Wrapper = new ChoosyKms(
            _world.Kms, c => refused && c.Pairs["version"] == "1" ? KmsErrorKind.AccessDenied : outage ? KmsErrorKind.Unavailable : null);
        var slot = await TwoVersionsAsync();
        refused = true;
        for (var hour = 0; hour < 48; hour++)
        {
            _world.Time.Advance(TimeSpan.FromHours(1));
            Assert.Equal(2, (await _world.WriteAsync(slot)).Primary.Version.Number);
        }

        outage = true;
        _world.Time.Advance(TimeSpan.FromHours(1));

        Assert.Equal(2, (await _world.WriteAsync(slot)).Primary.Version.Number);
        _world.Time.Advance(TimeSpan.FromHours(20));
        Assert.Equal(2, (await _world.WriteAsync(slot)).Primary.Version.Number);
    }

    [Fact]
    public async Task Slow_kms_does_not_make_the_ring_look_younger_than_its_read()
    {
        await _world.WarmSlotAsync();
        _world.Kms.Before = () =>
        {
            _world.Time.Advance(TimeSpan.FromMinutes(40));
            return Task.CompletedTask;
        };

        var ring = await _world.ReadAsync(_world.NewSlot());

        Assert.Equal(TimeSpan.FromMinutes(40), ring.Age);
        Assert.Equal(_world.Time.GetUtcNow(), ring.StoreTime);
    }

    [Theory]
    [InlineData(KmsErrorKind.Unavailable)]
    [InlineData(KmsErrorKind.AccessDenied)]
    public async Task Kms_out_of_reach_at_the_very_start_stores_nothing_and_is_remembered_briefly(KmsErrorKind kind)
    {
        var slot = _world.NewSlot();
        _world.Kms.Failure = kind;

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.WriteAsync(slot).AsTask());
        Assert.Contains("'clinic:v1'", e.Message, StringComparison.Ordinal);
        Assert.Equal(kind, Assert.IsType<KmsException>(e.InnerException).Kind);
        Assert.Empty(_world.Store.Rows);

        await RememberedBrieflyAsync(slot, () => _world.Kms.Wraps);
    }

    [Fact]
    public async Task Kms_out_of_reach_when_a_process_starts_is_said_clearly_and_remembered_briefly()
    {
        await _world.WarmSlotAsync();
        var slot = _world.NewSlot();
        _world.Kms.Failure = KmsErrorKind.Unavailable;

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.ReadAsync(slot).AsTask());
        Assert.IsType<KmsException>(e.InnerException);

        await RememberedBrieflyAsync(slot, () => _world.Kms.Unwraps);
    }

    [Fact]
    public async Task Unknown_key_number_is_looked_up_once_per_negative_cache_time()
    {
        var slot = await _world.WarmSlotAsync();
        for (var round = 0; round < 3; round++)
        {
            var reads = _world.Store.Reads;
            await Task.WhenAll(Enumerable.Range(0, 16).Select(thread => Task.Run(async () =>
            {
                for (var i = 0; i < 50; i++)
                {
                    var number = (uint)(1000 + (thread * 50) + i);
                    Assert.Null((await slot.ReloadForUnknownAsync(_world.Store, number, CancellationToken.None)).Find(number));
                }
            })));
            Assert.Equal(1, _world.Store.Reads - reads);
            _world.Time.Advance(_world.Options.NegativeCacheTime);
        }
    }

    [Fact]
    public async Task Version_made_by_another_process_is_found_by_its_number()
    {
        var (writer, reader) = (await _world.WarmSlotAsync(), await _world.WarmSlotAsync());
        await _world.RotateAsync(writer, TimeSpan.Zero);
        Assert.Null(reader.GetFresh(RingUse.Read)!.Find(2));

        var ring = await reader.ReloadForUnknownAsync(_world.Store, 2, CancellationToken.None);

        Assert.Equal(2, KeyRing.RequireKey(ring.Find(2)!).Version.Number);
        Assert.Same(ring, reader.GetFresh(RingUse.Read));
    }

    [Fact]
    public async Task Row_lost_from_the_key_store_is_put_back_with_an_alarm()
    {
        var slot = await _world.WarmSlotAsync();
        var lost = _world.Store[1];
        _world.Store.Remove(1);
        _world.Time.Advance(_world.Options.RefreshInterval);

        var ring = await _world.WriteAsync(slot);

        Assert.Equal(1, ring.Primary.Version.Number);
        Assert.Equal(lost, _world.Store[1]);
        Assert.Equal(LogLevel.Critical, Assert.Single(_world.Log.Events, e => e.Id == KeyVersionRestore).Level);
    }

    [Fact]
    public async Task Kms_that_unwraps_to_other_bytes_raises_the_alarm()
    {
        await _world.WarmSlotAsync();
        _world.Wrapper = new LyingKms(_world.Kms);
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => _world.ReadAsync(_world.NewSlot()).AsTask());

        _world.Wrapper = new LyingKms(_world.Kms) { Length = 31 };
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => _world.ReadAsync(_world.NewSlot()).AsTask());
    }

    [Fact]
    public async Task Altered_row_of_one_version_leaves_the_others_readable_and_writable()
    {
        var warm = await TwoVersionsAsync();
        var envelope = TestRings.Encrypt(KeyRing.RequireKey(warm.GetFresh(RingUse.Read)!.Find(1)!), "t.c", "old");
        var dropped = warm.GetFresh(RingUse.Read)!.Find(1)!.Key!;
        _world.Store[1] = _world.Store[1] with { Commitment = new byte[DataKey.CommitmentLength] };
        _world.Time.Advance(_world.Options.RefreshInterval);

        foreach (var slot in new[] { warm, _world.NewSlot() })
        {
            var ring = await _world.WriteAsync(slot);
            Assert.Equal(2, ring.Primary.Version.Number);
            Assert.True(TestRings.TryDecrypt<string>(ring, "t.c", TestRings.Encrypt(ring.Primary, "t.c", "new"), out var value));
            Assert.Equal("new", value);
            var e = Assert.Throws<EnvelopeDecryptionException>(() => TestRings.TryDecrypt<string>(ring, "t.c", envelope, out _));
            Assert.Contains("commitment", e.Message, StringComparison.Ordinal);
            Assert.Contains("'clinic:v1'", e.Message, StringComparison.Ordinal);
        }

        Assert.All(TestRings.MemoryOf(dropped), b => Assert.Equal(0, b));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Wrapped_key_moved_to_another_version_is_refused(bool kmsIgnoresTheContext)
    {
        if (kmsIgnoresTheContext)
            _world.Wrapper = new ForgetfulKms(_world.Kms);
        await TwoVersionsAsync();
        _world.Store[2] = _world.Store[2] with { Wrapped = _world.Store[1].Wrapped, Commitment = _world.Store[1].Commitment };

        await AssertAlarmAsync(2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Wrapped_key_moved_to_another_scope_is_refused(bool kmsIgnoresTheContext)
    {
        if (kmsIgnoresTheContext)
            _world.Wrapper = new ForgetfulKms(_world.Kms);
        await _world.WarmSlotAsync();
        _world.Store.RowsOf(new KeyScope("lab"))[1] = _world.Store[1] with { Version = new KeyVersion(new KeyScope("lab"), 1) };
        var slot = _world.NewCache().GetSlot(new KeyStoreIdentity(_world.Store, ""), new KeyScope("lab"));

        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => _world.ReadAsync(slot).AsTask());
    }

    [Fact]
    public async Task Disabled_version_is_dropped_at_the_next_refresh_and_comes_back_when_it_is_enabled()
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        _world.Store[1] = _world.Store[1] with { Status = KeyVersionStatus.Disabled };
        _world.Time.Advance(_world.Options.RefreshInterval);
        var ring = await _world.ReadAsync(slot);

        var e = Assert.Throws<KeyUnavailableException>(() => KeyRing.RequireKey(ring.Find(1)!));
        Assert.Contains("disabled", e.Message, StringComparison.Ordinal);
        Assert.All(TestRings.MemoryOf(key), b => Assert.Equal(0, b));

        _world.Store[1] = _world.Store[1] with { Status = KeyVersionStatus.Enabled };
        _world.Time.Advance(_world.Options.RefreshInterval);
        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);
    }

    [Fact]
    public async Task Scope_whose_versions_were_all_destroyed_gets_no_new_key()
    {
        await _world.WarmSlotAsync();
        _world.Store[1] = _world.Store[1] with { Status = KeyVersionStatus.Destroyed, Wrapped = null };

        var ring = await _world.ReadAsync(_world.NewSlot());

        Assert.Throws<KeyDestroyedException>(() => KeyRing.RequireKey(ring.Find(1)!));
        Assert.Throws<KeyDestroyedException>(() => ring.Primary);
        Assert.Single(_world.Store.Rows);
    }

    [Fact]
    public async Task Refresh_keeps_the_key_in_use_with_its_ciphers()
    {
        var slot = await _world.WarmSlotAsync();
        var key = slot.GetFresh(RingUse.Read)!.Primary;
        var envelope = TestRings.Encrypt(key, "t.c", "value");
        for (var i = 0; i < 5; i++)
        {
            _world.Time.Advance(_world.Options.RefreshInterval);
            Assert.Same(key, (await _world.WriteAsync(slot)).Primary);
        }

        Assert.Equal("value", TestRings.Decrypt<string>(key, "t.c", envelope));
    }

    [Fact]
    public async Task Disposing_the_cache_zeroes_every_key()
    {
        var cache = _world.NewCache();
        var slot = cache.GetSlot(new KeyStoreIdentity(_world.Store, ""), RingWorld.Scope);
        var key = (await _world.WriteAsync(slot)).Primary;

        cache.Dispose();

        Assert.All(TestRings.MemoryOf(key), b => Assert.Equal(0, b));
        Assert.Throws<KeyUnavailableException>(() => TestRings.Encrypt(key, "t.c", "value"));
    }

    [Fact]
    public async Task Log_and_error_texts_hold_no_key_byte()
    {
        var slot = await TwoVersionsAsync();
        var keys = slot.GetFresh(RingUse.Read)!.Keys.Select(k => TestRings.MemoryOf(k.Key!).ToArray()).ToList();
        _world.Kms.Failure = KmsErrorKind.AccessDenied;
        _world.Time.Advance(_world.Options.RefreshInterval);
        var ring = await _world.WriteAsync(slot);
        var error = Assert.Throws<KeyUnavailableException>(() => ring.Primary).ToString();

        foreach (var text in _world.Log.Events.Select(e => e.Text).Append(error).Append(ring.ToString()).Append(ring.Keys[0].ToString()))
        {
            foreach (var key in keys)
            {
                Assert.DoesNotContain(Convert.ToHexString(key)[..8], text, StringComparison.OrdinalIgnoreCase);
                Assert.DoesNotContain(Convert.ToBase64String(key)[..8], text, StringComparison.Ordinal);
            }
        }
    }

    private async Task<KeyRingSlot> TwoVersionsAsync()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot, TimeSpan.Zero);
        Assert.Equal(2, slot.GetFresh(RingUse.Read)!.Primary.Version.Number);
        return slot;
    }

    private async Task AssertAlarmAsync(uint number)
    {
        var slot = _world.NewSlot();
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(async () => KeyRing.RequireKey((await _world.ReadAsync(slot)).Find(number)!));
    }

    private async Task RememberedBrieflyAsync(KeyRingSlot slot, Func<int> calls)
    {
        var before = calls();
        _world.Time.Advance(_world.Options.NegativeCacheTime - TimeSpan.FromTicks(1));
        for (var i = 0; i < 10; i++)
            await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.WriteAsync(slot).AsTask());
        Assert.Equal(before, calls());

        _world.Time.Advance(TimeSpan.FromTicks(1));
        await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.WriteAsync(slot).AsTask());
        Assert.Equal(before + 1, calls());

        _world.Kms.Failure = null;
        _world.Time.Advance(_world.Options.NegativeCacheTime);
        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);
    }
}
