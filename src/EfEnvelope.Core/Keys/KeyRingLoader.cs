using System.Security.Cryptography;
using EfEnvelope.Diagnostics;
using EfEnvelope.Kms;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Keys;

/// <summary>Reads a ring from the key store and unwraps its keys; makes new versions, proving each before it may encrypt.</summary>
internal sealed class KeyRingLoader(KeyOpener opener, EnvelopeOptions options, TimeProvider time, ILogger logger)
{
    /// <summary>Reads the ring. Keys that the previous ring holds outlive an outage of the KMS, but not its refusal.</summary>
    public async ValueTask<KeyRing> LoadAsync(
        IKeyStore store, KeyScope scope, KeyRing? previous, bool mayAdd, CancellationToken cancellationToken)
    {
        var started = Moment.Now(time);
        using var activity = EnvelopeTelemetry.Activities.StartActivity("keyring load");
        activity?.SetTag("efenvelope.scope", scope.Name);
        try
        {
            var ring = await LoadCoreAsync(store, scope, previous, mayAdd, cancellationToken).ConfigureAwait(false);
            EnvelopeTelemetry.RingLoads.Record(started.Elapsed(time).TotalSeconds);
            return ring;
        }
        catch (Exception e)
        {
            activity?.SetStatus(System.Diagnostics.ActivityStatusCode.Error, e.GetType().Name);
            EnvelopeTelemetry.RingLoads.Record(started.Elapsed(time).TotalSeconds, new KeyValuePair<string, object?>("error", e.GetType().Name));
            throw;
        }
    }

    private async ValueTask<KeyRing> LoadCoreAsync(
        IKeyStore store, KeyScope scope, KeyRing? previous, bool mayAdd, CancellationToken cancellationToken)
    {
        // The ring is as old as its read: asking the KMS may take its time, and must not make the snapshot look younger.
        var readAt = Moment.Now(time);
        var snapshot = await store.ReadAsync(scope, cancellationToken).ConfigureAwait(false);
        if (previous is not null)
            snapshot = await RestoreLostAsync(store, snapshot, previous, cancellationToken).ConfigureAwait(false);
        if (!IsUsed(snapshot))
            snapshot = await RequireNoTraceAsync(store, new KeyVersion(scope, 1), snapshot, cancellationToken).ConfigureAwait(false);
        if (mayAdd && !IsUsed(snapshot))
        {
            await AddVersionAsync(store, scope, snapshot, TimeSpan.Zero, searches: true, cancellationToken).ConfigureAwait(false);
            readAt = Moment.Now(time);
            snapshot = await store.ReadAsync(scope, cancellationToken).ConfigureAwait(false);
        }

        // A version that was never proved encrypted nothing, so it can make no value unreadable: it waits for the next rotation.
        var keys = new List<RingKey>(snapshot.Keys.Count);
        RingKey? unanswered = null;
        foreach (var stored in snapshot.Keys.Where(k => k is not { EncryptsFrom: null, Status: KeyVersionStatus.Enabled }))
        {
            // What one version waited for in vain, those that are wrapped alike and may do without it do not wait for again: callers wait for all of them.
            var former = previous?.Find((uint)stored.Version.Number);
            var key = (IsWrappedAlike(stored, unanswered?.Stored) ? TryKeep(stored, former, unanswered!.Failure) : null)
                ?? await UnwrapAsync(store, stored, former, cancellationToken).ConfigureAwait(false);
            if (key.Failure is KmsException { Kind: KmsErrorKind.Timeout })
                unanswered ??= key;
            keys.Add(key);
        }

        if (previous is not null && !store.IsInTransaction)
            await RestoreLostIntermediatesAsync(store, keys, cancellationToken).ConfigureAwait(false);
        return new KeyRing(scope, keys, snapshot.StoreTime, readAt, time);
    }

