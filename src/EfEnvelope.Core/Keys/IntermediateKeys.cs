using System.Collections.Concurrent;
using System.Security.Cryptography;
using EfEnvelope.Diagnostics;
using EfEnvelope.Kms;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Keys;

/// <summary>
/// The intermediate keys of one key store: the KMS wraps them, and they wrap the data keys of all scopes, so that any number of scopes costs the same
/// few requests. Each is unwrapped once and then verified anew from time to time, beside the callers: a KMS that is slow delays nobody for longer than
/// <see cref="IntermediateEntry.Patience" />, one that is out of reach nobody at all for a stated time, and one that refuses is obeyed at once.
/// </summary>
internal sealed class IntermediateKeys(KeyWrapping wrapping, EnvelopeOptions options, TimeProvider time, ILogger logger)
{
    private const int Attempts = 8;

    private readonly ConcurrentDictionary<IntermediateId, IntermediateEntry> _entries = new();
    private readonly KeyGate _opening = new();
    private (IntermediateId Id, Moment At, KmsException Failure)? _refusal;

    /// <summary>Called when the KMS refused a key that it had unwrapped before.</summary>
    public event Action? Refused;

    /// <summary>Finds the intermediate key that wraps new data keys: the newest under just the KEKs that are configured. Makes it if there is none.</summary>
    /// <exception cref="KmsException">The KMS did not wrap or unwrap a new one.</exception>
    /// <exception cref="EnvelopeException">A new one could not be stored, or is not what was stored.</exception>
    public async ValueTask<IntermediateId> FindForWrappingAsync(IKeyStore store, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var snapshot = await store.ReadAsync(KeyScope.Intermediate, cancellationToken).ConfigureAwait(false);
            var wraps = snapshot.Keys.Where(k => k.Status == KeyVersionStatus.Enabled && wrapping.IsUnderAll(k.Wrapped)).ToList();
            if (wraps.LastOrDefault(k => k.EncryptsFrom is not null) is { } usable)
                return IntermediateId.Of(usable);
            await AddAsync(store, snapshot, unproved: wraps.LastOrDefault(), cancellationToken).ConfigureAwait(false);
        }

