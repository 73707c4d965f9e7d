using EfEnvelope.Diagnostics;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using EfEnvelope.Specification.TestUtilities;

namespace EfEnvelope.Tests;

/// <summary>The key between the KMS and the data keys: few requests for any number of scopes, and a KMS that nobody waits for.</summary>
public class IntermediateKeyTests
{
    private static readonly KeyScope Lab = new("lab");

    private readonly RingWorld _world = new();

    public IntermediateKeyTests() => _world.Options = _world.Options with { UsesIntermediateKey = true };

    private IReadOnlyDictionary<int, StoredKey> Intermediates => _world.Store.RowsOf(KeyScope.Intermediate);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Kms_wraps_the_intermediate_key_and_that_wraps_the_data_keys()
    {
        await _world.WarmSlotAsync();

        Assert.Equal("intermediate:1", Assert.Single(_world.Store[1].Wrapped!.Copies).Kek.ToString());
        Assert.Equal("test:test", Assert.Single(Intermediates[1].Wrapped!.Copies).Kek.ToString());
        Assert.NotNull(Intermediates[1].EncryptsFrom);
    }

    [Fact]
    public async Task Hundred_thousand_scopes_cost_the_requests_of_one_and_each_is_shredded_alone()
    {
        const int Scopes = 100_000;
        var first = _world.NewCache();
        for (var i = 0; i < Scopes; i++)
            await WriteAsync(first, Tenant(i));
        var (wraps, unwraps) = (_world.Kms.Wraps, _world.Kms.Unwraps);
        Assert.InRange(wraps + unwraps, 2, 3);

        var second = _world.NewCache();
        for (var i = 0; i < Scopes; i++)
            _ = (await ReadAsync(second, Tenant(i))).Primary;
        Assert.Equal((wraps, unwraps + 1), (_world.Kms.Wraps, _world.Kms.Unwraps));

        Assert.Single(await _world.NewAdministration().ShredAsync(_world.Store, Tenant(77), Token));
        var third = _world.NewCache();
        var e = await Assert.ThrowsAsync<KeyDestroyedException>(() => WriteAsync(third, Tenant(77)));
        Assert.Equal(Messages.ScopeShredded(Tenant(77)), e.Message);
        _ = (await ReadAsync(third, Tenant(76))).Primary;
        _ = (await ReadAsync(third, Tenant(78))).Primary;

        static KeyScope Tenant(int number) => new($"tenant-{number}");
    }

