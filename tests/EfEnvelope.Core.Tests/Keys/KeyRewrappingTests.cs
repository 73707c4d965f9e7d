using System.Runtime.InteropServices;
using EfEnvelope.Diagnostics;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using EfEnvelope.Specification.TestUtilities;

namespace EfEnvelope.Tests;

/// <summary>Moving the keys of a scope to other KEKs, without losing one.</summary>
public class KeyRewrappingTests
{
    private readonly RingWorld _world = new();
    private readonly TestKms _next = new("next");

    [Fact]
    public async Task Keys_are_moved_to_another_kek_and_open_without_the_former_one()
    {
        var former = await MakeVersionsAsync();

        var done = await RewrapAsync(_next, _world.Kms);

        Assert.Equal([(1, true), (2, true), (3, true)], done.Select(d => (d.Version.Number, d.Changed)));
        Assert.All(_world.Store.Rows, r => Assert.Equal(["test:next", "test:test"], r.Wrapped!.Copies.Select(c => c.Kek.ToString())));
        Assert.Equal(former.Select(r => r with { Wrapped = null, Revision = r.Revision + 1 }), _world.Store.Rows.Select(r => r with { Wrapped = null }));
        await AssertOpensAsync(_next);
        await RewrapAsync(_next);
        Assert.All(_world.Store.Rows, r => Assert.Equal("test:next", Assert.Single(r.Wrapped!.Copies).Kek.ToString()));
        await AssertOpensAsync(_next);
    }

    [Fact]
    public async Task Key_that_is_under_the_configured_kek_already_is_wrapped_anew()
    {
        var former = await MakeVersionsAsync();

        Assert.All(await RewrapAsync(_world.Kms), d => Assert.True(d.Changed));

        Assert.All(_world.Store.Rows.Zip(former), r => Assert.NotEqual(r.Second.Wrapped!.ToString(), r.First.Wrapped!.ToString()));
        await AssertOpensAsync(_world.Kms);
    }

    [Fact]
    public async Task Disabled_and_retired_keys_are_moved_too_and_what_holds_no_key_is_passed_over()
    {
        await MakeVersionsAsync();
        _world.Store[1] = _world.Store[1] with { RetiredAt = _world.Time.GetUtcNow() };
        _world.Store[2] = _world.Store[2] with { Status = KeyVersionStatus.Disabled };
        _world.Store[4] = _world.Store[3] with { Version = RingWorld.Version(4), Status = KeyVersionStatus.Destroyed, Wrapped = null };
        _world.Store[5] = _world.Store[3] with { Version = RingWorld.Version(5), Status = KeyVersionStatus.Disabled, EncryptsFrom = null };
        var aside = _world.Store[5];

        var done = await RewrapAsync(_next, _world.Kms);

        Assert.Equal([true, true, true, false, false], done.Select(d => d.Changed));
        Assert.Equal(aside, _world.Store[5]);
        Assert.Null(_world.Store[4].Wrapped);
        Assert.Equal((true, KeyVersionStatus.Disabled), (_world.Store[1].RetiredAt is not null, _world.Store[2].Status));
    }

    [Fact]
    public async Task Version_that_does_not_unwrap_stops_it_unchanged_and_it_goes_on_from_there_the_next_time()
    {
        var former = await MakeVersionsAsync();
        var fails = true;
        var choosy = new ChoosyKms(_world.Kms, c => fails && c.Pairs["version"] == "2" ? KmsErrorKind.Unavailable : null);

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => RewrapAsync(_next, choosy));

        Assert.Equal(Messages.KeyVersionNotUnwrapped(RingWorld.Version(2)), e.Message);
        Assert.Equal(former.Skip(1), _world.Store.Rows.Skip(1));
        Assert.Equal(2, _world.Store[1].Wrapped!.Copies.Count);
        await AssertOpensAsync(_world.Kms);

