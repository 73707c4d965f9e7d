using EfEnvelope.Diagnostics;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Keys;

/// <summary>
/// Changes stored versions by hand. Each call reads the key store, refuses what would make rows unreadable or be written past, and changes one version if it
/// is still as it was read. All times are the store's own.
/// </summary>
internal sealed class KeyRingAdministration(KeyOpener opener, EnvelopeOptions options, ILogger logger)
{
    private const int Attempts = 8;

    private readonly KeyRewrapping _rewrapping = new(opener, options, logger);

    /// <summary>
    /// Refuses a delay after which an instance may not know the new version yet: the one precondition of every rotation, by the API, a job, a migration or the tool.
    /// </summary>
    /// <exception cref="EnvelopeConfigurationException">It is neither zero nor as long as the refresh interval.</exception>
    public static void RequireDelay(TimeSpan activationDelay, EnvelopeOptions options)
    {
        if (!options.AllowsDelay(activationDelay))
            throw new EnvelopeConfigurationException(Messages.ActivationDelayTooShort(activationDelay, options.RefreshInterval));
    }

    /// <summary>Wraps every version that is not destroyed anew, under the KEKs that are configured now.</summary>
    /// <exception cref="KeyUnavailableException">A version could not be unwrapped or wrapped: it is unchanged, and those before it are done.</exception>
    /// <exception cref="EnvelopeDecryptionException">What is stored of a version is not its key.</exception>
    public ValueTask<IReadOnlyList<RewrappedKey>> RewrapAsync(IKeyStore store, KeyScope scope, CancellationToken cancellationToken)
        => _rewrapping.RewrapAsync(store, scope, cancellationToken);

    /// <summary>Makes a version unusable until it is enabled again.</summary>
    /// <exception cref="EnvelopeConfigurationException">Something is or would have to be written under it, or queries look under it.</exception>
    /// <exception cref="KeyDestroyedException">It was destroyed.</exception>
    public ValueTask<StoredKey> DisableAsync(IKeyStore store, KeyVersion version, CancellationToken cancellationToken)
        => ChangeAsync(
            store,
            version,
            (snapshot, stored) =>
            {
                RequireNotDestroyed(stored);
                if (stored.Status == KeyVersionStatus.Disabled)
                    return new(stored);
                if (KeyRing.FindPrimary(snapshot)?.Version == version || (IsLast(stored) && !snapshot.Keys.Any(k => k.Version != version && IsLast(k))))
                    throw new EnvelopeConfigurationException(Messages.KeyVersionStillEncrypts(version));
                if (KeyRing.IsSearched(stored))
                    throw new EnvelopeConfigurationException(Messages.KeyVersionStillSearched(version));
                return new(stored with { Status = KeyVersionStatus.Disabled });
            },
            cancellationToken);

    /// <summary>Makes a disabled version usable again, if it unwraps to its key.</summary>
    /// <exception cref="KeyDestroyedException">It was destroyed.</exception>
    /// <exception cref="KeyUnavailableException">The KMS did not unwrap it.</exception>
    /// <exception cref="EnvelopeDecryptionException">What is stored is not its key.</exception>
    public ValueTask<StoredKey> EnableAsync(IKeyStore store, KeyVersion version, CancellationToken cancellationToken)
        => ChangeAsync(
            store,
            version,
            async (_, stored) =>
            {
                RequireNotDestroyed(stored);
                if (stored.Status == KeyVersionStatus.Enabled)
                    return stored;
                (await opener.RequireAsync(store, stored, cancellationToken).ConfigureAwait(false)).Dispose();
                return stored with { Status = KeyVersionStatus.Enabled };
            },
            cancellationToken);