        throw new KeyUnavailableException(Messages.KeyVersionChanging(KeyScope.Intermediate));
    }

    /// <summary>Gets an intermediate key by its name.</summary>
    /// <exception cref="KmsException">The KMS did not unwrap it, and what it said before is too long ago.</exception>
    /// <exception cref="EnvelopeException">It is not in the key store, or what is stored is not the key.</exception>
    public async ValueTask<OpenIntermediateKey> GetAsync(IKeyStore store, IntermediateId id, CancellationToken cancellationToken)
    {
        if (_entries.TryGetValue(id, out var entry) && await entry.TryUseAsync(store.IsSynchronous, cancellationToken).ConfigureAwait(false) is { } open)
            return open.Failure is null ? open : await FollowAsync(store, entry, open, cancellationToken).ConfigureAwait(false);
        await _opening.EnterAsync(store.IsSynchronous, cancellationToken).ConfigureAwait(false);
        try
        {
            if (_entries.TryGetValue(id, out entry) && await entry.TryUseAsync(store.IsSynchronous, cancellationToken).ConfigureAwait(false) is { } meanwhile)
                return meanwhile;

            // Those who waited together are answered together.
            if (_refusal is { } recent && recent.Id == id && recent.At.Elapsed(time) < options.NegativeCacheTime)
                throw new KmsException(recent.Failure.Kind, recent.Failure.Message, recent.Failure.InnerException);
            return (await OpenAsync(store, id, cancellationToken).ConfigureAwait(false)).Current;
        }
        finally
        {
            _opening.Leave();
        }
    }

    /// <summary>Puts back the row of a key that this process has, if it vanished: whatever is wrapped under it could never be opened again.</summary>
    /// <returns>Whether it is there now; not, if its number was given to another key, because the database was made anew.</returns>
    public async ValueTask<bool> TryRestoreAsync(IKeyStore store, IntermediateId id, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var snapshot = await store.ReadAsync(KeyScope.Intermediate, cancellationToken).ConfigureAwait(false);
            if (snapshot.Keys.FirstOrDefault(k => k.Version.Number == id.Number) is { } present)
                return id.IsOf(present);
            if (!_entries.TryGetValue(id, out var entry))
                return false;
            logger.KeyVersionRestored(entry.Stored.Version.ToString());
            await store.TryAddAsync(entry.Stored, cancellationToken).ConfigureAwait(false);
        }

        return false;
    }

    private async ValueTask<IntermediateEntry> OpenAsync(IKeyStore store, IntermediateId id, CancellationToken cancellationToken)
    {
        var snapshot = await store.ReadAsync(KeyScope.Intermediate, cancellationToken).ConfigureAwait(false);
        if (snapshot.Keys.FirstOrDefault(id.IsOf) is not { Wrapped: not null } stored)
            throw new EnvelopeDecryptionException(Messages.IntermediateMissing(new KeyVersion(KeyScope.Intermediate, id.Number)));
        try
        {
            return _entries[id] = NewEntry(stored, await UnwrapAsync(stored, stored.Wrapped, store.IsSynchronous, cancellationToken).ConfigureAwait(false));
        }
        catch (KmsException e)
        {
            _refusal = (id, Moment.Now(time), e);
            throw;
        }
    }

    // The KMS that is out of reach may be one that the key was moved away from since this process opened it.
    private async ValueTask<OpenIntermediateKey> FollowAsync(
        IKeyStore store, IntermediateEntry entry, OpenIntermediateKey open, CancellationToken cancellationToken)
    {
        var id = IntermediateId.Of(entry.Stored);
        var snapshot = await store.ReadAsync(KeyScope.Intermediate, cancellationToken).ConfigureAwait(false);
        if (snapshot.Keys.FirstOrDefault(id.IsOf) is not { Wrapped: not null } stored || stored.Wrapped.ToString() == entry.Stored.Wrapped!.ToString())
            return open;
        try
        {
            return (_entries[id] = NewEntry(stored, await UnwrapAsync(stored, stored.Wrapped, store.IsSynchronous, cancellationToken).ConfigureAwait(false))).Current;
        }
        catch (KmsException)
        {
            return open;
        }
    }

    private IntermediateEntry NewEntry(StoredKey stored, DataKey key)
        => new(stored, key, token => UnwrapAsync(stored, stored.Wrapped!, synchronous: false, token), entry => Drop(entry), options, time, logger);

    private void Drop(IntermediateEntry entry)
    {
        _entries.TryRemove(new KeyValuePair<IntermediateId, IntermediateEntry>(IntermediateId.Of(entry.Stored), entry));
        Refused?.Invoke();
    }

    private async ValueTask<DataKey> UnwrapAsync(StoredKey stored, WrappedKey wrapped, bool synchronous, CancellationToken cancellationToken)
    {
        var bytes = await wrapping.UnwrapAsync(wrapped, ProvedKey.ContextOf(stored.Version), synchronous, cancellationToken).ConfigureAwait(false);
        try
        {
            return ProvedKey.Prove(stored, bytes);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    // Stored, read back, unwrapped from every copy that can be, and only then used: as with data keys.
    private async ValueTask AddAsync(IKeyStore store, KeyStoreSnapshot snapshot, StoredKey? unproved, CancellationToken cancellationToken)
    {
        var version = unproved?.Version ?? new KeyVersion(KeyScope.Intermediate, snapshot.Keys.Count == 0 ? 1 : snapshot.Keys[^1].Version.Number + 1);
        if (unproved is null && await store.FindTraceAsync(version, cancellationToken).ConfigureAwait(false) is { } trace)
        {
            snapshot = await store.ReadAsync(KeyScope.Intermediate, cancellationToken).ConfigureAwait(false);
            if (snapshot.Keys.All(k => k.Version.Number < version.Number))
                throw new KeyUnavailableException(Messages.KeyVersionLost(version, trace));
            return;
        }

        if (unproved is null && !await StoreAsync(store, version, snapshot.StoreTime, cancellationToken).ConfigureAwait(false))
            return;
        snapshot = await store.ReadAsync(KeyScope.Intermediate, cancellationToken).ConfigureAwait(false);
        if (snapshot.Keys.FirstOrDefault(k => k.Version == version) is not { EncryptsFrom: null, Wrapped: not null } readBack)
            return;
        try
        {
            await ProveAsync(readBack, readBack.Wrapped, store.IsSynchronous, cancellationToken).ConfigureAwait(false);
        }
        catch (EnvelopeException e) when (unproved is not null && e is EnvelopeDecryptionException or KmsException { Kind: KmsErrorKind.InvalidCiphertext })
        {
            await store.TryUpdateAsync(readBack with { Status = KeyVersionStatus.Disabled }, cancellationToken).ConfigureAwait(false);
            logger.KeyVersionDiscarded(version.ToString());
            return;
        }

        if (await store.TryUpdateAsync(readBack with { EncryptsFrom = snapshot.StoreTime }, cancellationToken).ConfigureAwait(false))
            logger.KeyVersionAdded(version.ToString(), snapshot.StoreTime);
    }

    /// <summary>Proves that each copy that can be asked for opens; the first of them is kept for use.</summary>
    public async ValueTask ProveAsync(StoredKey stored, WrappedKey wrapped, bool synchronous, CancellationToken cancellationToken)
    {
        var id = IntermediateId.Of(stored);
        foreach (var copy in wrapped.Copies.Where(c => wrapping.CanUnwrap(c.Kek)))
        {
            var key = await UnwrapAsync(stored, new WrappedKey(copy), synchronous, cancellationToken).ConfigureAwait(false);
            if (_entries.ContainsKey(id) || !_entries.TryAdd(id, NewEntry(stored with { Wrapped = wrapped }, key)))
                key.Dispose();
        }
    }

    private async ValueTask<bool> StoreAsync(IKeyStore store, KeyVersion version, DateTimeOffset storeTime, CancellationToken cancellationToken)
    {
        var bytes = GC.AllocateArray<byte>(DataKey.Length, pinned: true);
        try
        {
            RandomNumberGenerator.Fill(bytes);
            var wrapped = await wrapping.WrapAsync(bytes, ProvedKey.ContextOf(version), store.IsSynchronous, cancellationToken).ConfigureAwait(false);
            using var key = new DataKey(version, bytes);
            var stored = new StoredKey
            {
                Version = version,
                Status = KeyVersionStatus.Enabled,
                Wrapped = wrapped,
                Commitment = key.DeriveCommitment(),
                CreatedAt = storeTime,
            };
            return await store.TryAddAsync(stored, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }
}
