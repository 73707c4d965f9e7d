using EfEnvelope.Diagnostics;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Keys;

/// <summary>What a rewrapping did to one version.</summary>
/// <param name="Version">The version.</param>
/// <param name="Changed">
/// Whether it, or the intermediate key that it is under, is wrapped anew; <see langword="false" /> for one that was destroyed, or put aside before it encrypted
/// anything, so that there is nothing to wrap.
/// </param>
internal sealed record RewrappedKey(KeyVersion Version, bool Changed);

/// <summary>
/// Moves the keys of scopes under the KEKs that are configured now, or under new versions of the same ones. No row of the application changes. It may be
/// broken off anywhere and done again. An intermediate key that many versions are under is wrapped once, however many scopes are moved.
/// </summary>
internal sealed class KeyRewrapping(KeyOpener opener, EnvelopeOptions options, ILogger logger)
{
    private const int Attempts = 8;

    private readonly HashSet<IntermediateId> _intermediates = [];

    public async ValueTask<IReadOnlyList<RewrappedKey>> RewrapAsync(IKeyStore store, KeyScope scope, CancellationToken cancellationToken)
    {
        var snapshot = await store.ReadAsync(scope, cancellationToken).ConfigureAwait(false);
        var done = new List<RewrappedKey>(snapshot.Keys.Count);
        foreach (var stored in snapshot.Keys)
            done.Add(new RewrappedKey(stored.Version, await RewrapAsync(store, stored, cancellationToken).ConfigureAwait(false)));
        return done;
    }

    private async ValueTask<bool> RewrapAsync(IKeyStore store, StoredKey stored, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (stored.Wrapped is null || stored is { Status: KeyVersionStatus.Disabled, EncryptsFrom: null })
                return false;
            if (options.UsesIntermediateKey && IntermediateWrapping.TryGetId(stored.Wrapped, out _, out var id))
                return await RewrapIntermediateAsync(store, stored, id, cancellationToken).ConfigureAwait(false);
            if (await TryRewrapAsync(store, stored, cancellationToken).ConfigureAwait(false))
                return true;

            // Somebody else changed the version meanwhile, and perhaps destroyed it: begin with what is there now.
            stored = await ReadAsync(store, stored.Version, cancellationToken).ConfigureAwait(false);
        }

        throw new KeyUnavailableException(Messages.KeyVersionChanging(stored.Version));
    }

    private async ValueTask<bool> RewrapIntermediateAsync(IKeyStore store, StoredKey stored, IntermediateId id, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (_intermediates.Contains(id)
                || await TryRewrapAsync(store, await ReadAsync(store, new KeyVersion(KeyScope.Intermediate, id.Number), cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false))
            {
                _intermediates.Add(id);

                // The KMS is proved to open the intermediate key; what is under it is proved here.
                (await opener.RequireAsync(store, stored, cancellationToken).ConfigureAwait(false)).Dispose();
                return true;
            }
        }

        throw new KeyUnavailableException(Messages.KeyVersionChanging(stored.Version));
    }

    private async ValueTask<bool> TryRewrapAsync(IKeyStore store, StoredKey stored, CancellationToken cancellationToken)
    {
        var rewrapped = stored with { Wrapped = await opener.RewrapAsync(store, stored, cancellationToken).ConfigureAwait(false) };
        if (!await store.TryUpdateAsync(rewrapped, cancellationToken).ConfigureAwait(false))
            return false;
        await ConfirmAsync(store, stored, rewrapped, cancellationToken).ConfigureAwait(false);
        logger.KeyVersionChanged(stored.Version.ToString(), "rewrapped");
        return true;
    }

    // What a store makes of a text that it holds is known only when it is read. While the former KMS still answers, the former text is the better one.
    private async ValueTask ConfirmAsync(IKeyStore store, StoredKey former, StoredKey rewrapped, CancellationToken cancellationToken)
    {
        var readBack = await ReadAsync(store, former.Version, cancellationToken).ConfigureAwait(false);
        if (readBack.Wrapped is null)
            return;
        try
        {
            (await opener.RequireAsync(store, readBack, cancellationToken).ConfigureAwait(false)).Dispose();
        }
        catch (EnvelopeException e)
        {
            if (readBack.Revision == rewrapped.Revision + 1)
                await store.TryUpdateAsync(readBack with { Wrapped = former.Wrapped }, cancellationToken).ConfigureAwait(false);
            throw new KeyUnavailableException(Messages.RewrappedKeyDoesNotOpen(former.Version), e);
        }
    }

    private static async ValueTask<StoredKey> ReadAsync(IKeyStore store, KeyVersion version, CancellationToken cancellationToken)
        => (await store.ReadAsync(version.Scope, cancellationToken).ConfigureAwait(false)).Keys.FirstOrDefault(k => k.Version == version)
            ?? throw new KeyUnavailableException(Messages.KeyVersionUnknown(version));
}