        fails = false;
        Assert.All(await RewrapAsync(_next, choosy), d => Assert.True(d.Changed));
        await AssertOpensAsync(_next);
    }

    [Fact]
    public async Task Altered_version_stops_it_unchanged()
    {
        await MakeVersionsAsync();
        _world.Store[2] = _world.Store[2] with { Commitment = new byte[DataKey.CommitmentLength] };
        var altered = _world.Store[2];

        var e = await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => RewrapAsync(_next, _world.Kms));

        Assert.Equal(Messages.CommitmentDiffers(RingWorld.Version(2)), e.Message);
        Assert.Equal(altered, _world.Store[2]);
    }

    [Fact]
    public async Task Kek_that_cannot_be_reached_stops_it_unchanged()
    {
        var former = await MakeVersionsAsync();
        _next.Failure = KmsErrorKind.Unavailable;

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => RewrapAsync(_world.Kms, _next));

        Assert.Equal(Messages.NewVersionNotWrapped(RingWorld.Version(1)), e.Message);
        Assert.Equal(former, _world.Store.Rows);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Kms_that_does_not_open_what_it_has_just_wrapped_is_found_out_before_anything_is_stored(bool isFirst)
    {
        // The second copy is not asked while the first one opens, so each is proved by itself.
        var former = await MakeVersionsAsync();
        var liar = new LyingKms(_next);

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => isFirst ? RewrapAsync(liar, _world.Kms) : RewrapAsync(_world.Kms, liar));

        Assert.Equal(Messages.RewrappedKeyDoesNotOpen(RingWorld.Version(1)), e.Message);
        Assert.Equal(former, _world.Store.Rows);
    }

    [Fact]
    public async Task Store_that_does_not_keep_what_it_was_given_gets_the_former_form_back()
    {
        var former = await MakeVersionsAsync();
        var updates = 0;
        _world.Store.Keep = key => ++updates == 1 ? key with { Wrapped = _world.Store[2].Wrapped } : key;

        await Assert.ThrowsAsync<KeyUnavailableException>(() => RewrapAsync(_next, _world.Kms));

        Assert.Equal(former[0].Wrapped!.ToString(), _world.Store[1].Wrapped!.ToString());
        await AssertOpensAsync(_world.Kms);
    }

    [Fact]
    public async Task Version_that_is_destroyed_meanwhile_is_not_brought_back()
    {
        await MakeVersionsAsync();
        _world.Store.BeforeUpdate = () =>
        {
            _world.Store[1] = _world.Store[1] with { Status = KeyVersionStatus.Destroyed, Wrapped = null, Revision = 77 };
            return Task.CompletedTask;
        };

        var done = await RewrapAsync(_next, _world.Kms);

        Assert.Equal([false, true, true], done.Select(d => d.Changed));
        Assert.Null(_world.Store[1].Wrapped);
        Assert.Equal(KeyVersionStatus.Destroyed, _world.Store[1].Status);
    }

    [Fact]
    public async Task Retirement_meanwhile_is_kept()
    {
        await MakeVersionsAsync();
        var once = true;
        _world.Store.BeforeUpdate = () =>
        {
            if (once)
                _world.Store[1] = _world.Store[1] with { RetiredAt = _world.Time.GetUtcNow(), Revision = _world.Store[1].Revision + 1 };
            once = false;
            return Task.CompletedTask;
        };

        await RewrapAsync(_next, _world.Kms);

        Assert.NotNull(_world.Store[1].RetiredAt);
        await AssertOpensAsync(_next);
    }

    [Fact]
    public async Task No_plaintext_key_outlives_it()
    {
        await MakeVersionsAsync();
        var watch = new WatchingKms(_world.Kms);

        await RewrapAsync(watch);

        // Per version: one to prove it, two while it is wrapped anew, one to prove the copy, one to prove what was read back.
        Assert.Equal(3 * 5, watch.Keys.Count);
        Assert.All(watch.Keys, key => Assert.All(key.ToArray(), b => Assert.Equal(0, b)));

        // Nor when it fails.
        watch.Keys.Clear();
        watch.Failure = KmsErrorKind.Unavailable;
        await Assert.ThrowsAsync<KeyUnavailableException>(() => RewrapAsync(watch));
        Assert.NotEmpty(watch.Keys);
        Assert.All(watch.Keys, key => Assert.All(key.ToArray(), b => Assert.Equal(0, b)));
    }

    private async Task<IReadOnlyList<StoredKey>> MakeVersionsAsync()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot, TimeSpan.Zero);
        await _world.RotateAsync(slot, TimeSpan.Zero);
        return _world.Store.Rows;
    }

    private Task<IReadOnlyList<RewrappedKey>> RewrapAsync(params IKeyWrapper[] wrappers)
        => _world.NewAdministration(wrappers).RewrapAsync(_world.Store, RingWorld.Scope, CancellationToken.None).AsTask();

    private async Task AssertOpensAsync(IKeyWrapper wrapper)
    {
        _world.Wrapper = wrapper;
        var ring = await _world.ReadAsync(_world.NewSlot());
        Assert.All(ring.Keys, k => KeyRing.RequireKey(k));
        Assert.Equal(3, ring.Primary.Version.Number);
    }

    // Keeps the very memory in which keys were given to it, and taken from it.
    private sealed class WatchingKms(IKeyWrapper inner) : IKeyWrapper
    {
        public List<ArraySegment<byte>> Keys { get; } = [];

        public KmsErrorKind? Failure { get; set; }

        public KekUri Kek => inner.Kek;

        public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        {
            Assert.True(MemoryMarshal.TryGetArray(key, out var array));
            Keys.Add(array);
            return Failure is { } kind ? throw new KmsException(kind, "no") : inner.WrapAsync(key, context, cancellationToken);
        }

        public async ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        {
            var key = await inner.UnwrapAsync(wrapped, context, cancellationToken);
            Keys.Add(key);
            return key;
        }
    }
}
