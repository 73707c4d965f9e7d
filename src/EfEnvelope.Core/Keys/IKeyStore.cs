namespace EfEnvelope.Keys;

/// <summary>
/// The seam to the key store: the table of wrapped data keys that lies beside the data, so that whoever can write a row can also
/// learn that its ring is out of date. It never sees a plaintext key.
/// </summary>
public interface IKeyStore
{
    /// <summary>
    /// Gets whether the store is reached through an open transaction of the application, so that it cannot be written now. Asked before
    /// every reservation: it must answer at once, without I/O.
    /// </summary>
    /// <value>The default is <see langword="false" />, for a store that has connections of its own.</value>
    bool IsInTransaction => false;

    /// <summary>
    /// Gets whether the store is reached through the application's own connection, so that what writes it waits for the application's writers. Who only
    /// reads is not made to wait for them.
    /// </summary>
    /// <value>The default is <see langword="false" />, for a store that has connections of its own.</value>
    bool SharesConnection => false;

    /// <summary>
    /// Gets whether its caller's thread waits: then everything that is done through it, and the KMS beside it, is done on that thread where that is possible, and
    /// its methods return what has ended.
    /// </summary>
    /// <value>The default is <see langword="false" />.</value>
    bool IsSynchronous => false;

    /// <summary>Reads all versions of a scope.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The versions and the store's time; no version for a scope that has none yet.</returns>
    ValueTask<KeyStoreSnapshot> ReadAsync(KeyScope scope, CancellationToken cancellationToken);

    /// <summary>
    /// Looks for what shows that a version which is not in the store was used before, so that its row was lost: another key must not take its number. Asked only
    /// before a version is made, and where a scope has none.
    /// </summary>
    /// <param name="version">The version.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What shows it, as a sentence says it, such as <c>table '__EnvelopeUsage' counts values under 'clinic:v1'</c>; or <see langword="null" />.</returns>
    ValueTask<string?> FindTraceAsync(KeyVersion version, CancellationToken cancellationToken) => default;

    /// <summary>Adds a version.</summary>
    /// <param name="key">The version.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns><see langword="false" /> when that number is taken already; nothing was changed then.</returns>
    ValueTask<bool> TryAddAsync(StoredKey key, CancellationToken cancellationToken);

    /// <summary>Replaces a version, if it is still as it was read.</summary>
    /// <param name="key">The new content, with the <see cref="StoredKey.Revision" /> that was read; the store counts it up.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns><see langword="false" /> when somebody else changed it first; nothing was changed then.</returns>
    ValueTask<bool> TryUpdateAsync(StoredKey key, CancellationToken cancellationToken);

    /// <summary>Reserves a number of encryptions of one column under one version, across all processes.</summary>
    /// <param name="version">The version.</param>
    /// <param name="field">The column's stable name.</param>
    /// <param name="count">How many.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>
    /// How many have been reserved in all, these included; or <see langword="null" /> when the store cannot be written at this moment (it
    /// shares a connection with an open transaction), so that the caller owes them.
    /// </returns>
    ValueTask<long?> ReserveAsync(KeyVersion version, string field, long count, CancellationToken cancellationToken);
}
