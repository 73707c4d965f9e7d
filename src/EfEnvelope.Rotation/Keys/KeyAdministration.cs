using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Rotation;

/// <summary>What can be done with keys. Every change is proved before it takes effect, and none touches a row.</summary>
public sealed partial class KeyAdministration
{
    private readonly DatabaseSource _source;

    internal KeyAdministration(DatabaseSource source) => _source = source;

    private KeyRingAdministration Administration => _source.Rings.Administration;

    /// <summary>Lists the scopes that the key store has.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The scopes, in the order of their names; none when there is no key yet.</returns>
    public Task<IReadOnlyList<KeyScope>> GetScopesAsync(CancellationToken cancellationToken = default)
        => _source.UseAsync<IReadOnlyList<KeyScope>>(
            async session =>
            {
                if (!await MapStore.ExistsAsync(session, EnvelopeTables.Keys, cancellationToken).ConfigureAwait(false))
                    return [];
                var dialect = session.Dialect;
                var scope = EnvelopeTablesSql.ByBytes(dialect.Provider, dialect.Quote(EnvelopeTables.Scope));
                var names = await session.QueryAsync(
                    $"SELECT DISTINCT {scope} FROM {dialect.Table(session.Schema, EnvelopeTables.Keys)}", [], cancellationToken)
                        .ConfigureAwait(false);
                var scopes = StoredRows.ReadAll(EnvelopeTables.Keys, names, n => StoredRows.Display(n[0]), n => StoredRows.Value(EnvelopeTables.Scope, n[0], v => KeyScope.FromStore((string)v))).Rows;
                return [.. scopes.Where(s => !s.IsReserved).OrderBy(s => s.Name, StringComparer.Ordinal)];
            },
            cancellationToken);

    /// <summary>Lists the versions of a scope. The KMS is not asked.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The versions, in the order of their numbers.</returns>
    /// <exception cref="EnvelopeConfigurationException">The scope is not known.</exception>
    public Task<IReadOnlyList<KeyVersionInfo>> ListAsync(KeyScope scope, CancellationToken cancellationToken = default)
        => _source.UseAsync(session => ListAsync(session, scope, cancellationToken), cancellationToken);

    /// <summary>Finds the scope that a command means: the one named, or the only one there is.</summary>
    /// <param name="scope">Its name, or <see langword="null" />.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The scope.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such scope, or there are several and none was named.</exception>
    public Task<KeyScope> ResolveScopeAsync(string? scope, CancellationToken cancellationToken = default) => ResolveScopeAsync(scope, mayBeNew: false, cancellationToken);

    internal async Task<KeyScope> ResolveScopeAsync(string? scope, bool mayBeNew, CancellationToken cancellationToken)
    {
        if (scope is not null && !KeyScope.IsWellFormed(scope))
            throw new EnvelopeConfigurationException(Diagnostics.Messages.MalformedScope(scope));
        var known = await GetScopesAsync(cancellationToken).ConfigureAwait(false);
        if (scope is null && known.Count == 1)
            return known[0];
        if (scope is null && known.Count > 1)
            throw new EnvelopeConfigurationException(RotationMessages.ScopeNeeded(known));
        var named = new KeyScope(scope ?? _source.Options.Scope);
        return known.Contains(named) || (mayBeNew && known.Count == 0)
            ? named
            : throw new EnvelopeConfigurationException(RotationMessages.ScopeUnknown(named, known));
    }

    /// <summary>Makes the first key version of a scope, and the tables of EfEnvelope if the database has none.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The version.</returns>
    /// <exception cref="OperationRefusedException">The scope has a version already.</exception>
    /// <exception cref="KeyUnavailableException">The key store or the KMS cannot be reached.</exception>
    public Task<KeyVersion> CreateAsync(KeyScope scope, CancellationToken cancellationToken = default)
        => _source.UseAsync(
            async session =>
            {
                await EnvelopeSchema.EnsureAsync(session, cancellationToken).ConfigureAwait(false);
                var snapshot = await _source.StoreOf(session).ReadAsync(scope, cancellationToken).ConfigureAwait(false);
                if (snapshot.Keys.Any(k => k.EncryptsFrom is not null))
                    throw new OperationRefusedException(RotationMessages.ScopeExists(scope));
                var ring = await _source.FindSlot(session, scope).ReloadAsync(_source.StoreOf(session), RingUse.Write, cancellationToken).ConfigureAwait(false);
                return ring.Primary.Version;
            },
            cancellationToken);

