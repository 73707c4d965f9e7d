using EfEnvelope;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Key management through a context.</summary>
public static class EnvelopeDatabaseFacadeExtensions
{
    /// <summary>
    /// Loads the key ring of this context's scope, making its first key version if there is none, so that later synchronous calls
    /// wait for nothing. Optional: any command that needs the ring loads it.
    /// </summary>
    /// <param name="database">The context's database.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A task that ends when the ring is loaded.</returns>
    /// <exception cref="KeyUnavailableException">The key store or the KMS cannot be reached.</exception>
    public static async Task LoadEnvelopeKeysAsync(this DatabaseFacade database, CancellationToken cancellationToken = default)
        => await GetSession(database).LoadRingAsync(RingUse.Write, cancellationToken).ConfigureAwait(false);

    /// <summary>
    /// Rotates the key of this context's scope: makes a new version, which becomes the primary after the activation delay. No row changes, and
    /// what is stored stays readable.
    /// </summary>
    /// <param name="database">The context's database.</param>
    /// <param name="activationDelay">
    /// How long other instances have to load the new version before it encrypts, or <see langword="null" /> for
    /// <see cref="EnvelopeOptions.ActivationDelay" />: at least <see cref="EnvelopeOptions.RefreshInterval" />, or zero where one process uses the database.
    /// </param>
    /// <param name="includeSearch">
    /// Whether deterministic values and blind indexes are written under the new version, too. By default they keep theirs, so that equal values stay
    /// equal. While two versions are live, queries look under both, and what a unique index compares stays under the older one.
    /// </param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The new version.</returns>
    /// <exception cref="KeyUnavailableException">The key store or the KMS cannot be reached, or a transaction is open on SQLite.</exception>
    /// <exception cref="EnvelopeConfigurationException">
    /// Two versions are live in searches already, or the delay is neither zero nor as long as the refresh interval.
    /// </exception>
    public static async Task<KeyVersion> RotateEnvelopeKeyAsync(
        this DatabaseFacade database, TimeSpan? activationDelay = null, bool includeSearch = false, CancellationToken cancellationToken = default)
    {
        var session = GetSession(database);
        var options = GetConfiguration(database).Options;
        var delay = activationDelay ?? options.ActivationDelay;
        KeyRingAdministration.RequireDelay(delay, options);
        var connection = await session.ConnectStoreAsync(synchronous: false, cancellationToken).ConfigureAwait(false);
        var version = await session.FindSlot(connection)
            .RotateAsync(new EfKeyStore(connection), delay, includeSearch, cancellationToken).ConfigureAwait(false);
        session.ResetState();
        return version;
    }

    /// <summary>Lists the key versions of this context's scope, as the key store holds them.</summary>
    /// <param name="database">The context's database.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The versions, in the order of their numbers; none holds a plaintext key.</returns>
    /// <exception cref="KeyUnavailableException">The key store cannot be reached.</exception>
    public static async Task<IReadOnlyList<StoredKey>> GetEnvelopeKeysAsync(
        this DatabaseFacade database, CancellationToken cancellationToken = default)
    {
        var store = new EfKeyStore(await GetSession(database).ConnectStoreAsync(synchronous: false, cancellationToken).ConfigureAwait(false));
        var snapshot = await store.ReadAsync(new KeyScope(GetConfiguration(database).Options.Scope), cancellationToken).ConfigureAwait(false);
        return snapshot.Keys;
    }

    internal static EnvelopeSession GetSession(DatabaseFacade database)
    {
        GetConfiguration(database);
        return database.GetService<EnvelopeSession>();
    }

    private static EnvelopeOptionsBuilder GetConfiguration(DatabaseFacade database)
        => database.GetService<IDbContextOptions>().FindExtension<EnvelopeOptionsExtension>()?.Configuration
            ?? throw new EnvelopeConfigurationException(EnvelopeMessages.NotConfigured(database.GetService<ICurrentDbContext>().Context.GetType().Name));
}