    /// <summary>Writes down how many requests the KMSes had; never while anybody waits for the ring.</summary>
    public ValueTask RecordUsageAsync(IKeyStore store, KeyRing ring, CancellationToken cancellationToken)
        => KmsUsageRecord.FlushAsync(store, opener.Wrapping.Usage, ring.StoreTime, cancellationToken);

    /// <summary>Stores a new version, reads it back, unwraps it, and only then sets the time at which it becomes primary.</summary>
    /// <param name="store">The key store.</param>
    /// <param name="scope">The scope.</param>
    /// <param name="snapshot">What the store holds.</param>
    /// <param name="activationDelay">How long it waits before it may encrypt.</param>
    /// <param name="searches">Whether it also writes what is compared from then on. The first version always does.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async ValueTask<KeyVersion> AddVersionAsync(
        IKeyStore store, KeyScope scope, KeyStoreSnapshot snapshot, TimeSpan activationDelay, bool searches, CancellationToken cancellationToken)
    {
        RequireRoom(scope, snapshot, searches);

        // A version without its time was left by a process that died before proving it: prove it now instead of making one more.
        var last = snapshot.Keys.Count == 0 ? null : snapshot.Keys[^1];
        var version = last is { EncryptsFrom: null, RetiredAt: null, Status: KeyVersionStatus.Enabled } ? last.Version : NextVersion(scope, last);
        if (version != last?.Version && last is not null)
            await RequireNoTraceAsync(store, version, snapshot, cancellationToken).ConfigureAwait(false);
        if (version != last?.Version)
            await StoreAsync(store, version, snapshot.StoreTime, cancellationToken).ConfigureAwait(false);

        snapshot = await store.ReadAsync(scope, cancellationToken).ConfigureAwait(false);
        var readBack = snapshot.Keys.FirstOrDefault(k => k.Version == version)
            ?? throw new KeyUnavailableException(Messages.NewVersionNotReadBack(version));
        if (readBack.EncryptsFrom is not null)
            return Accept(readBack, searches);
        RequireRoom(scope, snapshot, searches);
        try
        {
            var proved = await UnwrapAsync(store, readBack, previous: null, cancellationToken).ConfigureAwait(false);
            KeyRing.RequireKey(proved).Dispose();
        }
        catch (EnvelopeDecryptionException) when (version == last?.Version)
        {
            // Left unproved by somebody else, and no good: it encrypted nothing, so it is put aside instead of blocking every rotation.
            if (!await store.TryUpdateAsync(readBack with { Status = KeyVersionStatus.Disabled }, cancellationToken).ConfigureAwait(false))
                return await AcceptOtherAsync(store, scope, version, activationDelay, searches, cancellationToken).ConfigureAwait(false);
            logger.KeyVersionDiscarded(version.ToString());
            snapshot = await store.ReadAsync(scope, cancellationToken).ConfigureAwait(false);
            return await AddVersionAsync(store, scope, snapshot, activationDelay, searches, cancellationToken).ConfigureAwait(false);
        }

        var encryptsFrom = snapshot.StoreTime + activationDelay;
        var searchesFrom = searches || !snapshot.Keys.Any(KeyRing.IsSearched) ? encryptsFrom : (DateTimeOffset?)null;
        if (!await store.TryUpdateAsync(readBack with { EncryptsFrom = encryptsFrom, SearchesFrom = searchesFrom }, cancellationToken).ConfigureAwait(false))
            return await AcceptOtherAsync(store, scope, version, activationDelay, searches, cancellationToken).ConfigureAwait(false);
        foreach (var former in snapshot.Keys.Where(k => k.Version.Number < version.Number && k is { EncryptsFrom: not null, EncryptsUntil: null }))
            await store.TryUpdateAsync(former with { EncryptsUntil = encryptsFrom + options.RefreshInterval }, cancellationToken).ConfigureAwait(false);
        logger.KeyVersionAdded(version.ToString(), encryptsFrom);
        return version;
    }

    private static bool IsUsed(KeyStoreSnapshot snapshot) => snapshot.Keys.Any(k => k.EncryptsFrom is not null);

    // Two keys under one number could not be told apart, and a scope whose rows were lost is not an empty one: nothing would be found in it. What was used
    // after the store was read has a row by now.
    private static async ValueTask<KeyStoreSnapshot> RequireNoTraceAsync(
        IKeyStore store, KeyVersion version, KeyStoreSnapshot snapshot, CancellationToken cancellationToken)
    {
        if (await store.FindTraceAsync(version, cancellationToken).ConfigureAwait(false) is not { } trace)
            return snapshot;
        snapshot = await store.ReadAsync(version.Scope, cancellationToken).ConfigureAwait(false);
        return snapshot.Keys.Any(k => k.Version.Number >= version.Number && k.EncryptsFrom is not null)
            ? snapshot
            : throw new KeyUnavailableException(Messages.KeyVersionLost(version, trace));
    }

    private static void RequireRoom(KeyScope scope, KeyStoreSnapshot snapshot, bool searches)
    {
        if (KeyRing.IsShredded(snapshot.Keys))
            throw new KeyDestroyedException(Messages.ScopeShredded(scope));
        if (searches && snapshot.Keys.Count(KeyRing.IsSearched) >= KeyRing.MaxSearchVersions)
            throw new EnvelopeConfigurationException(Messages.SearchStillRotating(scope, KeyRing.MaxSearchVersions));
    }

    // Another process proved the version first. It will do, unless it does not search and was asked to.
    private static KeyVersion Accept(StoredKey other, bool searches)
        => searches && other.SearchesFrom is null ? throw new KeyUnavailableException(Messages.RotatedMeanwhile(other.Version)) : other.Version;

    // Another process changed the version after it was read: it proved it, or put it aside and perhaps made one more.
    private async ValueTask<KeyVersion> AcceptOtherAsync(
        IKeyStore store, KeyScope scope, KeyVersion version, TimeSpan activationDelay, bool searches, CancellationToken cancellationToken)
    {
        var snapshot = await store.ReadAsync(scope, cancellationToken).ConfigureAwait(false);
        return snapshot.Keys.Count > 0
            && snapshot.Keys[^1] is { EncryptsFrom: not null, Status: KeyVersionStatus.Enabled } newest
            && newest.Version.Number >= version.Number
                ? Accept(newest, searches)
                : await AddVersionAsync(store, scope, snapshot, activationDelay, searches, cancellationToken).ConfigureAwait(false);
    }

    private static KeyVersion NextVersion(KeyScope scope, StoredKey? last)
        => last?.Version.Number switch
        {
            null => new KeyVersion(scope, 1),
            int.MaxValue => throw new EnvelopeConfigurationException(Messages.NoVersionNumberLeft(last.Version)),
            { } number => new KeyVersion(scope, number + 1),
        };

    private async ValueTask StoreAsync(IKeyStore store, KeyVersion version, DateTimeOffset storeTime, CancellationToken cancellationToken)
    {
        var bytes = GC.AllocateArray<byte>(DataKey.Length, pinned: true);
        try
        {
            RandomNumberGenerator.Fill(bytes);
            var wrapped = await opener.WrapAsync(store, version, bytes, cancellationToken).ConfigureAwait(false);
            using var key = new DataKey(version, bytes);
            await store.TryAddAsync(
                new StoredKey
                {
                    Version = version,
                    Status = KeyVersionStatus.Enabled,
                    Wrapped = wrapped,
                    Commitment = key.DeriveCommitment(),
                    CreatedAt = storeTime,
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (KmsException e)
        {
            throw new KeyUnavailableException(Messages.NewVersionNotWrapped(version), e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private async ValueTask<RingKey> UnwrapAsync(IKeyStore store, StoredKey stored, RingKey? previous, CancellationToken cancellationToken)
    {
        if (stored.Status != KeyVersionStatus.Enabled || stored.Wrapped is null)
            return new RingKey(stored, null);
        var kept = KeptOf(stored, previous);
        try
        {
            var opened = await opener.OpenAsync(store, stored, cancellationToken).ConfigureAwait(false);

            // The key in use stays, with its subkeys and budgets; this unwrapping only proved that it may.
            if (kept is not null)
                opened.Key.Dispose();
            return new RingKey(stored, kept ?? opened.Key, opened.Failure, opened.VerifiedAt);
        }
        catch (KmsException e)
        {
            // No answer is waited out, for a time that each key has of its own; a refusal is obeyed at once.
            logger.KeyUnwrapFailed(stored.Version.ToString(), e.Kind.ToString(), e);
            return (e.IsTransient || e.Kind == KmsErrorKind.Unauthenticated ? TryKeep(stored, previous, e) : null)
                ?? new RingKey(stored, null, e, previous?.VerifiedAt ?? default);
        }
        catch (EnvelopeDecryptionException e)
        {
            // One version's alarm: what the others encrypted stays readable.
            logger.KeyUnwrapFailed(stored.Version.ToString(), nameof(KmsErrorKind.InvalidCiphertext), e);
            return new RingKey(stored, null, e);
        }
    }

    private static DataKey? KeptOf(StoredKey stored, RingKey? previous)
        => previous?.Key is { } key && stored.Commitment.Span.SequenceEqual(previous.Stored.Commitment.Span) ? key : null;

    private RingKey? TryKeep(StoredKey stored, RingKey? previous, EnvelopeException? failure)
        => KeptOf(stored, previous) is { } key && previous!.VerifiedAt.Elapsed(time) < options.RefreshInterval + options.StaleIfErrorFor
            ? new RingKey(stored, key, failure, previous.VerifiedAt)
            : null;

    private static bool IsWrappedAlike(StoredKey stored, StoredKey? other)
        => stored is { Status: KeyVersionStatus.Enabled, Wrapped: { } wrapped }
            && other?.Wrapped is { } others
            && wrapped.Copies.Select(c => c.Kek).SequenceEqual(others.Copies.Select(c => c.Kek));

    // The same for what they are wrapped under: as long as this process has it, the next one can be given it.
    private async ValueTask RestoreLostIntermediatesAsync(IKeyStore store, List<RingKey> keys, CancellationToken cancellationToken)
    {
        var present = new HashSet<IntermediateId>();
        foreach (var key in keys.Where(k => k.Key is not null))
        {
            if (!IntermediateWrapping.TryGetId(key.Stored.Wrapped!, out _, out var id) || present.Contains(id))
                continue;
            var restored = await opener.RestoreAsync(store, key.Stored, key.Key!, cancellationToken).ConfigureAwait(false);
            if (ReferenceEquals(restored, key.Stored))
                present.Add(id);
            else
                await store.TryUpdateAsync(restored, cancellationToken).ConfigureAwait(false);
        }
    }

    // A row that vanished while this process still holds its wrapped key would make every later row unreadable: put it back.
    private async ValueTask<KeyStoreSnapshot> RestoreLostAsync(
        IKeyStore store, KeyStoreSnapshot snapshot, KeyRing previous, CancellationToken cancellationToken)
    {
        // Another key under a known number says that the tables are of another database, in which this one's keys have no place.
        var lost = previous.Keys.Where(k => k.Key is not null && snapshot.Keys.All(s => s.Version != k.Stored.Version)).ToList();
        if (lost.Count == 0 || previous.IsOfAnother(snapshot.Keys))
            return snapshot;
        foreach (var key in lost)
        {
            logger.KeyVersionRestored(key.Stored.Version.ToString());
            await store.TryAddAsync(await opener.RestoreAsync(store, key.Stored, key.Key!, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        }

        return await store.ReadAsync(previous.Scope, cancellationToken).ConfigureAwait(false);
    }
}