    /// <summary>Makes a new version, which becomes the primary after a delay. No row changes.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="activationDelay">How long other instances have to load it, or <see langword="null" /> for <see cref="EnvelopeOptions.ActivationDelay" />.</param>
    /// <param name="includeSearch">Whether it also writes what is compared: blind indexes and deterministic values.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The version.</returns>
    /// <exception cref="EnvelopeConfigurationException">
    /// The scope is not known, two versions are live in searches already, or the delay is neither zero nor as long as the refresh interval.
    /// </exception>
    /// <exception cref="KeyUnavailableException">The key store or the KMS cannot be reached.</exception>
    public Task<KeyVersion> RotateAsync(
        KeyScope scope, TimeSpan? activationDelay = null, bool includeSearch = false, CancellationToken cancellationToken = default)
    {
        var delay = activationDelay ?? _source.Options.ActivationDelay;
        KeyRingAdministration.RequireDelay(delay, _source.Options);
        return _source.UseAsync(
            async session =>
            {
                await RequireScopeAsync(session, scope, cancellationToken).ConfigureAwait(false);
                return await _source.FindSlot(session, scope)
                    .RotateAsync(_source.StoreOf(session), delay, includeSearch, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);
    }

    /// <summary>Wraps every version of a scope anew, under the KEKs that are configured now. No row changes.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The versions as they are then.</returns>
    /// <exception cref="EnvelopeConfigurationException">The scope is not known.</exception>
    /// <exception cref="KeyUnavailableException">The KMS did not unwrap or wrap a version; those before it are rewrapped, it and those after it are as they were.</exception>
    public Task<IReadOnlyList<KeyVersionInfo>> RewrapAsync(KeyScope scope, CancellationToken cancellationToken = default)
        => _source.UseAsync(
            async session =>
            {
                await RequireScopeAsync(session, scope, cancellationToken).ConfigureAwait(false);
                await Administration.RewrapAsync(_source.StoreOf(session), scope, cancellationToken).ConfigureAwait(false);
                await RecordUsageAsync(session, cancellationToken).ConfigureAwait(false);
                return await ListAsync(session, scope, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);

    /// <summary>Disables a version: what it encrypted cannot be read until it is enabled again.</summary>
    /// <param name="version">The version.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when it is stored. Instances obey at their next refresh.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such version.</exception>
    /// <exception cref="OperationRefusedException">It is the primary, or live in searches.</exception>
    public Task DisableAsync(KeyVersion version, CancellationToken cancellationToken = default)
        => ChangeAsync(version, store => Administration.DisableAsync(store, version, cancellationToken), cancellationToken);

    /// <summary>Enables a version again, after proving that it unwraps.</summary>
    /// <param name="version">The version.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when it is stored.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such version.</exception>
    /// <exception cref="KeyDestroyedException">It was destroyed.</exception>
    public Task EnableAsync(KeyVersion version, CancellationToken cancellationToken = default)
        => ChangeAsync(version, store => Administration.EnableAsync(store, version, cancellationToken), cancellationToken);

    /// <summary>Looks for what refers to a version, in every column of the encryption map, by the headers, and retires it if there is nothing.</summary>
    /// <param name="version">The version.</param>
    /// <param name="execute">Whether to retire it; otherwise it is only looked for.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What was found.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such version.</exception>
    /// <exception cref="OperationRefusedException">It is the primary, or other instances may still write under it.</exception>
    public Task<RetirementReport> RetireAsync(KeyVersion version, bool execute = true, CancellationToken cancellationToken = default)
        => _source.UseAsync(
            async session =>
            {
                await RequireVersionAsync(session, version, cancellationToken).ConfigureAwait(false);
                var map = await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false);

                // Before the scan, not after it: what is written meanwhile would be missed.
                await RequireReplacedAsync(session, version, cancellationToken).ConfigureAwait(false);
                if (execute)
                    await RequireWrittenNoMoreAsync(session, version, map, cancellationToken).ConfigureAwait(false);
                var report = await FindReferencesAsync(session, map, version, cancellationToken).ConfigureAwait(false);
                if (execute && report.IsRetired)
                    await RefusingAsync(() => Administration.MarkRetiredAsync(_source.StoreOf(session), version, map.Columns.Any(c => c.IsCompared), cancellationToken)).ConfigureAwait(false);
                return report;
            },
            cancellationToken);

    /// <summary>Destroys a retired version for good, after looking once more that nothing refers to it.</summary>
    /// <param name="version">The version.</param>
    /// <param name="waitingPeriod">How long ago it must have been retired.</param>
    /// <param name="execute">Whether to destroy it; otherwise it is only looked for.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What was found; the version was destroyed if nothing refers to it.</returns>
    /// <exception cref="EnvelopeConfigurationException">There is no such version.</exception>
    /// <exception cref="OperationRefusedException">It is not retired, or not long enough.</exception>
    public Task<RetirementReport> DestroyAsync(
        KeyVersion version, TimeSpan waitingPeriod, bool execute = true, CancellationToken cancellationToken = default)
        => _source.UseAsync(
            async session =>
            {
                var stored = await RequireVersionAsync(session, version, cancellationToken).ConfigureAwait(false);
                if (stored is { RetiredAt: null, Status: not KeyVersionStatus.Destroyed })
                    throw new OperationRefusedException(RotationMessages.NotRetired(version));
                var map = await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false);
                var report = await FindReferencesAsync(session, map, version, cancellationToken).ConfigureAwait(false);
                if (execute && report.IsRetired)
                    await RefusingAsync(() => Administration.DestroyAsync(_source.StoreOf(session), version, waitingPeriod, cancellationToken)).ConfigureAwait(false);
                return report;
            },
            cancellationToken);

    internal Task SetUniqueFromAsync(KeyVersion version, CancellationToken cancellationToken)
        => _source.UseAsync(
            async session =>
            {
                var store = _source.StoreOf(session);
                var now = (await store.ReadAsync(version.Scope, cancellationToken).ConfigureAwait(false)).StoreTime;
                return await Administration.SetUniqueFromAsync(store, version, now, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);

    // What encrypts now is under no references to be looked for: it is rotated first.
    private async Task RequireReplacedAsync(Session session, KeyVersion version, CancellationToken cancellationToken)
    {
        var snapshot = await _source.StoreOf(session).ReadAsync(version.Scope, cancellationToken).ConfigureAwait(false);
        if (KeyRing.FindPrimary(snapshot)?.Version == version)
            throw new OperationRefusedException(RotationMessages.IsPrimary(version));
    }

    private async Task RequireWrittenNoMoreAsync(Session session, KeyVersion version, EncryptionMap map, CancellationToken cancellationToken)
    {
        var snapshot = await _source.StoreOf(session).ReadAsync(version.Scope, cancellationToken).ConfigureAwait(false);
        var stored = snapshot.Keys.Single(k => k.Version == version);
        if (KeyRetirement.IsDone(stored))
            return;
        try
        {
            KeyRetirement.RequireEncryptsNoMore(snapshot, stored);
            KeyRetirement.RequirePast(snapshot, stored, stored.EncryptsUntil);
            if (map.Columns.Any(c => c.IsCompared))
                KeyRetirement.RequireSearchesNoMore(snapshot, stored, _source.Options.RefreshInterval);
        }
        catch (EnvelopeConfigurationException e)
        {
            throw new OperationRefusedException(e.Message, e);
        }
    }

    // A transaction that is still open may have written what a scan does not see yet.
    private async Task<RetirementReport> FindReferencesAsync(Session session, EncryptionMap map, KeyVersion version, CancellationToken cancellationToken)
    {
        map.RequireReadable();
        var tables = new List<TableInfo>();
        foreach (var (schema, name) in map.Columns.Select(c => (c.Schema, c.Table)).Distinct())
        {
            if (await session.Dialect.FindTableAsync(session, schema, name, cancellationToken).ConfigureAwait(false) is { } table)
                tables.Add(table);
        }

        await session.Dialect.WaitForWritersAsync(session, tables, _source.TimeProvider, cancellationToken).ConfigureAwait(false);
        var references = new List<VersionReference>();
        foreach (var column in map.Columns)
        {
            try
            {
                var count = await HeaderScan.CountAsync(session, column, (uint)version.Number, cancellationToken).ConfigureAwait(false);
                if (count > 0)
                    references.Add(new VersionReference(column.Name, count));
            }
            catch (DbException e) when (!session.Dialect.IsTransient(e) && !Outages.IsLockWait(e))
            {
                throw new OperationRefusedException(RotationMessages.TableNotRead(column.TableName, session.Dialect.CodeOf(e)), e);
            }
        }

        references.AddRange(await StrayReferences.FindAsync(session, map, (uint)version.Number, cancellationToken).ConfigureAwait(false));
        return new RetirementReport(version, [.. map.Columns.Select(c => c.Name)], references);
    }

    private Task ChangeAsync(KeyVersion version, Func<IKeyStore, ValueTask<StoredKey>> change, CancellationToken cancellationToken)
        => _source.UseAsync(
            async session =>
            {
                await RequireVersionAsync(session, version, cancellationToken).ConfigureAwait(false);
                return await RefusingAsync(() => change(_source.StoreOf(session))).ConfigureAwait(false);
            },
            cancellationToken);

    // What the key store's own rules refuse is refused because of how things stand, not because of how they were asked.
    private static async Task<StoredKey> RefusingAsync(Func<ValueTask<StoredKey>> change)
    {
        try
        {
            return await change().ConfigureAwait(false);
        }
        catch (EnvelopeConfigurationException e)
        {
            throw new OperationRefusedException(e.Message, e);
        }
    }

    private async Task<IReadOnlyList<KeyVersionInfo>> ListAsync(Session session, KeyScope scope, CancellationToken cancellationToken)
    {
        await RequireScopeAsync(session, scope, cancellationToken).ConfigureAwait(false);
        var snapshot = await _source.StoreOf(session).ReadAsync(scope, cancellationToken).ConfigureAwait(false);
        var usage = await session.Context.Usage.AsNoTracking().Where(r => (string)r[EnvelopeTables.Scope] == scope.Name)
            .Select(r => new
            {
                Scope = (string)r[EnvelopeTables.Scope],
                Version = (int)r[EnvelopeTables.Version],
                Reserved = (long)r[EnvelopeTables.Reserved],
            })
            .ToListAsync(cancellationToken).ConfigureAwait(false);
        var primary = KeyRing.FindPrimary(snapshot)?.Version;
        var intermediates = (await _source.StoreOf(session).ReadAsync(KeyScope.Intermediate, cancellationToken).ConfigureAwait(false)).Keys;
        return [.. snapshot.Keys.Select(k => new KeyVersionInfo
        {
            Version = k.Version,
            Status = k.Status,
            IsPrimary = k.Version == primary,
            IsSearched = KeyRing.IsSearched(k),
            Keks = [.. FindKeks(k.Wrapped, intermediates).Distinct()],
            CreatedAt = k.CreatedAt,
            EncryptsFrom = k.EncryptsFrom,
            EncryptsUntil = k.EncryptsUntil,
            SearchesFrom = k.SearchesFrom,
            UniqueFrom = k.UniqueFrom,
            RetiredAt = k.RetiredAt,
            Reserved = usage.Where(u => u.Version == k.Version.Number && u.Scope == scope.Name).Select(u => u.Reserved)
                .DefaultIfEmpty().Max(),
        })];
    }

    // An intermediate key is no KEK: what is under it is under the KEKs that it is under. One that is lost is named itself.
    private static IEnumerable<string> FindKeks(WrappedKey? wrapped, IReadOnlyList<StoredKey> intermediates)
        => wrapped is null
            ? []
            : IntermediateWrapping.TryGetId(wrapped, out _, out var id) && intermediates.FirstOrDefault(id.IsOf) is { } intermediate
                ? FindKeks(intermediate.Wrapped, [])
                : wrapped.Copies.Select(c => c.Kek.ToString());

    private async Task RequireScopeAsync(Session session, KeyScope scope, CancellationToken cancellationToken)
    {
        if (!await MapStore.ExistsAsync(session, EnvelopeTables.Keys, cancellationToken).ConfigureAwait(false))
            throw new EnvelopeConfigurationException(RotationMessages.NoKeyStore());
        if ((await _source.StoreOf(session).ReadAsync(scope, cancellationToken).ConfigureAwait(false)).Keys.Count == 0)
            throw new EnvelopeConfigurationException(RotationMessages.ScopeUnknown(scope, await GetScopesAsync(cancellationToken).ConfigureAwait(false)));
    }

    private async Task<StoredKey> RequireVersionAsync(Session session, KeyVersion version, CancellationToken cancellationToken)
    {
        await RequireScopeAsync(session, version.Scope, cancellationToken).ConfigureAwait(false);
        var snapshot = await _source.StoreOf(session).ReadAsync(version.Scope, cancellationToken).ConfigureAwait(false);
        return snapshot.Keys.FirstOrDefault(k => k.Version == version)
            ?? throw new EnvelopeConfigurationException(RotationMessages.VersionUnknown(version, snapshot.Keys.Select(k => k.Version.Number)));
    }
}
