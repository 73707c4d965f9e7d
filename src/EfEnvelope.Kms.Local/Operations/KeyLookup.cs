using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local.Operations;

/// <summary>Finds keys by name, alias or id, and refuses rows that were altered.</summary>
internal static class KeyLookup
{
    public const string AliasPrefix = "alias/";
    public const string IdPrefix = "id:";

    private const int Attempts = 10;

    /// <summary>Finds the key that a call names, destroyed or not, without its versions.</summary>
    public static async Task<KeyRow?> FindAsync(KmsDbContext db, RootKey root, string store, string reference, CancellationToken cancellationToken)
    {
        // No key is called so, and not every server can be asked for it.
        if (!StoreText.IsPlain(reference))
            return null;
        KeyRow? key;
        if (reference.StartsWith(IdPrefix, StringComparison.Ordinal))
        {
            var id = reference[IdPrefix.Length..];
            key = await db.Keys.SingleOrDefaultAsync(k => k.KeyId == id, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            // The name first: format 1 allowed a key to be called like an alias.
            key = await db.Keys.SingleOrDefaultAsync(k => k.Name == reference, cancellationToken).ConfigureAwait(false);
            if (key is null && reference.StartsWith(AliasPrefix, StringComparison.Ordinal))
                key = await FindByAliasAsync(db, root, store, reference, cancellationToken).ConfigureAwait(false);
        }

        return key is null || RowMacs.IsGenuine(root, key) ? key : throw Altered(store);
    }

    /// <summary>Finds one version of a key.</summary>
    public static async Task<KeyVersionRow?> FindVersionAsync(
        KmsDbContext db, RootKey root, string store, KeyRow key, long number, CancellationToken cancellationToken)
    {
        var version = await db.KeyVersions.SingleOrDefaultAsync(v => v.KeyId == key.KeyId && v.Version == number, cancellationToken).ConfigureAwait(false);
        return version is null || RowMacs.IsGenuine(root, version) ? version : throw Altered(store);
    }

    /// <summary>Loads all versions of a key into it, in ascending order.</summary>
    public static async Task<IReadOnlyList<KeyVersionRow>> VersionsAsync(
        KmsDbContext db, RootKey root, string store, KeyRow key, CancellationToken cancellationToken)
    {
        var versions = await db.KeyVersions.Where(v => v.KeyId == key.KeyId).OrderBy(v => v.Version).ToListAsync(cancellationToken).ConfigureAwait(false);
        return versions.TrueForAll(v => RowMacs.IsGenuine(root, v)) ? versions : throw Altered(store);
    }

    /// <summary>
    /// Reads the aliases of a key and compares them with its row, which names all of them: one that somebody removed from the store may be one by
    /// which a rule denies. Another caller may move an alias at the same time; then the row is read again.
    /// </summary>
    public static async Task<List<AliasRow>> AliasesAsync(KmsDbContext db, RootKey root, string store, KeyRow key, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var aliases = await db.Aliases.AsNoTracking().Where(a => a.KeyId == key.KeyId).OrderBy(a => a.Alias).ToListAsync(cancellationToken)
                .ConfigureAwait(false);
            if (RowMacs.AreAliases(root, key, aliases))
                return aliases;
            var now = await db.Keys.AsNoTracking().SingleOrDefaultAsync(k => k.KeyId == key.KeyId, cancellationToken).ConfigureAwait(false);
            if (now is null || !RowMacs.IsGenuine(root, now) || now.Revision == key.Revision || attempt == Attempts)
                throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.AliasesAltered(store, key.Name));
            key = now;
        }
    }

    public static KmsException Altered(string store) => new(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(store));

    private static async Task<KeyRow?> FindByAliasAsync(
        KmsDbContext db, RootKey root, string store, string reference, CancellationToken cancellationToken)
    {
        var alias = await db.Aliases.AsNoTracking().SingleOrDefaultAsync(a => a.Alias == reference, cancellationToken).ConfigureAwait(false);
        if (alias is null)
            return null;
        return RowMacs.IsGenuine(root, alias)
            ? await db.Keys.SingleOrDefaultAsync(k => k.KeyId == alias.KeyId, cancellationToken).ConfigureAwait(false)
            : throw Altered(store);
    }
}
