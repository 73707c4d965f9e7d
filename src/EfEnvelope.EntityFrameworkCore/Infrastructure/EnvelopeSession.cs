using System.Data.Common;
using System.Globalization;
using EfEnvelope.Diagnostics;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>What one context instance knows of keys: its scope, and the ring its running command reads with.</summary>
internal sealed class EnvelopeSession : IResettableService, IDisposable
{
    // The first may give what another writer had read before the versions changed once more.
    private const int Reloads = 2;

    // How many other scopes are looked into when a value does not open.
    private const int MaxOwners = 32;

    // The context whose values this thread opened last; weak, so that no context outlives its use.
    [ThreadStatic]
    private static WeakReference<EnvelopeSession>? t_last;

    private readonly RuntimeLease _runtime;
    private readonly ICurrentDbContext _current;
    private readonly IDbContextOptions _options;
    private KeyStoreConnection? _store;
    private (KeyStoreIdentity Identity, KeyRingSlot Slot)? _slot;
    private KeyRing? _ring;
    private (KeyRingSlot Slot, KeyRing Ring, RingKey? Primary, IDbContextTransaction Transaction)? _proved;
    private int _parameters;
    private bool _checked;
    private (DbConnection? Connection, KeyRing? Ring, int Generation) _mapChecked;

    public EnvelopeSession(ICurrentDbContext current, IDbContextOptions options)
    {
        (_runtime, _current, _options) = (options.FindExtension<EnvelopeOptionsExtension>()!.Runtime, current, options);
        _runtime.Runtime.Loggers.Follow(options);
    }

    /// <summary>Gets or sets whether queries of this context read encrypted columns, so that commands load keys before they run.</summary>
    public bool ReadsEnvelopes { get; set; }

    public DbContext Context => _current.Context;

    /// <summary>Gets the rings of this context's configuration.</summary>
    public KeyRingCache Rings => _runtime.Runtime.Rings;

    // EF Core validates the options of the first context with a configuration only, and the scope is not part of that.
    private KeyScope Scope
        => _options.FindExtension<EnvelopeOptionsExtension>()!.Configuration.Options.Scope is var name && KeyScope.IsWellFormed(name)
            ? new KeyScope(name)
            : throw new EnvelopeConfigurationException(Messages.MalformedScope(name));

    public static EnvelopeSession Of(DbContext context)
    {
        if (t_last is not null && t_last.TryGetTarget(out var last) && ReferenceEquals(last.Context, context))
            return last;
        var session = context.GetService<EnvelopeSession>();
        if (t_last is null)
            t_last = new WeakReference<EnvelopeSession>(session);
        else
            t_last.SetTarget(session);
        return session;
    }

    /// <summary>Called by compiled queries for every encrypted column that is read.</summary>
    public static Envelope Wrap(QueryContext queryContext, byte[] bytes) => new StoredEnvelope(bytes, Of(queryContext.Context));

    /// <summary>Called by compiled queries for every encrypted text column that is read.</summary>
    public static TextEnvelope WrapText(QueryContext queryContext, string text) => TextEnvelope.Read(text, Of(queryContext.Context));

    /// <summary>Called by compiled queries that read encrypted columns, before they run.</summary>
    public static T AnnounceRead<T>(QueryContext queryContext, T query)
    {
        Of(queryContext.Context).ReadsEnvelopes = true;
        return query;
    }

    /// <summary>Names a parameter for raw SQL: no two of this context alike, and the same from one short-lived context to the next, as plans are cached by them.</summary>
    public string NameParameter(string column)
        => string.Create(CultureInfo.InvariantCulture, $"{string.Concat(column.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'))}_{_parameters++}");

    public KeyStoreConnection ConnectStore() => _store ??= new KeyStoreConnection(Context);

    /// <summary>Finds the slot of this context's scope in its database as they are now.</summary>
    public KeyRingSlot FindSlot(KeyStoreConnection connection)
    {
        // Only while its ring is fresh: a slot that is asked for again is one that the cache keeps.
        var identity = connection.Identity;
        if (_slot is { } known && ReferenceEquals(known.Identity, identity) && !known.Slot.IsDropped && known.Slot.GetFresh(RingUse.Read) is not null)
            return known.Slot;
        var slot = Rings.GetSlot(identity, Scope);
        _slot = (identity, slot);
        return slot;
    }

    /// <summary>Makes how the key store is reached, and finds out where that is if only an open connection tells.</summary>
    public ValueTask<KeyStoreConnection> ConnectStoreAsync(bool synchronous, CancellationToken cancellationToken)
    {
        var connection = ConnectStore();
        return connection.MustLocate ? LocateAsync(connection, synchronous, cancellationToken) : new ValueTask<KeyStoreConnection>(connection);
    }