    /// <summary>
    /// Retires a version. The caller has proved by a scan that nothing refers to it; this refuses while an instance may still write under it, so that the scan
    /// must have begun after the last one could.
    /// </summary>
    /// <param name="store">The key store.</param>
    /// <param name="version">The version.</param>
    /// <param name="hasComparedColumns">Whether any column of the scope is compared: is deterministic, or has a blind index.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="EnvelopeConfigurationException">Something is, or may still be, written under it.</exception>
    public async ValueTask<StoredKey> MarkRetiredAsync(
        IKeyStore store, KeyVersion version, bool hasComparedColumns, CancellationToken cancellationToken)
    {
        while (true)
        {
            StoredKey? heir = null;
            var stored = await ChangeAsync(
                store,
                version,
                (snapshot, stored) =>
                {
                    heir = null;
                    if (KeyRetirement.IsDone(stored))
                        return new(stored);
                    KeyRetirement.RequireEncryptsNoMore(snapshot, stored);
                    if (stored is { EncryptsFrom: not null, EncryptsUntil: null })
                        return new(stored with { EncryptsUntil = snapshot.StoreTime + options.RefreshInterval });
                    KeyRetirement.RequirePast(snapshot, stored, stored.EncryptsUntil);
                    if (hasComparedColumns)
                        KeyRetirement.RequireSearchesNoMore(snapshot, stored, options.RefreshInterval);
                    else
                        heir = KeyRetirement.FindHeir(snapshot, stored);
                    return new(heir is null ? stored with { RetiredAt = snapshot.StoreTime } : stored);
                },
                cancellationToken).ConfigureAwait(false);
            if (heir is not null)
                await HandOverSearchesAsync(store, heir, cancellationToken).ConfigureAwait(false);
            else if (KeyRetirement.IsDone(stored))
                return stored;
            else
                throw new EnvelopeConfigurationException(Messages.KeyVersionStillWritten(version, stored.EncryptsUntil!.Value));
        }
    }

    /// <summary>Takes a retirement back, for a backup whose values are under the version.</summary>
    /// <exception cref="EnvelopeConfigurationException">It is disabled, or there is no room for it in searches.</exception>
    /// <exception cref="KeyDestroyedException">It was destroyed.</exception>
    public ValueTask<StoredKey> UnretireAsync(IKeyStore store, KeyVersion version, CancellationToken cancellationToken)
        => ChangeAsync(
            store,
            version,
            (snapshot, stored) =>
            {
                RequireNotDestroyed(stored);
                if (stored.RetiredAt is null)
                    return new(stored);
                if (stored.Status != KeyVersionStatus.Enabled)
                    throw new EnvelopeConfigurationException(Messages.KeyVersionDisabled(version));
                if (stored.SearchesFrom is not null && snapshot.Keys.Count(KeyRing.IsSearched) >= KeyRing.MaxSearchVersions)
                    throw new EnvelopeConfigurationException(Messages.SearchStillRotating(version.Scope, KeyRing.MaxSearchVersions));
                return new(stored with { RetiredAt = null });
            },
            cancellationToken);

    /// <summary>Destroys the key of a retired version for good. Its row stays, so that its number is not given again.</summary>
    /// <param name="store">The key store.</param>
    /// <param name="version">The version.</param>
    /// <param name="waitingPeriod">How long it must have been retired.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="EnvelopeConfigurationException">It is not retired, or not for that long.</exception>
    public ValueTask<StoredKey> DestroyAsync(IKeyStore store, KeyVersion version, TimeSpan waitingPeriod, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(waitingPeriod, TimeSpan.Zero);
        return ChangeAsync(
            store,
            version,
            (snapshot, stored) =>
            {
                if (stored.Status == KeyVersionStatus.Destroyed)
                    return new(stored);
                if (stored.RetiredAt is not { } retiredAt)
                    throw new EnvelopeConfigurationException(Messages.KeyVersionNotRetired(version));
                if (snapshot.StoreTime < retiredAt + waitingPeriod)
                    throw new EnvelopeConfigurationException(Messages.KeyVersionRetiredTooRecently(version, retiredAt, retiredAt + waitingPeriod));
                return new(stored with { Status = KeyVersionStatus.Destroyed, Wrapped = null });
            },
            cancellationToken);
    }

