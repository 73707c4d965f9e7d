using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using EfEnvelope.Kms;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Rotation;

// What concerns KEKs and whole scopes.
public sealed partial class KeyAdministration
{
    /// <summary>Wraps the keys of every scope anew, under the KEKs that are configured now. No row changes.</summary>
    /// <param name="cancellationToken">Cancels the call; what is done stays done, and it may be called again.</param>
    /// <returns>The scopes, in the order of their names.</returns>
    /// <exception cref="KeyUnavailableException">The KMS did not unwrap or wrap a key; those before it are rewrapped, it and those after it are as they were.</exception>
    public Task<IReadOnlyList<KeyScope>> RewrapAllAsync(CancellationToken cancellationToken = default)
        => _source.UseAsync<IReadOnlyList<KeyScope>>(
            async session =>
            {
                var scopes = await GetScopesAsync(cancellationToken).ConfigureAwait(false);

                // One hand for all of them, so that an intermediate key is wrapped once, however many scopes are under it.
                var administration = Administration;
                foreach (var scope in scopes)
                    await administration.RewrapAsync(_source.StoreOf(session), scope, cancellationToken).ConfigureAwait(false);
                await RecordUsageAsync(session, cancellationToken).ConfigureAwait(false);
                return scopes;
            },
            cancellationToken);

