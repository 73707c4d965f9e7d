using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Access;
using EfEnvelope.Kms.Local.Audit;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>
/// Opens the KMS at its first use and keeps its root key. The header is read each time, so a store that was removed or replaced is
/// noticed; the seal is derived only when the header is of another KMS. A failure is not kept.
/// </summary>
internal sealed class KmsOpener(KmsStore store, LocalKmsSeal seal, TimeProvider timeProvider, ILogger logger) : IDisposable
{
    private readonly SingleFlight<bool> _creating = new();
    private readonly SingleFlight<RootKey> _opening = new();
    private readonly Lock _onThread = new();
    private readonly Lock _gate = new();
    private volatile RootKey? _root;
    private volatile bool _disposed;

    public LocalKmsSeal Seal => seal;

    /// <summary>Returns the root key, or nothing when there is no KMS and none is to be made.</summary>
    /// <param name="create">Whether one is made.</param>
    /// <param name="synchronous">Whether everything is done on the caller's thread.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <param name="db">A connection that has read the header ahead, if there is one.</param>
    public async Task<RootKey?> OpenAsync(bool create, bool synchronous, CancellationToken cancellationToken, KmsSession? db = null)
    {
        while (true)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(LocalKms));
            var header = db is null || !store.Place.MayExist()
                ? await store.ReadHeaderAsync(cancellationToken).ConfigureAwait(false)
                : await store.ReadHeaderAsync(db, cancellationToken).ConfigureAwait(false);
            if (header is null && !create)
                return null;
            if (header is null)
            {
                if (synchronous)
                    OnThread(() => CreateAsync(synchronous: true));
                else
                    await _creating.RunAsync(() => CreateAsync(synchronous: false), cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (_root is { } root && root.IsOf(header))
                return root;

            // A run that was under way may have opened a store that was replaced since: then the next one reads the new header.
            var opened = synchronous
                ? OnThread(() => OpenAsync(header, synchronous: true))
                : await _opening.RunAsync(() => OpenAsync(header, synchronous: false), cancellationToken).ConfigureAwait(false);
            if (header.Format == MetaRow.KnownFormat && opened.IsOf(header))
                return opened;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _root?.Dispose();
            _root = null;
        }
    }

    // Shared by those whose threads wait, apart from the others, whose run may wait for such a thread. The store itself lets one of both create it.
    private T OnThread<T>(Func<Task<T>> run)
    {
        lock (_onThread)
            return run().GetAwaiter().GetResult();
    }

    private async Task<bool> CreateAsync(bool synchronous)
    {
        RootKey? made = null;
        try
        {
            var created = await store.CreateAsync(
                async (db, token) =>
                {
                    made?.Dispose();
                    made = RootKey.Create();
                    var now = timeProvider.Now();
                    db.Add(await made.SealByAsync(seal, store.Path, now, token, synchronous).ConfigureAwait(false));
                    db.Add(new MetaRow
                    {
                        Id = MetaRow.OnlyId,
                        FormatVersion = MetaRow.KnownFormat,
                        KmsId = made.KmsId,
                        KeyCheck = made.Check,
                        Created = now,
                    });
                    db.AddRange([AccessAdministration.NewState(made), .. AuditTrail.NewRows(made)]);
                },
                CancellationToken.None).ConfigureAwait(false);
            if (created)
            {
                LocalKmsLog.KmsCreated(logger, store.Path, seal.Kind);
                Keep(made!);
            }
            else
            {
                made?.Dispose();
            }

            return created;
        }
        catch
        {
            made?.Dispose();
            throw;
        }
    }