    /// <summary>
    /// Destroys every version of a scope for good, whatever refers to it: crypto-shredding. The rows stay, so that no new key takes the scope's name unnoticed.
    /// </summary>
    /// <returns>The versions that were destroyed now. This process holds no key of the scope any longer.</returns>
    public async ValueTask<IReadOnlyList<KeyVersion>> ShredAsync(IKeyStore store, KeyScope scope, CancellationToken cancellationToken)
    {
        var destroyed = new List<KeyVersion>();

        // Until none is left: another instance may be making one.
        while (true)
        {
            var snapshot = await store.ReadAsync(scope, cancellationToken).ConfigureAwait(false);
            var left = snapshot.Keys.Where(k => k.Status != KeyVersionStatus.Destroyed).ToList();
            if (left.Count == 0)
            {
                // Other processes have the keys until their next refresh; this one, which was told to destroy them, drops them wherever it holds them.
                foreach (var cache in KeyRingCaches.All)
                    cache.Follow(scope, snapshot.Keys);
                return destroyed;
            }

            foreach (var key in left)
            {
                await ChangeAsync(
                    store, key.Version, (_, stored) => new(stored with { Status = KeyVersionStatus.Destroyed, Wrapped = null }), cancellationToken).ConfigureAwait(false);
                destroyed.Add(key.Version);
            }
        }
    }

    /// <summary>
    /// Sets when what a unique index compares is first written under a version; once, and a second time changes nothing. The caller has proved by a scan that
    /// every row has its second value under it; this refuses while an instance may not know the version yet, so that the scan must have begun after that.
    /// </summary>
    /// <exception cref="EnvelopeConfigurationException">It writes nothing that is compared, or an instance may write rows without their second value.</exception>
    public ValueTask<StoredKey> SetUniqueFromAsync(IKeyStore store, KeyVersion version, DateTimeOffset at, CancellationToken cancellationToken)
        => ChangeAsync(
            store,
            version,
            (snapshot, stored) =>
            {
                if (stored.UniqueFrom is not null)
                    return new(stored);
                if (!KeyRing.IsSearched(stored))
                    throw new EnvelopeConfigurationException(Messages.KeyVersionNotSearched(version));
                if (snapshot.Keys.Any(k => KeyRing.IsSearched(k) && k.Version.Number < version.Number))
                    KeyRetirement.RequireKnown(snapshot, stored, options.RefreshInterval);
                return new(stored with { UniqueFrom = at });
            },
            cancellationToken);

    // Two steps, so that at no time nothing is searched.
    private ValueTask<StoredKey> HandOverSearchesAsync(IKeyStore store, StoredKey heir, CancellationToken cancellationToken)
        => ChangeAsync(
            store,
            heir.Version,
            (snapshot, stored) => new(stored.SearchesFrom is null ? stored with { SearchesFrom = snapshot.StoreTime } : stored),
            cancellationToken);

    private async ValueTask<StoredKey> ChangeAsync(
        IKeyStore store,
        KeyVersion version,
        Func<KeyStoreSnapshot, StoredKey, ValueTask<StoredKey>> decide,
        CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var snapshot = await store.ReadAsync(version.Scope, cancellationToken).ConfigureAwait(false);
            var stored = snapshot.Keys.FirstOrDefault(k => k.Version == version)
                ?? throw new EnvelopeConfigurationException(Messages.KeyVersionUnknown(version));
            var changed = await decide(snapshot, stored).ConfigureAwait(false);
            if (ReferenceEquals(changed, stored))
                return stored;
            if (!await store.TryUpdateAsync(changed, cancellationToken).ConfigureAwait(false))
                continue;
            logger.KeyVersionChanged(version.ToString(), Describe(stored, changed));
            return changed with { Revision = changed.Revision + 1 };
        }

        throw new KeyUnavailableException(Messages.KeyVersionChanging(version));
    }

    private static string Describe(StoredKey former, StoredKey changed)
        => changed.Status != former.Status ? changed.Status.ToString().ToLowerInvariant()
            : changed.RetiredAt != former.RetiredAt ? (changed.RetiredAt is null ? "brought back from retirement" : "retired")
            : changed.EncryptsUntil != former.EncryptsUntil ? "given its last time to encrypt"
            : changed.SearchesFrom != former.SearchesFrom ? "made to write what is compared"
            : "made to write what unique indexes compare";

    private static void RequireNotDestroyed(StoredKey stored)
    {
        if (stored.Status == KeyVersionStatus.Destroyed)
            throw new KeyDestroyedException(Messages.KeyVersionDestroyed(stored.Version));
    }

    // Whatever time comes, it is not replaced by itself.
    private static bool IsLast(StoredKey stored)
        => stored is { Status: KeyVersionStatus.Enabled, RetiredAt: null, EncryptsFrom: not null, EncryptsUntil: null };
}