    [Fact]
    public async Task Shredded_scope_is_dropped_by_a_running_process_at_its_next_refresh_and_never_gets_a_new_key()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot);
        await _world.NewAdministration().ShredAsync(_world.Store, RingWorld.Scope, Token);
        _world.Time.Advance(_world.Options.RefreshInterval);

        var ring = await _world.ReadAsync(slot);
        Assert.Throws<KeyDestroyedException>(() => KeyRing.RequireKey(ring.Find(1)!));
        Assert.Throws<KeyDestroyedException>(() => ring.Primary);
        Assert.Throws<KeyDestroyedException>(() => ring.FindSearchKey(0));
        Assert.Throws<KeyDestroyedException>(() => ring.FindSearchKey(1));
        await Assert.ThrowsAsync<KeyDestroyedException>(() => _world.RotateAsync(slot).AsTask());
        Assert.Equal(2, _world.Store.Rows.Count);
        Assert.All(_world.Store.Rows, r => Assert.Null(r.Wrapped));
    }

    [Fact]
    public async Task Slow_kms_delays_a_caller_for_a_second_and_no_longer()
    {
        var slot = await _world.WarmSlotAsync();
        var (asked, answer) = (new TaskCompletionSource(), new TaskCompletionSource());
        _world.Kms.Before = () => Wait(asked, answer);
        _world.Time.Advance(_world.Options.RefreshInterval);

        var caller = _world.WriteAsync(slot).AsTask();
        await asked.Task.WaitAsync(Token);
        Assert.False(caller.IsCompleted);
        Assert.Equal(1, (await PatientlyAsync(caller)).Primary.Version.Number);

        // The next one finds the question asked already, and does not wait at all.
        _world.Time.Advance(_world.Options.RefreshInterval);
        _ = (await _world.WriteAsync(slot).AsTask().WaitAsync(TimeSpan.FromMinutes(5), Token)).Primary;
        answer.SetResult();
    }

    [Fact]
    public async Task Outage_of_the_kms_is_survived_for_the_stated_time_by_all_scopes_new_ones_included()
    {
        var slot = await _world.WarmSlotAsync();
        var cache = _world.NewCache();
        await WriteAsync(cache, RingWorld.Scope);
        _world.Kms.Failure = KmsErrorKind.Unavailable;

        _world.Time.Advance(_world.Options.RefreshInterval + _world.Options.StaleIfErrorFor - TimeSpan.FromMinutes(1));
        _ = (await _world.WriteAsync(slot)).Primary;
        _ = (await WriteAsync(cache, RingWorld.Scope)).Primary;
        _ = (await WriteAsync(cache, Lab)).Primary;

        _world.Time.Advance(TimeSpan.FromMinutes(1));
        await Assert.ThrowsAnyAsync<KeyUnavailableException>(async () => _ = (await _world.WriteAsync(slot)).Primary);
        await Assert.ThrowsAnyAsync<KeyUnavailableException>(async () => _ = (await WriteAsync(cache, new KeyScope("another"))).Primary);

        _world.Kms.Failure = null;
        _world.Time.Advance(_world.Options.RetryInterval);
        _ = (await _world.WriteAsync(slot)).Primary;
    }

    [Fact]
    public async Task Kms_that_is_out_of_reach_is_asked_once_in_the_retry_interval_for_all_scopes()
    {
        var cache = _world.NewCache();
        for (var i = 0; i < 50; i++)
            await WriteAsync(cache, new KeyScope($"tenant-{i}"));
        _world.Kms.Failure = KmsErrorKind.Timeout;
        _world.Time.Advance(_world.Options.RefreshInterval);
        var before = _world.Kms.Unwraps;

        for (var i = 0; i < 50; i++)
            _ = (await WriteAsync(cache, new KeyScope($"tenant-{i}"))).Primary;

        Assert.Equal(1, _world.Kms.Unwraps - before);
    }

    [Theory]
    [InlineData(KmsErrorKind.Disabled)]
    [InlineData(KmsErrorKind.AccessDenied)]
    [InlineData(KmsErrorKind.PendingDeletion)]
    [InlineData(KmsErrorKind.NotFound)]
    public async Task Refusal_of_the_kms_is_obeyed_at_the_next_refresh(KmsErrorKind kind)
    {
        var slot = await _world.WarmSlotAsync();
        _world.Kms.Failure = kind;
        _world.Time.Advance(_world.Options.RefreshInterval);

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(async () => _ = (await _world.WriteAsync(slot)).Primary);

        Assert.Equal(kind, Assert.IsType<KmsException>(e.InnerException).Kind);
    }

    [Fact]
    public async Task Refusal_that_comes_late_is_obeyed_by_every_scope_before_its_interval_is_over()
    {
        var cache = _world.NewCache();
        await WriteAsync(cache, RingWorld.Scope);
        await WriteAsync(cache, Lab);
        var (asked, answer) = (new TaskCompletionSource(), new TaskCompletionSource());
        _world.Kms.Before = () => Wait(asked, answer);
        _world.Time.Advance(_world.Options.RefreshInterval);
        var caller = WriteAsync(cache, RingWorld.Scope);
        await asked.Task.WaitAsync(Token);
        _ = (await PatientlyAsync(caller)).Primary;
        _ = (await WriteAsync(cache, Lab)).Primary;

        _world.Kms.Failure = KmsErrorKind.AccessDenied;
        answer.SetResult();
        _world.Kms.Before = () => Task.CompletedTask;

        await EventuallyAsync(async () =>
        {
            await Assert.ThrowsAnyAsync<EnvelopeException>(async () => _ = (await WriteAsync(cache, RingWorld.Scope)).Primary);
            await Assert.ThrowsAnyAsync<EnvelopeException>(async () => _ = (await WriteAsync(cache, Lab)).Primary);
        });
    }

    [Fact]
    public async Task Processes_that_start_together_make_one_intermediate_key()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => WriteAsync(_world.NewCache(), new KeyScope($"tenant-{i}")))));

        Assert.Single(Intermediates);
        for (var i = 0; i < 8; i++)
            _ = (await ReadAsync(_world.NewCache(), new KeyScope($"tenant-{i}"))).Primary;
    }

    [Fact]
    public async Task Intermediate_key_that_a_process_left_unproved_is_proved_by_the_next()
    {
        await _world.WarmSlotAsync();
        Rows[1] = Intermediates[1] with { EncryptsFrom = null };

        await WriteAsync(_world.NewCache(), Lab);

        Assert.NotNull(Assert.Single(Intermediates).Value.EncryptsFrom);
    }

    [Fact]
    public async Task Intermediate_key_that_was_left_unproved_and_altered_is_put_aside()
    {
        await _world.WarmSlotAsync();
        Rows[1] = Intermediates[1] with { EncryptsFrom = null, Commitment = new byte[DataKey.CommitmentLength] };

        await WriteAsync(_world.NewCache(), Lab);

        Assert.Equal(KeyVersionStatus.Disabled, Intermediates[1].Status);
        Assert.Equal("intermediate:2", _world.Store.RowsOf(Lab)[1].Wrapped!.Copies.Single().Kek.ToString());
    }

    [Fact]
    public async Task Intermediate_key_that_was_left_unproved_and_that_the_kms_does_not_open_is_put_aside()
    {
        await _world.WarmSlotAsync();
        var altered = Intermediates[1].Wrapped!.Copies.Single() with { Ciphertext = new byte[60] };
        Rows[1] = Intermediates[1] with { EncryptsFrom = null, Wrapped = new WrappedKey(altered) };

        await WriteAsync(_world.NewCache(), Lab);

        Assert.Equal(KeyVersionStatus.Disabled, Intermediates[1].Status);
        Assert.Equal("intermediate:2", _world.Store.RowsOf(Lab)[1].Wrapped!.Copies.Single().Kek.ToString());
    }

    [Fact]
    public async Task Kms_that_does_not_open_what_it_wrapped_gets_no_data_key()
    {
        var e = await Assert.ThrowsAnyAsync<EnvelopeException>(() => WriteAsync(_world.NewCache(new LyingKms(_world.Kms)), RingWorld.Scope));

        Assert.Equal(Messages.CommitmentDiffers(new KeyVersion(KeyScope.Intermediate, 1)), e.Message);
        Assert.Empty(_world.Store.Rows);
        Assert.Null(Intermediates[1].EncryptsFrom);
    }

    [Fact]
    public async Task Row_that_vanished_is_put_back_with_the_data_key_that_is_under_it()
    {
        var slot = await _world.WarmSlotAsync();
        Rows.Clear();
        _world.Store.Remove(1);
        _world.Time.Advance(_world.Options.RefreshInterval);
        _ = (await _world.ReadAsync(slot)).Primary;

        Assert.Equal(1, (await _world.ReadAsync(_world.NewSlot())).Primary.Version.Number);
        Assert.Equal(2, _world.Log.Count(1004));
    }

    [Fact]
    public async Task Row_that_vanished_alone_is_put_back_at_the_next_refresh()
    {
        var slot = await _world.WarmSlotAsync();
        Rows.Clear();
        _world.Time.Advance(_world.Options.RefreshInterval);
        _ = (await _world.ReadAsync(slot)).Primary;

        Assert.Equal(1, (await _world.ReadAsync(_world.NewSlot())).Primary.Version.Number);
    }

    [Fact]
    public async Task Key_of_a_database_that_was_made_anew_is_put_back_under_the_intermediate_key_that_is_there_now()
    {
        var slot = await _world.WarmSlotAsync();
        Rows.Clear();
        _world.Store.Remove(1);
        await WriteAsync(_world.NewCache(), Lab);
        Assert.Single(Rows);

        _world.Time.Advance(_world.Options.RefreshInterval);
        var key = (await _world.WriteAsync(slot)).Primary;

        var other = (await _world.ReadAsync(_world.NewSlot())).Primary;
        Assert.Equal(key.DeriveCommitment(), other.DeriveCommitment());
        _ = (await ReadAsync(_world.NewCache(), Lab)).Primary;
        Assert.Single(Rows);
    }

    [Fact]
    public async Task Running_process_opens_the_keys_of_a_database_that_another_process_made_anew()
    {
        var slot = await _world.WarmSlotAsync();
        Rows.Clear();
        _world.Store.Remove(1);
        await WriteAsync(_world.NewCache(), RingWorld.Scope);

        _world.Time.Advance(_world.Options.RefreshInterval);

        Assert.Equal(
            (await _world.ReadAsync(_world.NewSlot())).Primary.DeriveCommitment(), (await _world.WriteAsync(slot)).Primary.DeriveCommitment());
    }

    [Fact]
    public async Task Intermediate_key_that_is_not_there_raises_the_alarm()
    {
        await _world.WarmSlotAsync();
        Rows.Clear();

        var e = await Assert.ThrowsAsync<EnvelopeDecryptionException>(async () => _ = (await _world.ReadAsync(_world.NewSlot())).Primary);

        Assert.Equal(Messages.IntermediateMissing(new KeyVersion(KeyScope.Intermediate, 1)), e.Message);
    }

    [Fact]
    public async Task Data_key_that_was_altered_or_moved_to_another_scope_or_version_does_not_open()
    {
        await _world.WarmSlotAsync();
        await WriteAsync(_world.NewCache(), Lab);
        var own = _world.Store[1];
        var copy = own.Wrapped!.Copies.Single();
        for (var i = 0; i < copy.Ciphertext.Length; i++)
        {
            var bytes = copy.Ciphertext.ToArray();
            bytes[i] ^= 1;
            _world.Store[1] = own with { Wrapped = new WrappedKey(copy with { Ciphertext = bytes }) };
            await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => _world.ReadAsync(_world.NewSlot()).AsTask());
        }

        _world.Store[1] = own with { Wrapped = _world.Store.RowsOf(Lab)[1].Wrapped };
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => _world.ReadAsync(_world.NewSlot()).AsTask());
        _world.Store[1] = own with { Wrapped = new WrappedKey(copy with { Ciphertext = copy.Ciphertext[..20] }) };
        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => _world.ReadAsync(_world.NewSlot()).AsTask());
        _world.Store[1] = own;
        _ = (await _world.ReadAsync(_world.NewSlot())).Primary;
    }

    [Fact]
    public async Task Keys_under_several_KEKs_open_while_any_one_service_answers_and_a_refusal_is_not_papered_over()
    {
        var (first, second) = (new TestKms("first"), new TestKms("second"));
        await WriteAsync(_world.NewCache(first, second), RingWorld.Scope);

        first.Failure = KmsErrorKind.Unavailable;
        _ = (await ReadAsync(_world.NewCache(first, second), RingWorld.Scope)).Primary;
        first.Failure = KmsErrorKind.AccessDenied;
        await Assert.ThrowsAsync<KeyUnavailableException>(() => ReadAsync(_world.NewCache(first, second), RingWorld.Scope));
        _ = (await ReadAsync(_world.NewCache(second), RingWorld.Scope)).Primary;
    }

    [Fact]
    public async Task Nearest_KMS_is_asked_first_in_each_region_whatever_the_order_was_that_wrapped()
    {
        var (first, second) = (new TestKms("first"), new TestKms("second"));
        await WriteAsync(_world.NewCache(first, second), RingWorld.Scope);
        var before = first.Unwraps;

        _ = (await ReadAsync(_world.NewCache(second, first), RingWorld.Scope)).Primary;

        Assert.Equal(before, first.Unwraps);
    }

    [Fact]
    public async Task KEKs_are_added_moved_and_removed_by_rewrapping_one_row_for_all_scopes()
    {
        var next = new TestKms("next");
        for (var i = 0; i < 5; i++)
            await WriteAsync(_world.NewCache(), new KeyScope($"tenant-{i}"));
        var dataKeys = Enumerable.Range(0, 5).Select(i => _world.Store.RowsOf(new KeyScope($"tenant-{i}"))[1]).ToList();

        var administration = _world.NewAdministration(next, _world.Kms);
        for (var i = 0; i < 5; i++)
            Assert.True(Assert.Single(await administration.RewrapAsync(_world.Store, new KeyScope($"tenant-{i}"), Token)).Changed);
        Assert.Equal(["test:next", "test:test"], Intermediates[1].Wrapped!.Copies.Select(c => c.Kek.ToString()));
        Assert.Equal(1, next.Wraps);

        await _world.NewAdministration(next).RewrapAsync(_world.Store, new KeyScope("tenant-0"), Token);
        Assert.Equal("test:next", Intermediates[1].Wrapped!.Copies.Single().Kek.ToString());
        Assert.Equal(dataKeys, Enumerable.Range(0, 5).Select(i => _world.Store.RowsOf(new KeyScope($"tenant-{i}"))[1]));
        for (var i = 0; i < 5; i++)
            _ = (await ReadAsync(_world.NewCache(next), new KeyScope($"tenant-{i}"))).Primary;
    }

    [Fact]
    public async Task Running_process_outlives_a_move_to_another_KEK_whose_former_one_is_deleted_then()
    {
        var next = new TestKms("next");
        var cache = _world.NewCache(_world.Kms, next);
        await WriteAsync(_world.NewCache(), RingWorld.Scope);
        await WriteAsync(cache, RingWorld.Scope);
        await _world.NewAdministration(next, _world.Kms).RewrapAsync(_world.Store, RingWorld.Scope, Token);
        await _world.NewAdministration(next).RewrapAsync(_world.Store, RingWorld.Scope, Token);
        _world.Kms.Failure = KmsErrorKind.NotFound;

        for (var i = 0; i < 5; i++)
        {
            _world.Time.Advance(_world.Options.RefreshInterval);
            _ = (await WriteAsync(cache, RingWorld.Scope)).Primary;
        }
    }

    [Fact]
    public async Task Running_process_follows_a_move_to_another_KEK_when_the_former_one_is_out_of_reach()
    {
        var next = new TestKms("next");
        await WriteAsync(_world.NewCache(), RingWorld.Scope);
        var cache = _world.NewCache(_world.Kms, next);
        await WriteAsync(cache, RingWorld.Scope);
        await _world.NewAdministration(next, _world.Kms).RewrapAsync(_world.Store, RingWorld.Scope, Token);
        await _world.NewAdministration(next).RewrapAsync(_world.Store, RingWorld.Scope, Token);
        _world.Kms.Failure = KmsErrorKind.Unavailable;

        for (var i = 0; i < 30; i++)
        {
            _world.Time.Advance(_world.Options.RefreshInterval);
            var ring = await WriteAsync(cache, RingWorld.Scope);
            Assert.True(ring.Unverified <= _world.Options.RefreshInterval);
            Assert.DoesNotContain(ring.Keys, k => k.Failure is not null);
        }
    }

    [Fact]
    public async Task Tenants_with_KEKs_of_their_own_share_a_database_and_no_key()
    {
        var (a, b) = (new TestKms("a"), new TestKms("b"));
        await WriteAsync(_world.NewCache(a), RingWorld.Scope);
        await WriteAsync(_world.NewCache(b), Lab);

        Assert.Equal(["test:a", "test:b"], Intermediates.Values.Select(k => k.Wrapped!.Copies.Single().Kek.ToString()));
        await _world.NewAdministration(a).RewrapAsync(_world.Store, RingWorld.Scope, Token);
        _ = (await ReadAsync(_world.NewCache(b), Lab)).Primary;
        b.Failure = KmsErrorKind.Disabled;
        _ = (await ReadAsync(_world.NewCache(a), RingWorld.Scope)).Primary;
        await Assert.ThrowsAsync<KeyUnavailableException>(() => ReadAsync(_world.NewCache(b), Lab));
    }

    [Fact]
    public async Task Keys_that_the_kms_wrapped_itself_open_as_ever_and_go_under_the_intermediate_key_when_they_are_rewrapped_and_back()
    {
        var direct = _world.Options with { UsesIntermediateKey = false };
        var between = _world.Options;
        _world.Options = direct;
        await _world.WarmSlotAsync();
        _world.Options = between;
        _ = (await _world.WriteAsync(_world.NewSlot())).Primary;
        Assert.Empty(Intermediates);

        await _world.NewAdministration().RewrapAsync(_world.Store, RingWorld.Scope, Token);
        Assert.Equal("intermediate:1", _world.Store[1].Wrapped!.Copies.Single().Kek.ToString());
        _ = (await _world.WriteAsync(_world.NewSlot())).Primary;

        _world.Options = direct;
        _ = (await _world.WriteAsync(_world.NewSlot())).Primary;
        await _world.NewAdministration().RewrapAsync(_world.Store, RingWorld.Scope, Token);
        Assert.Equal("test:test", _world.Store[1].Wrapped!.Copies.Single().Kek.ToString());
        _ = (await _world.WriteAsync(_world.NewSlot())).Primary;
    }

    [Fact]
    public async Task Recovery_key_wraps_offline_and_opens_everything_when_the_kms_is_lost()
    {
        using var rsa = System.Security.Cryptography.RSA.Create(3072);
        using var offline = new RecoveryKey(rsa.ExportSubjectPublicKeyInfoPem());
        using var online = new RecoveryKey(rsa.ExportPkcs8PrivateKeyPem());
        await WriteAsync(_world.NewCache(_world.Kms, offline), RingWorld.Scope);
        Assert.Equal(["test", "recovery"], Intermediates[1].Wrapped!.Copies.Select(c => c.Kek.Scheme));

        foreach (var length in (int[])[0, 15, 65, 5000])
        {
            var refused = await Assert.ThrowsAsync<KmsException>(() => offline.WrapAsync(new byte[length], EncryptionContext.Empty, Token).AsTask());
            Assert.Equal((KmsErrorKind.InvalidRequest, Messages.KeyNotWrappable(offline.Kek, length, 16, 64)), (refused.Kind, refused.Message));
        }

        // Day by day it is never asked, and an outage of the KMS is told as what it is.
        _ = (await ReadAsync(_world.NewCache(_world.Kms, offline), RingWorld.Scope)).Primary;
        _world.Kms.Failure = KmsErrorKind.Unavailable;
        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => ReadAsync(_world.NewCache(_world.Kms, offline), RingWorld.Scope));
        Assert.Equal(KmsErrorKind.Unavailable, Assert.IsType<KmsException>(e.InnerException).Kind);

        _ = (await ReadAsync(_world.NewCache(online), RingWorld.Scope)).Primary;
        var next = new TestKms("next");
        await _world.NewAdministration(next, online).RewrapAsync(_world.Store, RingWorld.Scope, Token);
        _ = (await ReadAsync(_world.NewCache(next, offline), RingWorld.Scope)).Primary;
    }

    [Fact]
    public async Task Requests_that_could_not_be_counted_disturb_nobody_and_are_counted_with_the_next_ring()
    {
        foreach (var failure in new Exception[] { new KeyUnavailableException("Out of reach."), new OverflowException() })
        {
            _world.Store.UsageFailure = failure;
            await WriteAsync(_world.NewCache(), new KeyScope(failure.GetType().Name));
        }

        var cache = _world.NewCache();
        _world.Store.UsageFailure = new OperationCanceledException();
        await Assert.ThrowsAsync<OperationCanceledException>(() => WriteAsync(cache, RingWorld.Scope));
        _world.Store.UsageFailure = null;
        await WriteAsync(cache, Lab);

        Assert.Equal(1, _world.Store.KmsRequests["unwrap test:test"]);
    }

    [Fact]
    public async Task Rings_are_measured_also_after_one_cache_of_them_was_disposed()
    {
        var (cache, other) = (_world.NewCache(), _world.NewCache());
        await WriteAsync(cache, RingWorld.Scope);
        await WriteAsync(other, RingWorld.Scope);
        var measured = new List<string>();
        using var listener = new System.Diagnostics.Metrics.MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument is { Meter.Name: "EfEnvelope", IsObservable: true })
                    l.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<int>((instrument, _, _, _) => measured.Add(instrument.Name));
        listener.SetMeasurementEventCallback<double>((instrument, _, _, _) => measured.Add(instrument.Name));
        listener.Start();

        cache.Dispose();
        listener.RecordObservableInstruments();

        Assert.Empty(cache.Rings);
        Assert.Single(other.Rings);
        Assert.Equal(["efenvelope.keyring.age", "efenvelope.keyring.count", "efenvelope.keyring.unverified"], measured.Order());
    }

    [Fact]
    public async Task Requests_to_the_kms_are_counted_in_the_key_store()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.WriteAsync(_world.NewSlot());
        for (var i = 0; i < 3; i++)
        {
            _world.Time.Advance(_world.Options.RefreshInterval);
            await _world.WriteAsync(slot);
        }

        Assert.Equal(_world.Kms.Wraps, _world.Store.KmsRequests["wrap test:test"]);
        Assert.InRange(_world.Store.KmsRequests["unwrap test:test"], _world.Kms.Unwraps - 1, _world.Kms.Unwraps);
    }

    private SortedDictionary<int, StoredKey> Rows => _world.Store.RowsOf(KeyScope.Intermediate);

    private Task<KeyRing> WriteAsync(KeyRingCache cache, KeyScope scope) => GetAsync(cache, scope, RingUse.Write);

    private Task<KeyRing> ReadAsync(KeyRingCache cache, KeyScope scope) => GetAsync(cache, scope, RingUse.Read);

    private async Task<KeyRing> GetAsync(KeyRingCache cache, KeyScope scope, RingUse use)
    {
        var ring = await cache.GetSlot(new KeyStoreIdentity(_world.Store, ""), scope).GetAsync(_world.Store, use, Token);
        if (use == RingUse.Write)
            _ = ring.Primary;
        return ring;
    }

    private static Task Wait(TaskCompletionSource asked, TaskCompletionSource answer)
    {
        asked.TrySetResult();
        return answer.Task;
    }

    // The clock goes on until the caller has seen its time pass: when it begins to wait is not told.
    private async Task<T> PatientlyAsync<T>(Task<T> caller)
    {
        while (!caller.IsCompleted)
        {
            _world.Time.Advance(IntermediateEntry.Patience);
            await Task.WhenAny(caller, Task.Delay(20, Token));
        }

        return await caller;
    }

    private static async Task EventuallyAsync(Func<Task> check)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                await check();
                return;
            }
            catch (Exception) when (attempt < 12_000)
            {
                await Task.Delay(25, Token);
            }
        }
    }
}