    private static async ValueTask<KeyStoreConnection> LocateAsync(KeyStoreConnection connection, bool synchronous, CancellationToken cancellationToken)
    {
        await connection.LocateAsync(synchronous, cancellationToken).ConfigureAwait(false);
        return connection;
    }

    public async ValueTask<KeyRing> LoadRingAsync(RingUse use, CancellationToken cancellationToken)
    {
        var connection = await ConnectStoreAsync(synchronous: false, cancellationToken).ConfigureAwait(false);
        return _ring = await FindSlot(connection).GetAsync(new EfKeyStore(connection), use, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Loads the ring and proves that the versions it writes under are stored, enabled and not retired where this context writes: once per transaction and
    /// primary, and outside of one every time, because the database may be another one by now, or the key may have been rolled back or retired. A ring whose
    /// versions are not there is read anew from the key store, which puts a lost version back, or brings those that took over; they are proved, too.
    /// </summary>
    /// <exception cref="KeyUnavailableException">The versions are not there even then, or the key store cannot be reached.</exception>
    public ValueTask<KeyRing> LoadWritingRingAsync(bool synchronous, CancellationToken cancellationToken)
        => FindProved() is { } ring ? new ValueTask<KeyRing>(_ring = ring) : ProveWritingRingAsync(synchronous, cancellationToken);

    private async ValueTask<KeyRing> ProveWritingRingAsync(bool synchronous, CancellationToken cancellationToken)
    {
        var connection = await ConnectStoreAsync(synchronous, cancellationToken).ConfigureAwait(false);
        var store = new EfKeyStore(connection, synchronous);
        var slot = FindSlot(connection);
        var ring = await slot.GetAsync(store, RingUse.Write, cancellationToken).ConfigureAwait(false);
        var transaction = Context.Database.CurrentTransaction;
        for (var attempt = 0; !await IsProvedAsync(ring, synchronous, cancellationToken).ConfigureAwait(false); attempt++)
        {
            if (attempt == Reloads)
                throw new KeyUnavailableException(EnvelopeMessages.KeysNotProved(Scope));
            ring = await slot.ReplaceAsync(store, ring, cancellationToken).ConfigureAwait(false);
        }

        _ring = ring;
        _proved = transaction is null ? null : (slot, ring, ring.FindPrimary(), transaction);
        return ring;
    }

    /// <summary>Checks once that what this context was given is what the conventions made.</summary>
    public void CheckModel()
    {
        if (_checked)
            return;
        ModelCheck.Require(Context);
        _checked = true;
    }

    /// <summary>Gets whether there is a ring to write under that need not be read first.</summary>
    public bool HasFreshRing => FindSlot(ConnectStore()).GetFresh(RingUse.Write) is not null;

    /// <summary>Gets whether the encryption map is to be compared with the model before a command runs: at the first one, and when the ring is another one.</summary>
    public bool MustCheckMap(DbCommand command) => _mapChecked != (command.Connection, _ring, MapCheck.Generation);

    /// <summary>Compares the encryption map with the model.</summary>
    /// <exception cref="EnvelopeConfigurationException">The model writes an encrypted column in clear text.</exception>
    public async ValueTask CheckMapAsync(DbCommand command, bool synchronous, CancellationToken cancellationToken)
    {
        var now = (command.Connection, _ring, MapCheck.Generation);
        var store = await ConnectStoreAsync(synchronous, cancellationToken).ConfigureAwait(false);
        await MapCheck.RequireAsync(Context, store, _ring, command, synchronous, cancellationToken).ConfigureAwait(false);
        _mapChecked = now;
    }

    public KeyRing LoadRing(RingUse use)
    {
        var connection = ConnectStore();
        if (connection.MustLocate)
            SyncBridge.Run(() => connection.LocateAsync(synchronous: true, CancellationToken.None));
        var slot = FindSlot(connection);
        return _ring = slot.GetFresh(use) ?? SyncBridge.Run(() => slot.GetAsync(new EfKeyStore(connection, synchronous: true), use, CancellationToken.None));
    }

    /// <summary>Forgets the rings of this context's database: its key table has just been made anew.</summary>
    public void ForgetRings()
    {
        Rings.Forget(ConnectStore().Identity);
        ResetState();
    }

    public T Open<T>(FieldContext field, ReadOnlySpan<byte> bytes, PlaintextCodec<T> codec)
    {
        try
        {
            return OpenOrFindOwner(field, bytes, codec);
        }
        catch (EnvelopeException e) when (EnvelopeTelemetry.Count(e))
        {
            throw;
        }
    }

    private T OpenOrFindOwner<T>(FieldContext field, ReadOnlySpan<byte> bytes, PlaintextCodec<T> codec)
    {
        try
        {
            return OpenCore(field, bytes, codec);
        }
        catch (EnvelopeDecryptionException)
        {
            if (FindOwner(field, bytes, codec) is { } owner)
                throw new WrongKeyScopeException(Messages.BelongsToOtherScope(field.Name, Scope, owner));
            throw;
        }
    }

    // Not a second try: what opens under another scope's key is not returned. It only says whose value was found, which would be a false alarm.
    private KeyScope? FindOwner<T>(FieldContext field, ReadOnlySpan<byte> bytes, PlaintextCodec<T> codec)
    {
        if (!EnvelopeHeader.TryRead(bytes, out var header) || header.KeyNumber > int.MaxValue)
            return null;
        var (connection, number) = (ConnectStore(), (int)header.KeyNumber);
        var store = new EfKeyStore(connection, synchronous: true);
        var options = _options.FindExtension<EnvelopeOptionsExtension>()!.Configuration.Options;
        try
        {
            foreach (var name in SyncBridge.Run(() => store.FindScopesAsync(number, MaxOwners, CancellationToken.None)))
            {
                if (!KeyScope.IsWellFormed(name) || name == Scope.Name)
                    continue;
                var slot = Rings.GetSlot(connection.Identity, new KeyScope(name));

                // Under an intermediate key, another ring costs the KMS nothing.
                var ring = slot.Current ?? (options.UsesIntermediateKey ? SyncBridge.Run(() => slot.GetAsync(store, RingUse.Read, CancellationToken.None)) : null);
                if (ring is not null && Opens(ring, field, bytes, codec))
                    return ring.Scope;
            }
        }
        catch (EnvelopeException)
        {
            // The alarm stays what it is.
        }

        return null;
    }

    private static bool Opens<T>(KeyRing ring, FieldContext field, ReadOnlySpan<byte> bytes, PlaintextCodec<T> codec)
    {
        try
        {
            return EnvelopeCodec.TryDecrypt(ring, field, bytes, codec, out _);
        }
        catch (EnvelopeException)
        {
            return false;
        }
    }

    private T OpenCore<T>(FieldContext field, ReadOnlySpan<byte> bytes, PlaintextCodec<T> codec)
    {
        var ring = _ring ?? LoadRing(RingUse.Read);
        if (EnvelopeCodec.TryDecrypt(ring, field, bytes, codec, out var value))
            return value!;

        ReloadFor(field, bytes);
        return EnvelopeCodec.TryDecrypt(_ring!, field, bytes, codec, out value)
            ? value!
            : throw new EnvelopeDecryptionException(Messages.UnknownKeyVersion(field.Name, Scope.Name, EnvelopeCodec.ReadHeader(field, bytes).KeyNumber));
    }

    // A version that another instance made since this ring was read: it is loaded once, here, because nothing before could know.
    private void ReloadFor(FieldContext field, ReadOnlySpan<byte> bytes)
    {
        var header = EnvelopeCodec.ReadHeader(field, bytes);
        var connection = ConnectStore();
        _ring = SyncBridge.Run(
            () => FindSlot(connection).ReloadForUnknownAsync(new EfKeyStore(connection, synchronous: true), header.KeyNumber, CancellationToken.None));
    }

    // The ring that this transaction has proved, for as long as it is the one that writes.
    private KeyRing? FindProved()
        => _proved is { } proved
            && ReferenceEquals(proved.Transaction, Context.Database.CurrentTransaction)
            && !proved.Slot.IsDropped
            && ReferenceEquals(proved.Slot.GetFresh(RingUse.Write), proved.Ring)
            && proved.Primary == proved.Ring.FindPrimary()
                ? proved.Ring
                : null;

    // A ring that writes under nothing has nothing to prove: whoever wants to write by it is told why it cannot.
    private async ValueTask<bool> IsProvedAsync(KeyRing ring, bool synchronous, CancellationToken cancellationToken)
        => ring.FindWriting() is not { Count: > 0 } writing
            || await KeyProof.HoldsAsync(Context, writing, ring.Keys[^1].Stored.Version.Number, synchronous, cancellationToken).ConfigureAwait(false);

    public void ResetState()
    {
        ReadsEnvelopes = false;
        _slot = null;
        _ring = null;
        _proved = null;
        _mapChecked = default;
        _parameters = 0;
    }

    public void Dispose() => _store?.Dispose();

    public Task ResetStateAsync(CancellationToken cancellationToken = default)
    {
        ResetState();
        return Task.CompletedTask;
    }
}
