using EfEnvelope.Keys;
using EfEnvelope.Kms;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Tests;

/// <summary>How a new version is made, proved, and handed over to.</summary>
public class KeyRotationTests
{
    private const int KeyVersionAdd = 1000;
    private const int KeyRotationFail = 1003;

    private readonly RingWorld _world = new();

    [Fact]
    public async Task New_version_is_stored_and_read_back_and_unwrapped_before_it_may_encrypt()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Journal.Clear();

        var version = await _world.RotateAsync(slot);

        Assert.Equal("clinic:v2", version.ToString());
        Assert.Equal(
            ["read", "unwrap", "read", "wrap", "add clinic:v2 unproved", "read", "unwrap", "update clinic:v2", "update clinic:v1"], _world.Journal.Take(9));
        Assert.Equal(1, _world.Log.Events.Count(e => e.Id == KeyVersionAdd && e.Text.Contains("'clinic:v2'", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task New_version_becomes_primary_when_its_delay_has_passed_and_not_before()
    {
        var (one, other) = (await _world.WarmSlotAsync(), await _world.WarmSlotAsync());
        await _world.RotateAsync(one);
        var start = _world.Time.GetUtcNow();
        Assert.Equal(start + _world.Options.ActivationDelay, _world.Store[2].EncryptsFrom);
        Assert.Equal(_world.Store[2].EncryptsFrom + _world.Options.RefreshInterval, _world.Store[1].EncryptsUntil);
        Assert.Null(_world.Store[2].EncryptsUntil);

        async Task AssertPrimariesAsync(int number)
        {
            Assert.Equal(number, (await _world.WriteAsync(one)).Primary.Version.Number);
            Assert.Equal(number, (await _world.WriteAsync(other)).Primary.Version.Number);
        }

        for (var minute = 0; minute < 119; minute++)
        {
            await AssertPrimariesAsync(1);
            _world.Time.Advance(TimeSpan.FromMinutes(1));
        }

        _world.Time.Advance(TimeSpan.FromMinutes(1) - TimeSpan.FromTicks(1));
        await AssertPrimariesAsync(1);
        _world.Time.Advance(TimeSpan.FromTicks(1));
        await AssertPrimariesAsync(2);
    }

    [Fact]
    public async Task What_the_former_primary_encrypted_is_still_read()
    {
        var slot = await _world.WarmSlotAsync();
        var envelope = TestRings.Encrypt(slot.GetFresh(RingUse.Read)!.Primary, "t.c", "value");
        await _world.RotateAsync(slot, TimeSpan.Zero);

        Assert.Equal(2, slot.GetFresh(RingUse.Read)!.Primary.Version.Number);
        Assert.True(TestRings.TryDecrypt<string>(slot.GetFresh(RingUse.Read)!, "t.c", envelope, out var value));
        Assert.Equal("value", value);
    }

    [Fact]
    public async Task Former_primary_stops_encrypting_when_its_time_is_up_even_if_its_successor_cannot_be_unwrapped()
    {
        var fails = false;
        _world.Wrapper = new ChoosyKms(_world.Kms, c => fails && c.Pairs["version"] == "2" ? KmsErrorKind.AccessDenied : null);
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot, TimeSpan.Zero);
        fails = true;

        _world.Time.Advance(_world.Options.RefreshInterval);
        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);
        _world.Time.Advance(TimeSpan.FromTicks(1));
        var ring = await _world.WriteAsync(slot);
        Assert.Throws<KeyUnavailableException>(() => ring.Primary);
        Assert.Equal(1, KeyRing.RequireKey(ring.Find(1)!).Version.Number);
    }

    [Fact]
    public async Task Key_store_whose_clock_was_set_back_goes_on_with_its_oldest_version()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot);
        _world.Store.ClockSkew = TimeSpan.FromSeconds(-5);

        Assert.Equal(1, (await _world.WriteAsync(_world.NewSlot())).Primary.Version.Number);
        Assert.Equal(2, _world.Store.Rows.Count);