    private async Task<RootKey> OpenAsync(KmsHeader header, bool synchronous)
    {
        if (_root is { } present && present.IsOf(header))
            return present;
        await store.CheckIntegrityAsync(CancellationToken.None).ConfigureAwait(false);
        await store.RefuseTrapsAsync(CancellationToken.None).ConfigureAwait(false);
        var seals = await store.ReadSealsAsync(CancellationToken.None).ConfigureAwait(false);

        // The seals are made anew with the upgrade, which may have come between.
        if (header.Format == MetaRow.FirstFormat
            && await store.ReadHeaderAsync(CancellationToken.None).ConfigureAwait(false) is { Format: > MetaRow.FirstFormat } upgraded)
        {
            header = upgraded;
            seals = await store.ReadSealsAsync(CancellationToken.None).ConfigureAwait(false);
        }

        var root = await RootKey.OpenAsync(seal, store.Path, header, seals, CancellationToken.None, synchronous).ConfigureAwait(false);
        try
        {
            if (header.Format < MetaRow.KnownFormat)
                await UpgradeAsync(root, synchronous).ConfigureAwait(false);
        }
        catch
        {
            root.Dispose();
            throw;
        }

        LocalKmsLog.KmsOpened(logger, store.Path);
        return Keep(root);
    }

    private async Task UpgradeAsync(RootKey root, bool synchronous)
    {
        await store.UpgradeAsync(
            (db, meta, token) => meta.FormatVersion == MetaRow.FirstFormat
                ? UpgradeFormat1Async(db, meta, root, synchronous, token)
                : UpgradeFormat2Async(db, root, token),
            CancellationToken.None).ConfigureAwait(false);
        LocalKmsLog.KmsUpgraded(logger, store.Path, MetaRow.KnownFormat);
    }

    // What format 1 left unauthenticated is taken as it stands.
    private async Task UpgradeFormat1Async(KmsSession db, MetaRow meta, RootKey root, bool synchronous, CancellationToken token)
    {
        meta.KeyCheck = root.Check;
        foreach (var version in await db.ListAsync(KmsTables.KeyVersions, [], cancellationToken: token).ConfigureAwait(false))
            RowMacs.Sign(root, version);
        foreach (var key in await db.ListAsync(KmsTables.Keys, [], cancellationToken: token).ConfigureAwait(false))
        {
            key.Algorithm = KeyAlgorithms.Aes256;
            key.Origin = KeyOrigins.Generated;
            key.Aliases = RowMacs.DigestOf([]);
            RowMacs.Sign(root, key);
        }

        db.RemoveRange(await db.ListAsync(KmsTables.Seals, [], cancellationToken: token).ConfigureAwait(false));
        db.Add(await root.SealByAsync(seal, store.Path, timeProvider.Now(), token, synchronous).ConfigureAwait(false));
        db.AddRange([AccessAdministration.NewState(root), .. AuditTrail.NewRows(root)]);
    }

    // A row that is not genuine stays so, and its key refused. One that is of format 3 already is not taken again: whoever writes the store
    // can write the number of its format.
    private static async Task UpgradeFormat2Async(KmsSession db, RootKey root, CancellationToken token)
    {
        var aliases = (await db.ListAsync(KmsTables.Aliases, [], fresh: true, cancellationToken: token)
            .ConfigureAwait(false)).ToLookup(a => a.KeyId);
        foreach (var key in await db.ListAsync(KmsTables.Keys, [], cancellationToken: token).ConfigureAwait(false))
        {
            if (!RowMacs.IsGenuineOfFormat2(root, key) || aliases[key.KeyId].Any(a => !RowMacs.IsGenuine(root, a)))
                continue;
            key.Aliases = RowMacs.DigestOf(aliases[key.KeyId].Select(a => a.Alias));
            key.Revision++;
            RowMacs.Sign(root, key);
        }
    }

    private RootKey Keep(RootKey root)
    {
        lock (_gate)
        {
            if (_disposed)
            {
                root.Dispose();
                throw new ObjectDisposedException(nameof(LocalKms));
            }

            // Opened twice at once: the first stays.
            if (_root is { } present && present.KmsId == root.KmsId && CryptographicOperations.FixedTimeEquals(present.Check, root.Check))
            {
                root.Dispose();
                return present;
            }

            // The former one is left to its users; it belongs to a store that is no longer there.
            _root = root;
            return root;
        }
    }
}
