using System.Text;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Keks;

/// <summary>The work behind the gate that describes, lists and labels keys.</summary>
internal sealed class KeyCatalog(KeyGuard guard)
{
    private const int PageOfAll = 500;

    private static readonly Where NotDestroyed = new("state", "<>", KeyStates.Destroyed);

    public async Task<LocalKmsKey> DescribeAsync(KmsSession db, RootKey root, KeyRow key, CancellationToken cancellationToken)
    {
        // What was changed in this transaction is part of it.
        await db.SaveAsync(cancellationToken).ConfigureAwait(false);
        return (await DescribeAsync(db, root, [key], cancellationToken).ConfigureAwait(false))[0];
    }

    public async Task<LocalKmsKeyPage> ListAsync(KmsSession db, RootKey root, int limit, string? continuation, CancellationToken cancellationToken)
    {
        var after = continuation is null ? "" : Decode(continuation);
        var rows = await db.ListAsync(KmsTables.Keys, [NotDestroyed, new("name", ">", after)], "name", limit + 1, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        var next = rows.Count > limit ? Encode(rows[limit - 1].Name) : null;
        var page = rows.Take(limit).Where(k => !guard.IsDestroyed(k)).ToList();
        if (page.Exists(k => !RowMacs.IsGenuine(root, k)))
            throw KeyLookup.Altered(guard.Store);
        return new LocalKmsKeyPage(await DescribeAsync(db, root, page, cancellationToken).ConfigureAwait(false), next);
    }

    public async Task<IReadOnlyList<LocalKmsKey>> ListAllAsync(KmsSession db, RootKey root, CancellationToken cancellationToken)
    {
        var keys = new List<LocalKmsKey>();
        string? continuation = null;
        do
        {
            var page = await ListAsync(db, root, PageOfAll, continuation, cancellationToken).ConfigureAwait(false);
            keys.AddRange(page.Keys);
            continuation = page.ContinuationToken;
        }
        while (continuation is not null);
        return keys;
    }

    /// <summary>Returns the names of the keys that maintenance has to look after.</summary>
    public async Task<(List<string> ToDestroy, List<string> ToRotate)> DueAsync(KmsSession db, CancellationToken cancellationToken)
    {
        // Compared here, because SQLite does not compare times.
        var keys = await db.ListAsync(KmsTables.Keys, [NotDestroyed], "name", fresh: true, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        return (keys.FindAll(guard.IsDestroyed).ConvertAll(k => k.Name), keys.FindAll(guard.IsRotationDue).ConvertAll(k => k.Name));
    }

    public KeyRow SetDescription(KmsSubject subject, string name, string description)
    {
        var key = guard.Get(subject, name);
        key.Description = description;
        return key;
    }

    public async Task<KeyRow> SetTagAsync(
        KmsSession db, KmsSubject subject, string name, string tag, string? value, CancellationToken cancellationToken)
    {
        var key = guard.Get(subject, name);
        var row = await db.FindAsync(KmsTables.Tags, [Where.Is("key_id", key.KeyId), Where.Is("name", tag)], cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        if (value is null && row is not null)
            db.Remove(row);
        else if (value is not null && row is not null)
            row.Value = value;
        else if (value is not null)
            db.Add(new TagRow { KeyId = key.KeyId, Name = tag, Value = value });
        return key;
    }

    public async Task<KeyRow> SetAliasAsync(
        KmsSession db,
        RootKey root,
        KmsSubject subject,
        string alias,
        string name,
        Func<KeyRow, Task> mayTakeFrom,
        CancellationToken cancellationToken)
    {
        var key = guard.Get(subject, name);
        subject.Detail = alias;
        if (await db.NumberAsync(KmsTables.Keys, "COUNT(*)", [Where.Is("name", alias)], cancellationToken).ConfigureAwait(false) > 0)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.AliasIsAKey(guard.Store, alias));
        var row = await FindAliasAsync(db, alias, cancellationToken).ConfigureAwait(false);
        if (row is null)
        {
            db.Add(row = new AliasRow { Alias = alias, KeyId = key.KeyId });
            await ChangeAliasesAsync(db, root, key, names => names.Append(alias), cancellationToken).ConfigureAwait(false);
        }
        else if (row.KeyId != key.KeyId)
        {
            var former = await OwnerAsync(db, root, row, cancellationToken).ConfigureAwait(false);
            await mayTakeFrom(former).ConfigureAwait(false);
            await ChangeAliasesAsync(db, root, former, names => names.Where(n => n != alias), cancellationToken).ConfigureAwait(false);
            await ChangeAliasesAsync(db, root, key, names => names.Append(alias), cancellationToken).ConfigureAwait(false);
        }

        row.KeyId = key.KeyId;
        row.Revision++;
        RowMacs.Sign(root, row);
        return key;
    }

    public async Task<bool> RemoveAliasAsync(KmsSession db, RootKey root, KmsSubject subject, string alias, CancellationToken cancellationToken)
    {
        subject.Detail = alias;
        if (await FindAliasAsync(db, alias, cancellationToken).ConfigureAwait(false) is not { } row)
            return false;

        // Moved by another since it was read to decide whether the caller may: decided anew.
        if (subject.Key is not { } key || row.KeyId != key.KeyId)
            throw new DbUpdateConcurrencyException();
        await ChangeAliasesAsync(db, root, key, names => names.Where(n => n != alias), cancellationToken).ConfigureAwait(false);
        db.Remove(row);
        return true;
    }

    private static Task<AliasRow?> FindAliasAsync(KmsSession db, string alias, CancellationToken cancellationToken)
        => db.FindAsync(KmsTables.Aliases, [Where.Is("alias", alias)], cancellationToken: cancellationToken);

    private async Task ChangeAliasesAsync(
        KmsSession db, RootKey root, KeyRow key, Func<IEnumerable<string>, IEnumerable<string>> change, CancellationToken cancellationToken)
    {
        var aliases = await KeyLookup.AliasesAsync(db, root, guard.Store, key, cancellationToken).ConfigureAwait(false);
        key.Aliases = RowMacs.DigestOf(change(aliases.Select(a => a.Alias)));
        key.Revision++;
        RowMacs.Sign(root, key);
    }

    private async Task<KeyRow> OwnerAsync(KmsSession db, RootKey root, AliasRow alias, CancellationToken cancellationToken)
        => RowMacs.IsGenuine(root, alias)
            && await KeyLookup.FindAsync(db, root, guard.Store, KeyLookup.IdPrefix + alias.KeyId, cancellationToken).ConfigureAwait(false) is { } key
            ? key
            : throw KeyLookup.Altered(guard.Store);

    private static string Encode(string name) => Convert.ToBase64String(Encoding.ASCII.GetBytes(name));

    private static string Decode(string continuation)
    {
        try
        {
            if (Encoding.ASCII.GetString(Convert.FromBase64String(continuation)) is var name && KekName.IsWellFormed(name))
                return name;
        }
        catch (FormatException)
        {
        }

        throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.MalformedContinuation());
    }

    private async Task<List<LocalKmsKey>> DescribeAsync(KmsSession db, RootKey root, List<KeyRow> keys, CancellationToken cancellationToken)
    {
        var ids = keys.ConvertAll(k => k.KeyId);
        Where[] ofThese = [new("key_id", "IN", ids)];
        var versions = await db.ListAsync(KmsTables.KeyVersions, ofThese, fresh: true, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        var aliases = await db.ListAsync(KmsTables.Aliases, ofThese, fresh: true, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        var tags = await db.ListAsync(KmsTables.Tags, ofThese, fresh: true, cancellationToken: cancellationToken).ConfigureAwait(false);
        if (versions.Exists(v => !RowMacs.IsGenuine(root, v)))
            throw KeyLookup.Altered(guard.Store);
        foreach (var key in keys.Where(k => !RowMacs.AreAliases(root, k, aliases.FindAll(a => a.KeyId == k.KeyId))))
        {
            aliases.RemoveAll(a => a.KeyId == key.KeyId);
            aliases.AddRange(await KeyLookup.AliasesAsync(db, root, guard.Store, key, cancellationToken).ConfigureAwait(false));
        }

        var (versionsOf, aliasesOf, tagsOf) = (versions.ToLookup(v => v.KeyId), aliases.ToLookup(a => a.KeyId), tags.ToLookup(t => t.KeyId));
        return keys.ConvertAll(key => new LocalKmsKey(
            key.Name,
            key.KeyId,
            KeyStates.Parse(key.State),
            key.PrimaryVersion,
            key.Created,
            [.. versionsOf[key.KeyId].OrderBy(v => v.Version).Select(v => new LocalKmsKeyVersion(v.Version, KeyStates.Parse(v.State), v.Created))])
        {
            Algorithm = KeyAlgorithms.Parse(key.Algorithm),
            IsImported = key.Origin == KeyOrigins.Imported,
            Description = key.Description,
            RotationPeriod = key.RotationPeriod is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
            NextRotation = key.NextRotation,
            DeletionAt = key.DeletionAt,
            Aliases = [.. aliasesOf[key.KeyId].Select(a => a.Alias).Order(StringComparer.Ordinal)],
            Tags = tagsOf[key.KeyId].ToDictionary(t => t.Name, t => t.Value, StringComparer.Ordinal),
        });
    }
}