        // The clock catches up, and the versions take turns as stated.
        _world.Time.Advance(_world.Options.ActivationDelay);
        Assert.Equal(1, (await _world.WriteAsync(_world.NewSlot())).Primary.Version.Number);
        _world.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(2, (await _world.WriteAsync(_world.NewSlot())).Primary.Version.Number);
    }

    [Fact]
    public async Task Key_store_whose_clock_was_set_back_does_not_use_a_version_that_was_never_proved_or_is_disabled()
    {
        await _world.WarmSlotAsync();
        _world.Store[2] = _world.Store[1] with { Version = new KeyVersion(RingWorld.Scope, 2), EncryptsFrom = null };
        _world.Store[1] = _world.Store[1] with { Status = KeyVersionStatus.Disabled };
        _world.Store.ClockSkew = TimeSpan.FromSeconds(-5);

        var ring = await _world.ReadAsync(_world.NewSlot());

        Assert.Null(ring.FindPrimary());
    }

    [Fact]
    public async Task Successor_does_not_encrypt_before_its_time_because_the_present_version_is_disabled()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot);
        _world.Store[1] = _world.Store[1] with { Status = KeyVersionStatus.Disabled };

        var ring = await _world.ReadAsync(_world.NewSlot());

        Assert.Null(ring.FindPrimary());
    }

    [Fact]
    public async Task First_version_encrypts_at_once()
    {
        var slot = await _world.WarmSlotAsync();

        Assert.Equal("clinic:v1", slot.GetFresh(RingUse.Read)!.Primary.Version.ToString());
        Assert.Equal(_world.Time.GetUtcNow(), _world.Store[1].EncryptsFrom);
        Assert.Null(_world.Store[1].EncryptsUntil);
    }

    [Fact]
    public async Task Key_store_holds_the_commitment_and_no_byte_of_the_key()
    {
        var slot = await _world.WarmSlotAsync();
        var key = TestRings.MemoryOf(slot.GetFresh(RingUse.Read)!.Primary);
        var row = _world.Store[1];

        Assert.Equal(slot.GetFresh(RingUse.Read)!.Primary.DeriveCommitment(), row.Commitment.ToArray());
        Assert.DoesNotContain(Convert.ToBase64String(key), row.Wrapped!.ToString(), StringComparison.Ordinal);
        Assert.NotEqual(key, row.Commitment.ToArray());
        Assert.False(row.Wrapped.Copies[0].Ciphertext.Span.IndexOf(key.AsSpan(0, 8)) >= 0);
    }

    [Fact]
    public async Task Kms_that_does_not_open_the_primary_makes_no_version_after_it()
    {
        await _world.WarmSlotAsync();
        _world.Kms.Failure = KmsErrorKind.NotFound;

        await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.RotateAsync(_world.NewSlot()).AsTask());

        Assert.Single(_world.Store.Rows);
    }

    [Fact]
    public async Task Reading_a_scope_without_keys_makes_none()
    {
        var slot = _world.NewSlot();

        Assert.Empty((await _world.ReadAsync(slot)).Keys);
        Assert.Empty(_world.Store.Rows);
        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);
    }

    [Fact]
    public async Task Kms_that_unwraps_to_other_bytes_never_gets_its_key_activated()
    {
        var slot = await _world.WarmSlotAsync();
        var liar = new LyingKms(_world.Kms);
        _world.Wrapper = liar;
        var liarsSlot = _world.NewSlot();
        liar.Lies = false;
        await _world.WriteAsync(liarsSlot);
        _world.Store.AfterAdd = () =>
        {
            liar.Lies = true;
            return Task.CompletedTask;
        };

        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => _world.RotateAsync(liarsSlot).AsTask());

        Assert.Null(_world.Store[2].EncryptsFrom);
        Assert.Null(_world.Store[1].EncryptsUntil);

        // Nothing is encrypted under it, so it keeps nobody from reading and writing.
        _world.Time.Advance(_world.Options.RefreshInterval);
        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);

        // The service is mended: the same version is proved, and no other is made.
        liar.Lies = false;
        Assert.Equal(2, (await _world.RotateAsync(liarsSlot)).Number);
        Assert.NotNull(_world.Store[2].EncryptsFrom);
        Assert.Equal(2, _world.Store.Rows.Count);
    }

    [Fact]
    public async Task Kms_that_lies_at_the_very_start_leaves_no_version_that_encrypts()
    {
        _world.Wrapper = new LyingKms(_world.Kms);

        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => _world.WriteAsync(_world.NewSlot()).AsTask());

        Assert.All(_world.Store.Rows, row => Assert.Null(row.EncryptsFrom));
    }

    [Theory]
    [InlineData(KmsErrorKind.AccessDenied)]
    [InlineData(KmsErrorKind.Unavailable)]
    public async Task Kms_that_wraps_and_then_does_not_unwrap_never_gets_its_key_activated(KmsErrorKind kind)
    {
        var slot = await _world.WarmSlotAsync();
        _world.Wrapper = new ChoosyKms(_world.Kms, c => c.Pairs["version"] == "2" ? kind : null);
        var other = await _world.WarmSlotAsync();

        await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.RotateAsync(other).AsTask());

        Assert.Null(_world.Store[2].EncryptsFrom);
        Assert.Null(_world.Store[1].EncryptsUntil);
        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);
    }

    [Fact]
    public async Task Version_that_was_never_proved_keeps_nobody_from_reading_and_writing()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Store[2] = _world.Store[1] with { Version = new KeyVersion(RingWorld.Scope, 2), Commitment = new byte[32], EncryptsFrom = null };
        var unwraps = _world.Kms.Unwraps;

        Assert.Equal(1, (await _world.WriteAsync(await _world.WarmSlotAsync())).Primary.Version.Number);
        _world.Time.Advance(_world.Options.RefreshInterval);
        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);
        Assert.Equal(2, _world.Kms.Unwraps - unwraps);
        Assert.DoesNotContain(_world.Log.Events, e => e.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task Version_that_a_process_left_unproved_when_it_died_is_adopted_by_the_next_rotation()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Store.AfterAdd = () => throw new IOException("The process dies here.");
        await Assert.ThrowsAsync<IOException>(() => _world.RotateAsync(slot).AsTask());
        Assert.Null(_world.Store[2].EncryptsFrom);
        _world.Store.AfterAdd = () => Task.CompletedTask;
        var left = _world.Store[2];

        // It is not taken for a version that encrypts, neither here nor in a new process.
        Assert.Equal(1, (await _world.WriteAsync(await _world.WarmSlotAsync())).Primary.Version.Number);

        Assert.Equal(2, (await _world.RotateAsync(slot)).Number);
        Assert.Equal(2, _world.Store.Rows.Count);
        Assert.Equal(left.Commitment.ToArray(), _world.Store[2].Commitment.ToArray());
        Assert.NotNull(_world.Store[2].EncryptsFrom);
    }

    [Fact]
    public async Task Version_that_was_left_unproved_and_does_not_open_is_put_aside_by_the_next_rotation()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Store.AfterAdd = () => throw new IOException("The process dies here.");
        await Assert.ThrowsAsync<IOException>(() => _world.RotateAsync(slot).AsTask());
        _world.Store.AfterAdd = () => Task.CompletedTask;
        _world.Store[2] = _world.Store[2] with { Commitment = new byte[DataKey.CommitmentLength] };

        Assert.Equal(3, (await _world.RotateAsync(slot)).Number);
        Assert.Equal(KeyVersionStatus.Disabled, _world.Store[2].Status);
        Assert.Null(_world.Store[2].EncryptsFrom);
        Assert.NotNull(_world.Store[3].EncryptsFrom);
        Assert.Contains(_world.Log.Events, e => e.Level == LogLevel.Error);
    }

    [Fact]
    public async Task First_version_that_a_process_left_unproved_when_it_died_is_adopted_by_the_next_start()
    {
        _world.Store.AfterAdd = () => throw new IOException("The process dies here.");
        await Assert.ThrowsAsync<IOException>(() => _world.WriteAsync(_world.NewSlot()).AsTask());
        _world.Store.AfterAdd = () => Task.CompletedTask;

        Assert.Equal(1, (await _world.WriteAsync(_world.NewSlot())).Primary.Version.Number);
        Assert.Single(_world.Store.Rows);
    }

    [Fact]
    public async Task Version_with_the_highest_number_is_followed_by_none()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Store[int.MaxValue] = _world.Store[1] with
        {
            Version = new KeyVersion(RingWorld.Scope, int.MaxValue),
            Status = KeyVersionStatus.Disabled,
        };

        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => _world.RotateAsync(slot).AsTask());

        Assert.Contains("'clinic:v2147483647'", e.Message, StringComparison.Ordinal);
        Assert.Equal([1, int.MaxValue], _world.Store.Rows.Select(r => r.Version.Number));
        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);
    }

    [Fact]
    public async Task Two_processes_that_rotate_together_make_one_version()
    {
        var slots = new[] { await _world.WarmSlotAsync(), await _world.WarmSlotAsync() };
        MeetAfterReading(2);

        var versions = await Task.WhenAll(slots.Select(s => Task.Run(async () => await _world.RotateAsync(s))));

        Assert.Equal([2, 2], versions.Select(v => v.Number));
        await AssertAgreeAsync(slots, primary: 2);
    }

    [Fact]
    public async Task Processes_that_start_together_on_an_empty_store_make_one_version()
    {
        var slots = Enumerable.Range(0, 4).Select(_ => _world.NewSlot()).ToArray();
        MeetAfterReading(4);

        await Task.WhenAll(slots.Select(s => Task.Run(async () => await _world.WriteAsync(s))));

        await AssertAgreeAsync(slots, primary: 1);
    }

    [Fact]
    public async Task Rotation_that_cannot_wrap_stores_nothing_and_the_present_version_goes_on()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Kms.Failure = KmsErrorKind.Unavailable;

        await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.RotateAsync(slot).AsTask());

        Assert.Single(_world.Store.Rows);
        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);
    }

    [Fact]
    public async Task New_version_that_cannot_be_read_back_never_encrypts()
    {
        var slot = await _world.WarmSlotAsync();
        _world.Store.AfterAdd = () =>
        {
            _world.Store.Remove(2);
            return Task.CompletedTask;
        };

        await Assert.ThrowsAsync<KeyUnavailableException>(() => _world.RotateAsync(slot).AsTask());

        Assert.Equal(1, slot.GetFresh(RingUse.Read)!.Primary.Version.Number);
    }

    [Fact]
    public async Task Primary_of_the_stated_age_is_replaced_once_by_itself()
    {
        _world.Options = _world.Options with { RotateAfter = TimeSpan.FromHours(5) };
        var slots = new[] { await _world.WarmSlotAsync(), await _world.WarmSlotAsync() };
        async Task HoursAsync(int hours)
        {
            for (var i = 0; i < hours * 6; i++)
            {
                _world.Time.Advance(TimeSpan.FromMinutes(10));
                foreach (var slot in slots)
                    await _world.WriteAsync(slot);
            }
        }

        await HoursAsync(4);
        Assert.Single(_world.Store.Rows);
        await HoursAsync(2);
        Assert.Equal(2, _world.Store.Rows.Count);
        Assert.Equal(1, (await _world.WriteAsync(slots[0])).Primary.Version.Number);
        await HoursAsync(2);
        Assert.Equal(2, _world.Store.Rows.Count);
        await AssertAgreeAsync(slots, primary: 2);
    }

    [Fact]
    public async Task Transaction_that_holds_the_only_writer_does_not_wait_for_a_rotation_by_age()
    {
        _world.Options = _world.Options with { RotateAfter = TimeSpan.FromHours(5) };
        var slot = await _world.WarmSlotAsync();
        var (asked, committed) = (new TaskCompletionSource(), new TaskCompletionSource());
        _world.Store.BeforeWrite = () =>
        {
            asked.TrySetResult();
            return committed.Task;
        };
        _world.Time.Advance(TimeSpan.FromHours(6));
        var refresher = _world.WriteAsync(slot).AsTask();
        await asked.Task;

        var inside = slot.GetAsync(new TransactionKeyStore(_world.Store), RingUse.Write, CancellationToken.None);

        Assert.True(inside.IsCompletedSuccessfully);
        Assert.Equal(1, (await inside).Primary.Version.Number);
        committed.SetResult();
        Assert.NotNull((await refresher).Find(2));
    }

    [Fact]
    public async Task Rotation_by_itself_that_fails_is_logged_and_fails_nobody()
    {
        _world.Options = _world.Options with { RotateAfter = TimeSpan.FromHours(5) };
        var wraps = true;
        _world.Wrapper = new JournalKms(new ReadOnlyKms(_world.Kms, () => wraps), _world.Journal);
        var slot = await _world.WarmSlotAsync();
        wraps = false;

        _world.Time.Advance(TimeSpan.FromHours(6));

        Assert.Equal(1, (await _world.WriteAsync(slot)).Primary.Version.Number);
        Assert.Single(_world.Store.Rows);
        Assert.Equal(LogLevel.Error, Assert.Single(_world.Log.Events, e => e.Id == KeyRotationFail).Level);
    }

    // Every reader waits for the others once, so that all of them decide on the same snapshot.
    private void MeetAfterReading(int count)
    {
        var all = new TaskCompletionSource();
        var arrived = 0;
        _world.Store.AfterRead = () =>
        {
            if (Interlocked.Increment(ref arrived) == count)
                all.SetResult();
            return all.Task;
        };
    }

    private async Task AssertAgreeAsync(KeyRingSlot[] slots, int primary)
    {
        _world.Time.Advance(_world.Options.ActivationDelay);
        Assert.Equal(primary, _world.Store.Rows.Count);
        var rings = new List<KeyRing>();
        foreach (var slot in slots)
            rings.Add(await _world.WriteAsync(slot));
        foreach (var writer in rings)
        {
            Assert.Equal(primary, writer.Primary.Version.Number);
            var envelope = TestRings.Encrypt(writer.Primary, "t.c", "value");
            foreach (var reader in rings)
            {
                Assert.True(TestRings.TryDecrypt<string>(reader, "t.c", envelope, out var value));
                Assert.Equal("value", value);
            }
        }
    }

    private sealed class ReadOnlyKms(IKeyWrapper inner, Func<bool> wraps) : IKeyWrapper
    {
        public KekUri Kek => inner.Kek;

        public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
            => wraps() ? inner.WrapAsync(key, context, cancellationToken) : throw new KmsException(KmsErrorKind.AccessDenied, "read only");

        public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
            => inner.UnwrapAsync(wrapped, context, cancellationToken);
    }
}
