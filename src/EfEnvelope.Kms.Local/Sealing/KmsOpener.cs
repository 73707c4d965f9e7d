using EfEnvelope.Kms.Local.Storage;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>
/// Opens the KMS at its first use and keeps its root key. The file's header is read each time, so a file that was removed or
/// replaced is noticed; the seal is derived only when the header is a new one. A failure is not kept.
/// </summary>
internal sealed class KmsOpener(KmsStore store, LocalKmsSeal seal, TimeProvider timeProvider, ILogger logger) : IDisposable
{
    private readonly SingleFlight<KmsHeader> _creating = new();
    private readonly SingleFlight<RootKey> _opening = new();
    private readonly Lock _gate = new();
    private volatile RootKey? _root;
    private volatile bool _disposed;

    /// <summary>Returns the root key, or nothing when there is no KMS and none is to be made.</summary>
    public async Task<RootKey?> OpenAsync(bool create, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, typeof(LocalKms));
        var header = await store.ReadHeaderAsync(cancellationToken).ConfigureAwait(false);
        if (header is null)
        {
            if (!create)
                return null;
            header = await _creating.RunAsync(CreateAsync, cancellationToken).ConfigureAwait(false);
        }

        while (true)
        {
            if (_root is { } root && root.IsOf(header))
                return root;

            // A run that was under way may have opened the header of a file that was replaced since.
            var opened = await _opening.RunAsync(() => OpenAsync(header), cancellationToken).ConfigureAwait(false);
            if (opened.IsOf(header))
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

    private async Task<KmsHeader> CreateAsync()
    {
        RootKey? made = null;
        try
        {
            var header = await store.CreateAsync(
                () => RootKey.Create(seal, store.Path, timeProvider.GetUtcNow(), out made), CancellationToken.None).ConfigureAwait(false);
            if (made is not null)
            {
                LocalKmsLog.KmsCreated(logger, store.Path, seal.Kind);
                Keep(made);
            }

            return header;
        }
        catch
        {
            made?.Dispose();
            throw;
        }
    }

    private async Task<RootKey> OpenAsync(KmsHeader header)
    {
        if (_root is { } present && present.IsOf(header))
            return present;
        await store.CheckIntegrityAsync(CancellationToken.None).ConfigureAwait(false);
        var root = RootKey.Open(seal, store.Path, header);
        LocalKmsLog.KmsOpened(logger, store.Path);
        return Keep(root);
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

            // The former one is left to its users; it belongs to a file that is no longer there.
            _root = root;
            return root;
        }
    }
}
