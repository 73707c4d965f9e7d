using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using EfEnvelope.Diagnostics;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Keys;

/// <summary>
/// What a caller wants a ring for: an old snapshot may still read, but must not write under a version that was retired, and must not search, because
/// it does not know all versions that rows may be under.
/// </summary>
internal enum RingUse
{
    Read,
    Search,
    Write,
}

/// <summary>
/// Holds the ring of one scope in one database and keeps it fresh: one refresh at a time, early and jittered; old keys outlive an
/// outage for a stated time; failures are remembered briefly.
/// </summary>
internal sealed class KeyRingSlot(
    KeyScope scope, KeyRingLoader loader, ScopeSlots peers, EnvelopeOptions options, TimeProvider time, ILogger logger) : IDisposable
{
    private static readonly KeyValuePair<string, object?> Hit = new("result", "hit");
    private static readonly KeyValuePair<string, object?> Refresh = new("result", "refresh");

    private readonly KeyGate _gate = new();
    private readonly ConcurrentQueue<IReadOnlyList<StoredKey>> _heard = new();
    private volatile bool _isLoading;
    private volatile State? _state;
    private Failure? _failure;
    private Moment? _unknownReloadAt;
    private bool _disposed;
    private volatile bool _dropped;

    /// <summary>Gets whether the cache no longer has it, so that who kept it has to ask for another one.</summary>
    public bool IsDropped => _dropped;

    /// <summary>Gets the ring that is held now, whatever its age, or nothing.</summary>
    public KeyRing? Current => _state?.Ring;

    /// <summary>Gets the ring; completes synchronously while it is fresh.</summary>
    public ValueTask<KeyRing> GetAsync(IKeyStore store, RingUse use, CancellationToken cancellationToken)
    {
        var fresh = GetFresh(use);
        EnvelopeTelemetry.RingUses.Add(1, fresh is null ? Refresh : Hit);
        return fresh is null ? RefreshAsync(store, use, cancellationToken) : new ValueTask<KeyRing>(fresh);
    }

    /// <summary>Tells whoever kept it that the cache no longer has it.</summary>
    public void Drop()
    {
        _dropped = true;
        peers.Remove(scope, this);
    }

    /// <summary>Makes the ring due for a refresh, because the KMS refused one of its keys.</summary>
    public void Expire()
    {
        if (_state is { } state)
            Interlocked.CompareExchange(ref _state!, state with { RefreshAfter = TimeSpan.Zero }, state);
        _failure = null;
    }

    /// <summary>
    /// Obeys rows of the scope that this process read or stored through another slot, if they are of the same database: its keys tell, by their commitments.
    /// A key that was destroyed is dropped at once; a ring that lacks a version is not used again before it was read anew.
    /// </summary>
    public void Follow(IReadOnlyList<StoredKey> rows)
    {
        // A read that has begun may end with what was there before: whichever of the two comes last sees the other.
        if (_isLoading)
            _heard.Enqueue(rows);
        Obey(rows);
    }

    private void Obey(IReadOnlyList<StoredKey> rows)
    {
        if (_state is not { } state)
            return;
        if (state.Ring.HoldsDestroyed(rows))
            Clear(state);
        else if (state.Ring.IsOutdatedBy(rows))
            Interlocked.CompareExchange(ref _state!, state with { RefreshAfter = TimeSpan.Zero, IsOutdated = true }, state);
        else
            return;
        _failure = null;
    }

    private void Clear(State state)
    {
        if (!ReferenceEquals(Interlocked.CompareExchange(ref _state, null, state), state))
            return;
        foreach (var key in state.Ring.Keys)
            key.Key?.Dispose();
    }

    /// <summary>Gets the ring while it is fresh, without any I/O.</summary>
    public KeyRing? GetFresh(RingUse use)
        => _state is { } state && state.Ring.Age < state.RefreshAfter && !Lacks(state, use) ? state.Ring : null;

    // Reading makes no key: a ring without any is enough to say that a stored value's version is not there. Writing needs one.
    private static bool Lacks(State state, RingUse use) => use == RingUse.Write && state.Ring.Keys.Count == 0;

    /// <summary>Reads the ring once more because a stored value names a version it does not know; not more often than the negative cache allows.</summary>
    public async ValueTask<KeyRing> ReloadForUnknownAsync(IKeyStore store, uint number, CancellationToken cancellationToken)
    {
        await _gate.EnterAsync(store.IsSynchronous, cancellationToken).ConfigureAwait(false);
        try
        {
            var state = _state;
            var recently = _unknownReloadAt?.Elapsed(time) < options.NegativeCacheTime;
            if (state is not null && (state.Ring.Find(number) is not null || recently))
                return state.Ring;
            _unknownReloadAt = Moment.Now(time);
            return (await LoadAsync(store, state, RingUse.Read, cancellationToken).ConfigureAwait(false)).Ring;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Reads the ring now, because its versions were changed; makes the first one only if it is to write.</summary>
    public async ValueTask<KeyRing> ReloadAsync(IKeyStore store, RingUse use, CancellationToken cancellationToken)
    {
        await _gate.EnterAsync(store.IsSynchronous, cancellationToken).ConfigureAwait(false);
        try
        {
            return (await LoadAsync(store, _state, use, cancellationToken).ConfigureAwait(false)).Ring;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>
    /// Reads the ring because versions that a ring would write under were not found where they should be; once for all writers that found so together.
    /// </summary>
    public async ValueTask<KeyRing> ReplaceAsync(IKeyStore store, KeyRing refuted, CancellationToken cancellationToken)
    {
        await _gate.EnterAsync(store.IsSynchronous, cancellationToken).ConfigureAwait(false);
        try
        {
            return _state is { } state && !ReferenceEquals(state.Ring, refuted)
                ? state.Ring
                : (await LoadAsync(store, _state, RingUse.Write, cancellationToken).ConfigureAwait(false)).Ring;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Makes a new version that becomes primary after the delay, and writes what is compared if it is to search.</summary>
    public async ValueTask<KeyVersion> RotateAsync(IKeyStore store, TimeSpan activationDelay, bool searches, CancellationToken cancellationToken)
    {
        await _gate.EnterAsync(store.IsSynchronous, cancellationToken).ConfigureAwait(false);
        try
        {
            // A KMS that cannot open what is there must not wrap what comes after it: it may be another one, or a new and empty one.
            var state = await LoadAsync(store, _state, RingUse.Read, cancellationToken).ConfigureAwait(false);
            if (state.Ring.Keys.Count > 0)
                _ = state.Ring.Primary;
            var snapshot = await store.ReadAsync(scope, cancellationToken).ConfigureAwait(false);
            var version = await loader.AddVersionAsync(store, scope, snapshot, activationDelay, searches, cancellationToken).ConfigureAwait(false);
            await LoadAsync(store, _state, RingUse.Read, cancellationToken).ConfigureAwait(false);
            return version;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Takes from the budget of a column under a version, reserving more from the store when it runs out.</summary>
    public async ValueTask TakeBudgetAsync(IKeyStore store, DataKey key, UsageBudget budget, int count, CancellationToken cancellationToken)
    {
        if (budget.TryTake(count))
            return;
        if (await budget.ReserveAsync(store, key.Version, count, options, cancellationToken).ConfigureAwait(false))
            await RotateByItselfAsync(store, key.Version, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Gets whether values were encrypted that the key store has not counted yet.</summary>
    public bool HasDebt => Debts.Any();

    /// <summary>Reserves what was encrypted while the store could not be written.</summary>
    public async ValueTask SettleAsync(IKeyStore store, CancellationToken cancellationToken)
    {
        foreach (var (key, budget) in Debts)
        {
            if (await budget.ReserveAsync(store, key.Version, 0, options, cancellationToken).ConfigureAwait(false))
                await RotateByItselfAsync(store, key.Version, cancellationToken).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        _disposed = true;
        foreach (var key in _state?.Ring.Keys ?? [])
            key.Key?.Dispose();
    }

    private IEnumerable<(DataKey Key, UsageBudget Budget)> Debts
        => (_state?.Ring.Keys ?? []).Select(k => k.Key).OfType<DataKey>()
            .SelectMany(key => key.FindAll<UsageBudget>().Where(b => b.HasDebt).Select(b => (key, b)));

    private TimeSpan UsableFor => options.RefreshInterval + options.StaleIfErrorFor;

    private async ValueTask<KeyRing> RefreshAsync(IKeyStore store, RingUse use, CancellationToken cancellationToken)
    {
        // While the ring is only due, one caller refreshes it and the others go on; once its time is past, all wait.
        var held = _state;
        var pastTime = held is null || IsPastTime(held) || Lacks(held, use);
        if (!await _gate.EnterAsync(store.IsSynchronous, pastTime, endures: held is not null, cancellationToken).ConfigureAwait(false))
            return held!.Ring;
        KeyRing ring;
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var former = _state?.Ring;
            ring = await RefreshCoreAsync(store, use, cancellationToken).ConfigureAwait(false);
            if (ReferenceEquals(ring, former))
                return ring;
        }
        finally
        {
            _gate.Leave();
        }

        // Who waited for the refresh goes on now: one of them may hold the store's only writer, for which a rotation waits.
        await RotateByAgeAsync(store, ring, cancellationToken).ConfigureAwait(false);
        if (use == RingUse.Write || !store.SharesConnection)
            await loader.RecordUsageAsync(store, ring, cancellationToken).ConfigureAwait(false);
        return _state?.Ring ?? ring;
    }

    private bool IsPastTime(State state) => state.IsOutdated || state.Ring.Age >= options.RefreshInterval;

    private async ValueTask<KeyRing> RefreshCoreAsync(IKeyStore store, RingUse use, CancellationToken cancellationToken)
    {
        if (GetFresh(use) is { } fresh)
            return fresh;
        var state = _state is { } known && Lacks(known, use) ? null : _state;
        var failure = RecentFailure(state is null ? options.NegativeCacheTime : options.RetryInterval);
        if (failure is null)
        {
            try
            {
                return (await LoadAsync(store, _state, use, cancellationToken).ConfigureAwait(false)).Ring;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // What cannot be done inside a transaction of the application says nothing to those outside of it.
                failure = ExceptionDispatchInfo.Capture(e);
                if (!store.IsInTransaction)
                    _failure = new Failure(Moment.Now(time), failure);
                logger.KeyRingRefreshFailed(scope.Name, e);
            }
        }

        // The key store is out of reach. A ring past its time may read, but must not write: it cannot know what was retired.
        if (state is null || failure.SourceException is EnvelopeDecryptionException)
            failure.Throw();
        if (state!.Ring.Unverified >= UsableFor)
            throw new KeyUnavailableException(Messages.RingTooOld(scope, UsableFor), failure.SourceException);
        if (use != RingUse.Read && IsPastTime(state))
        {
            throw new KeyUnavailableException(
                use == RingUse.Write ? Messages.RingMustNotWrite(scope) : Messages.RingMustNotSearch(scope), failure.SourceException);
        }

        return state.Ring;
    }

    private ExceptionDispatchInfo? RecentFailure(TimeSpan within)
        => _failure is { } failure && failure.At.Elapsed(time) < within ? failure.Cause : null;

    private async ValueTask<State> LoadAsync(IKeyStore store, State? former, RingUse use, CancellationToken cancellationToken)
    {
        _isLoading = true;
        try
        {
            return await LoadCoreAsync(store, former, use, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _isLoading = false;
            _heard.Clear();
        }
    }

    private async ValueTask<State> LoadCoreAsync(IKeyStore store, State? former, RingUse use, CancellationToken cancellationToken)
    {
        var ring = await loader.LoadAsync(store, scope, former?.Ring, mayAdd: use == RingUse.Write, cancellationToken).ConfigureAwait(false);
        var failed = ring.Keys.FirstOrDefault(k => k.Failure is not null);
        if (former is null && failed is not null && ring.Keys.All(k => k.Key is null))
            KeyRing.RequireKey(failed);

        var state = new State(ring, failed is null ? Jitter(options.RefreshInterval) : Min(ring.Age + options.RetryInterval, options.RefreshInterval));
        if (!TryPublish(former, state))
        {
            foreach (var key in ring.Keys)
                key.Key?.Dispose();
            return await LoadCoreAsync(store, former: null, use, cancellationToken).ConfigureAwait(false);
        }

        _failure = null;
        foreach (var dropped in former?.Ring.Keys ?? [])
        {
            if (dropped.Key is not null && ring.Keys.All(k => !ReferenceEquals(k.Key, dropped.Key)))
                dropped.Key.Dispose();
        }

        // Every address of this database that has a slot of its own learns what is new, and this one what others learned meanwhile.
        if (former is null || former.Ring.IsOutdatedBy(ring.Rows))
            peers.Announce(scope, ring.Rows, source: this);
        while (_heard.TryDequeue(out var rows))
            Obey(rows);
        return state;
    }

    // The keys of a ring that was cleared while the next one was loaded are zeroed, and the next one has taken them over.
    private bool TryPublish(State? former, State state)
    {
        while (true)
        {
            var held = _state;
            if (former is not null && held is null)
                return false;
            if (ReferenceEquals(Interlocked.CompareExchange(ref _state, state, held), held))
                return true;
        }
    }

    private async ValueTask RotateByAgeAsync(IKeyStore store, KeyRing ring, CancellationToken cancellationToken)
    {
        if (options.RotateAfter is { } age && ring.FindPrimary() is { } primary && ring.StoreTime - primary.Stored.CreatedAt >= age)
            await RotateByItselfAsync(store, primary.Stored.Version, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask RotateByItselfAsync(IKeyStore store, KeyVersion primary, CancellationToken cancellationToken)
    {
        await _gate.EnterAsync(store.IsSynchronous, cancellationToken).ConfigureAwait(false);
        try
        {
            await RotateByItselfCoreAsync(store, primary, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Leave();
        }
    }

    // Nobody asked for this rotation, so nobody may fail because of it; there is room in the budget to try again later.
    private async ValueTask RotateByItselfCoreAsync(IKeyStore store, KeyVersion primary, CancellationToken cancellationToken)
    {
        try
        {
            var snapshot = await store.ReadAsync(scope, cancellationToken).ConfigureAwait(false);
            if (snapshot.Keys.Any(
                k => k.Version.Number > primary.Number && k is { EncryptsFrom: not null, RetiredAt: null, Status: KeyVersionStatus.Enabled }))
                return;
            await loader.AddVersionAsync(store, scope, snapshot, options.ActivationDelay, searches: false, cancellationToken).ConfigureAwait(false);
            await LoadAsync(store, _state, RingUse.Read, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            logger.KeyRotationFailed(scope.Name, e);
        }
    }

    // Between 80 and 100 percent, so that many instances started together do not ask the KMS together.
    private static TimeSpan Jitter(TimeSpan interval)
        => interval * (0.8 + (0.2 * System.Security.Cryptography.RandomNumberGenerator.GetInt32(1001) / 1000));

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    /// <param name="Ring">The snapshot.</param>
    /// <param name="RefreshAfter">The age of the snapshot at which the next refresh is due.</param>
    /// <param name="IsOutdated">Whether it is known to lack a version, so that it must not be used before it was read anew.</param>
    private sealed record State(KeyRing Ring, TimeSpan RefreshAfter, bool IsOutdated = false);

    private sealed record Failure(Moment At, ExceptionDispatchInfo Cause);
}
