using EfEnvelope.Diagnostics;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.Tests;

/// <summary>Which versions may be disabled, and what is proved before one is enabled again.</summary>
public class KeyStatusTests
{
    private readonly RingWorld _world = new();

    [Fact]
    public async Task Version_that_is_disabled_is_not_read_until_it_is_enabled_again()
    {
        var slot = await RotateSearchlessAsync();

        Assert.Equal(KeyVersionStatus.Disabled, (await DisableAsync(2)).Status);
        var ring = await slot.ReloadAsync(_world.Store, RingUse.Read, CancellationToken.None);
        Assert.Throws<KeyUnavailableException>(() => KeyRing.RequireKey(ring.Find(2)!));
        var disabled = _world.Store[2];
        Assert.Equal(disabled, await DisableAsync(2));

        Assert.Equal(KeyVersionStatus.Enabled, (await EnableAsync(2)).Status);
        ring = await slot.ReloadAsync(_world.Store, RingUse.Read, CancellationToken.None);
        Assert.Equal(2, KeyRing.RequireKey(ring.Find(2)!).Version.Number);
        Assert.Equal(disabled with { Status = KeyVersionStatus.Enabled, Revision = disabled.Revision + 1 }, await EnableAsync(2));
    }

    [Fact]
    public async Task Primary_is_not_disabled()
    {
        await RotateSearchlessAsync();
        await AssertRefusedAsync(3, Messages.KeyVersionStillEncrypts(RingWorld.Version(3)));
    }

    [Fact]
    public async Task Version_that_will_be_the_only_one_to_encrypt_is_not_disabled_before_its_time()
    {
        await _world.RotateAsync(await _world.WarmSlotAsync());

        await AssertRefusedAsync(2, Messages.KeyVersionStillEncrypts(RingWorld.Version(2)));
    }

    [Fact]
    public async Task Version_that_queries_look_under_is_not_disabled()
    {
        await RotateSearchlessAsync();
        await AssertRefusedAsync(1, Messages.KeyVersionStillSearched(RingWorld.Version(1)));
    }

    [Fact]
    public async Task Destroyed_version_is_neither_disabled_nor_enabled()
    {
        await RotateSearchlessAsync();
        _world.Store[2] = _world.Store[2] with { Status = KeyVersionStatus.Destroyed, Wrapped = null };

        await Assert.ThrowsAsync<KeyDestroyedException>(() => DisableAsync(2));
        await Assert.ThrowsAsync<KeyDestroyedException>(() => EnableAsync(2));
    }

    [Fact]
    public async Task Version_whose_commitment_differs_is_not_enabled()
    {
        await RotateSearchlessAsync();
        await DisableAsync(2);
        _world.Store[2] = _world.Store[2] with { Commitment = new byte[DataKey.CommitmentLength] };

        await Assert.ThrowsAsync<EnvelopeDecryptionException>(() => EnableAsync(2));

        Assert.Equal(KeyVersionStatus.Disabled, _world.Store[2].Status);
    }

    [Theory]
    [InlineData(KmsErrorKind.Unavailable, typeof(KeyUnavailableException))]
    [InlineData(KmsErrorKind.AccessDenied, typeof(KeyUnavailableException))]
    [InlineData(KmsErrorKind.InvalidCiphertext, typeof(EnvelopeDecryptionException))]
    public async Task Version_that_does_not_unwrap_is_not_enabled(KmsErrorKind kind, Type exception)
    {
        await RotateSearchlessAsync();
        await DisableAsync(2);
        _world.Kms.Failure = kind;

        await Assert.ThrowsAsync(exception, () => EnableAsync(2));

        Assert.Equal(KeyVersionStatus.Disabled, _world.Store[2].Status);
    }

    [Fact]
    public async Task Retired_version_may_be_disabled_and_enabled()
    {
        await RotateSearchlessAsync();
        _world.Time.Advance(_world.Options.RefreshInterval + TimeSpan.FromTicks(1));
        await _world.NewAdministration().MarkRetiredAsync(_world.Store, RingWorld.Version(1), hasComparedColumns: false, CancellationToken.None);

        await DisableAsync(1);
        Assert.NotNull((await EnableAsync(1)).RetiredAt);
    }

    [Fact]
    public async Task Version_that_others_change_again_and_again_is_given_up_with_a_word()
    {
        await RotateSearchlessAsync();
        _world.Store.BeforeUpdate = () =>
        {
            _world.Store[2] = _world.Store[2] with { Revision = _world.Store[2].Revision + 1 };
            return Task.CompletedTask;
        };

        var e = await Assert.ThrowsAsync<KeyUnavailableException>(() => DisableAsync(2));

        Assert.Equal(Messages.KeyVersionChanging(RingWorld.Version(2)), e.Message);
        Assert.Equal(KeyVersionStatus.Enabled, _world.Store[2].Status);
    }

    // Version 1 is searched, 2 is neither searched nor primary, 3 is the primary.
    private async Task<KeyRingSlot> RotateSearchlessAsync()
    {
        var slot = await _world.WarmSlotAsync();
        await _world.RotateAsync(slot, TimeSpan.Zero);
        await _world.RotateAsync(slot, TimeSpan.Zero);
        return slot;
    }

    private async Task AssertRefusedAsync(int number, string message)
    {
        var rows = _world.Store.Rows;
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => DisableAsync(number));
        Assert.Equal(message, e.Message);
        Assert.Equal(rows, _world.Store.Rows);
    }

    private Task<StoredKey> DisableAsync(int number)
        => _world.NewAdministration().DisableAsync(_world.Store, RingWorld.Version(number), CancellationToken.None).AsTask();

    private Task<StoredKey> EnableAsync(int number)
        => _world.NewAdministration().EnableAsync(_world.Store, RingWorld.Version(number), CancellationToken.None).AsTask();
}
