using EfEnvelope.Diagnostics;

namespace EfEnvelope.Keys;

/// <summary>
/// When a version may be retired. An instance uses a ring for the refresh interval without reading the key store, so whatever its versions say, it is believed
/// to do until that has passed what they said before.
/// </summary>
internal static class KeyRetirement
{
    public static bool IsDone(StoredKey stored) => stored.RetiredAt is not null || stored.Status == KeyVersionStatus.Destroyed;

    /// <summary>Refuses the primary, and one that nothing replaces. One that was put aside before it was proved never encrypted anything.</summary>
    public static void RequireEncryptsNoMore(KeyStoreSnapshot snapshot, StoredKey stored)
    {
        if (stored is { EncryptsFrom: null, Status: KeyVersionStatus.Disabled })
            return;
        var hasSuccessor = snapshot.Keys.Any(
            k => k.Version.Number > stored.Version.Number
                && k is { Status: KeyVersionStatus.Enabled, RetiredAt: null }
                && k.EncryptsFrom <= snapshot.StoreTime);
        if (stored.EncryptsFrom is null
            || KeyRing.FindPrimary(snapshot)?.Version == stored.Version
            || (stored.EncryptsUntil is null && !hasSuccessor))
            throw new EnvelopeConfigurationException(Messages.KeyVersionStillEncrypts(stored.Version));
    }

    /// <summary>Refuses until a time has passed.</summary>
    public static void RequirePast(KeyStoreSnapshot snapshot, StoredKey stored, DateTimeOffset? until)
    {
        if (until is { } time && snapshot.StoreTime <= time)
            throw new EnvelopeConfigurationException(Messages.KeyVersionStillWritten(stored.Version, time));
    }

    /// <summary>Refuses a version that something compared is written under, by the newest state or by an instance that does not know it yet.</summary>
    public static void RequireSearchesNoMore(KeyStoreSnapshot snapshot, StoredKey stored, TimeSpan refreshInterval)
    {
        if (!KeyRing.IsSearched(stored))
            return;
        var successor = snapshot.Keys.LastOrDefault(k => KeyRing.IsSearched(k) && k.Version.Number > stored.Version.Number)
            ?? throw new EnvelopeConfigurationException(Messages.OnlySearchVersion(stored.Version));
        if (successor.UniqueFrom is not { } uniqueFrom)
            throw new EnvelopeConfigurationException(Messages.NotReindexed(stored.Version, successor.Version));
        RequirePast(snapshot, stored, successor.SearchesFrom + refreshInterval);
        RequirePast(snapshot, stored, uniqueFrom + refreshInterval);
    }

    /// <summary>Finds the version that takes over searches when the only one that has them is retired, as far as nothing is compared yet.</summary>
    public static StoredKey? FindHeir(KeyStoreSnapshot snapshot, StoredKey stored)
        => !KeyRing.IsSearched(stored) || snapshot.Keys.Any(k => k.Version != stored.Version && KeyRing.IsSearched(k))
            ? null
            : KeyRing.FindPrimary(snapshot) ?? throw new KeyUnavailableException(Messages.NoPrimary(stored.Version.Scope));

    /// <summary>Refuses until every instance knows a version that writes second values.</summary>
    public static void RequireKnown(KeyStoreSnapshot snapshot, StoredKey stored, TimeSpan refreshInterval)
    {
        if (stored.SearchesFrom + refreshInterval is { } until && snapshot.StoreTime <= until)
            throw new EnvelopeConfigurationException(Messages.KeyVersionNotKnownYet(stored.Version, until));
    }
}