    /// <summary>
    /// Destroys every key version of a scope for good, so that all that was encrypted under it is lost: crypto-shredding. No row changes, nothing is looked for
    /// first, and nothing brings it back but a backup of the key table.
    /// </summary>
    /// <param name="scope">The scope.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The versions that were destroyed. Running instances drop theirs at their next refresh.</returns>
    /// <exception cref="EnvelopeConfigurationException">The scope is not known.</exception>
    public Task<IReadOnlyList<KeyVersion>> ShredAsync(KeyScope scope, CancellationToken cancellationToken = default)
        => _source.UseAsync(
            async session =>
            {
                await RequireScopeAsync(session, scope, cancellationToken).ConfigureAwait(false);
                return await Administration.ShredAsync(_source.StoreOf(session), scope, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);

    /// <summary>Lists the wrapped copies of keys, and which of them are stale: under a KEK that is not configured, or under a former version of one.</summary>
    /// <param name="askKms">Whether the KMSes are asked for the present versions of their KEKs; otherwise no copy is called stale for its version.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>One entry for each copy, and one for each configured KEK that a key has no copy under. Data keys under an intermediate key have none of their own.</returns>
    public Task<IReadOnlyList<KekCopyInfo>> ListCopiesAsync(bool askKms, CancellationToken cancellationToken = default)
        => _source.UseAsync<IReadOnlyList<KekCopyInfo>>(
            async session =>
            {
                if (!await MapStore.ExistsAsync(session, EnvelopeTables.Keys, cancellationToken).ConfigureAwait(false))
                    return [];
                var rows = await session.Context.Keys.AsNoTracking()
                    .Where(r => r[EnvelopeTables.WrappedKey] != null && !((string)r[EnvelopeTables.WrappedKey]).Contains($"\"{IntermediateWrapping.Scheme}:"))
                    .Select(r => new { Scope = (string)r[EnvelopeTables.Scope], Version = (int)r[EnvelopeTables.Version], Wrapped = (string)r[EnvelopeTables.WrappedKey] })
                    .ToListAsync(cancellationToken).ConfigureAwait(false);
                var keks = await DescribeAsync(askKms, cancellationToken).ConfigureAwait(false);
                return [.. rows.Select(r => (Key: $"{r.Scope}:v{r.Version}", r.Wrapped)).OrderBy(r => r.Key, StringComparer.Ordinal).SelectMany(r => Judge(r.Key, r.Wrapped, keks))];
            },
            cancellationToken);

    /// <summary>Tells how many requests each KEK had in each month, as the instances that use this database have counted them.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>One entry for each month, KEK and operation, the latest month first. Instances count when they read their key ring, so the last hour may be missing.</returns>
    public Task<IReadOnlyList<KmsUsageInfo>> GetKmsUsageAsync(CancellationToken cancellationToken = default)
        => _source.UseAsync<IReadOnlyList<KmsUsageInfo>>(
            async session =>
            {
                if (!await MapStore.ExistsAsync(session, EnvelopeTables.Usage, cancellationToken).ConfigureAwait(false))
                    return [];
                var rows = await session.Context.Usage.AsNoTracking().Where(r => (string)r[EnvelopeTables.Scope] == KeyScope.KmsUsage.Name)
                    .Select(r => new { Month = (int)r[EnvelopeTables.Version], Field = (string)r[EnvelopeTables.Field], Requests = (long)r[EnvelopeTables.Reserved] })
                    .ToListAsync(cancellationToken).ConfigureAwait(false);
                return
                [
                    .. rows.Select(r => (r.Month, Of: KmsUsageRecord.Parse(r.Field), r.Requests))
                        .OrderByDescending(r => r.Month).ThenBy(r => r.Of.Kek, StringComparer.Ordinal).ThenBy(r => r.Of.Operation, StringComparer.Ordinal)
                        .Select(r => new KmsUsageInfo(r.Month / 100, r.Month % 100, r.Of.Kek, r.Of.Operation, r.Requests)),
                ];
            },
            cancellationToken);

    // What a tool asks of a KMS costs as much as what an application asks.
    private async Task RecordUsageAsync(Session session, CancellationToken cancellationToken)
    {
        var store = _source.StoreOf(session);
        var now = (await store.ReadAsync(KeyScope.Intermediate, cancellationToken).ConfigureAwait(false)).StoreTime;
        await KmsUsageRecord.FlushAsync(store, _source.Rings.Wrapping.Usage, now, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<Dictionary<string, (KekDescription? Description, KmsException? Failure)>> DescribeAsync(bool askKms, CancellationToken cancellationToken)
    {
        var keks = new Dictionary<string, (KekDescription?, KmsException?)>(StringComparer.Ordinal);
        var wrapping = _source.Rings.Wrapping;
        foreach (var wrapper in wrapping.Wrappers)
        {
            try
            {
                keks[wrapper.Kek.ToString()] = (askKms ? await wrapping.DescribeAsync(wrapper, cancellationToken).ConfigureAwait(false) : null, null);
            }
            catch (KmsException e)
            {
                keks[wrapper.Kek.ToString()] = (null, e);
            }
        }

        return keks;
    }

    private static IEnumerable<KekCopyInfo> Judge(string key, string text, Dictionary<string, (KekDescription? Description, KmsException? Failure)> keks)
    {
        WrappedKey wrapped;
        try
        {
            wrapped = WrappedKey.Parse(text);
        }
        catch (FormatException e)
        {
            return [new KekCopyInfo(key, "", null, KekCopyState.Unknown, e.Message)];
        }

        return wrapped.Copies.Select(c => Judge(key, c, keks)).Concat(
            keks.Keys.Except(wrapped.Copies.Select(c => c.Kek.ToString())).Select(kek => new KekCopyInfo(key, kek, null, KekCopyState.Missing, null)));
    }

    private static KekCopyInfo Judge(string key, WrappedKeyCopy copy, Dictionary<string, (KekDescription? Description, KmsException? Failure)> keks)
    {
        var kek = copy.Kek.ToString();
        if (!keks.TryGetValue(kek, out var known))
            return new KekCopyInfo(key, kek, copy.KekVersion, KekCopyState.NotConfigured, null);
        if (known.Description is not { } description)
            return new KekCopyInfo(key, kek, copy.KekVersion, KekCopyState.Unknown, known.Failure?.Message);
        var isFormer = description.PrimaryVersion is { } primary && copy.KekVersion is { } version && primary != version;
        return new KekCopyInfo(
            key, kek, copy.KekVersion, isFormer ? KekCopyState.FormerVersion : KekCopyState.Current,
            description.State is KekState.Disabled or KekState.PendingDeletion ? description.State.ToString() : null);
    }
}
