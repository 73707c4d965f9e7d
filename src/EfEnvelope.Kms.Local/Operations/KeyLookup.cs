using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Operations;

/// <summary>Finds keys by name, alias or id, and refuses rows that were altered.</summary>
internal static class KeyLookup
{
    public const string AliasPrefix = "alias/";
    public const string IdPrefix = "id:";

    private const int Attempts = 10;
    private const string AliasOrder = "alias";

    /// <summary>Asks for what <see cref="FindAsync" /> reads first.</summary>
    public static IEnumerable<Query> AskKey(string? reference)
        => reference is null || !StoreText.IsPlain(reference) ? []
            : [Query.One(KmsTables.Keys, reference.StartsWith(IdPrefix, StringComparison.Ordinal) ? IsId(reference[IdPrefix.Length..]) : IsName(reference))];

    /// <summary>Asks for what <see cref="FindVersionAsync" /> reads.</summary>
    public static Query AskVersion(KeyRow key, int number) => Query.One(KmsTables.KeyVersions, IsVersion(key, number));

    /// <summary>Asks for what <see cref="AliasesAsync" /> reads first.</summary>
    public static Query AskAliases(KeyRow key) => new(KmsTables.Aliases, [IsId(key.KeyId)], AliasOrder);

    /// <summary>Finds the key that a call names, destroyed or not, without its versions.</summary>
    public static async Task<KeyRow?> FindAsync(KmsSession db, RootKey root, string store, string reference, CancellationToken cancellationToken)
    {
        // No key is called so, and not every server can be asked for it.
        if (!StoreText.IsPlain(reference))
            return null;
        KeyRow? key;
        if (reference.StartsWith(IdPrefix, StringComparison.Ordinal))
        {
            var id = reference[IdPrefix.Length..];
            key = await FindByIdAsync(db, id, fresh: false, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            // The name first: format 1 allowed a key to be called like an alias.
            key = await db.FindAsync(KmsTables.Keys, [IsName(reference)], cancellationToken: cancellationToken)
                .ConfigureAwait(false);
            if (key is null && reference.StartsWith(AliasPrefix, StringComparison.Ordinal))
                key = await FindByAliasAsync(db, root, store, reference, cancellationToken).ConfigureAwait(false);
        }

        return key is null || RowMacs.IsGenuine(root, key) ? key : throw Altered(store);
    }

    /// <summary>Finds one version of a key.</summary>
    public static async Task<KeyVersionRow?> FindVersionAsync(
        KmsSession db, RootKey root, string store, KeyRow key, long number, CancellationToken cancellationToken)
    {
        if (number is < int.MinValue or > int.MaxValue)
            return null;
        var version = await db.FindAsync(KmsTables.KeyVersions, IsVersion(key, (int)number), cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        return version is null || RowMacs.IsGenuine(root, version) ? version : throw Altered(store);
    }

    /// <summary>Loads all versions of a key into it, in ascending order.</summary>
    public static async Task<IReadOnlyList<KeyVersionRow>> VersionsAsync(
        KmsSession db, RootKey root, string store, KeyRow key, CancellationToken cancellationToken)
    {
        var versions = await db.ListAsync(KmsTables.KeyVersions, [IsId(key.KeyId)], "version", cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        return versions.TrueForAll(v => RowMacs.IsGenuine(root, v)) ? versions : throw Altered(store);
    }

    /// <summary>
    /// Reads the aliases of a key and compares them with its row, which names all of them: one that somebody removed from the store may be one by
    /// which a rule denies. Another caller may move an alias at the same time; then the row is read again.
    /// </summary>
    public static async Task<List<AliasRow>> AliasesAsync(KmsSession db, RootKey root, string store, KeyRow key, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var aliases = await db.ListAsync(
                KmsTables.Aliases, [IsId(key.KeyId)], AliasOrder, fresh: true, cancellationToken: cancellationToken)
                    .ConfigureAwait(false);
            if (RowMacs.AreAliases(root, key, aliases))
                return aliases;
            var now = await FindByIdAsync(db, key.KeyId, fresh: true, cancellationToken).ConfigureAwait(false);
            if (now is null || !RowMacs.IsGenuine(root, now) || now.Revision == key.Revision || attempt == Attempts)
                throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.AliasesAltered(store, key.Name));
            key = now;
        }
    }

    public static KmsException Altered(string store) => new(KmsErrorKind.InvalidCiphertext, LocalKmsMessages.Damaged(store));

    private static Task<KeyRow?> FindByIdAsync(KmsSession db, string id, bool fresh, CancellationToken cancellationToken)
        => db.FindAsync(KmsTables.Keys, [IsId(id)], fresh, cancellationToken);

    private static Where IsName(string name) => Where.Is("name", name);

    private static Where IsId(string id) => Where.Is("key_id", id);

    private static Where[] IsVersion(KeyRow key, int number) => [IsId(key.KeyId), Where.Is("version", number)];

    private static async Task<KeyRow?> FindByAliasAsync(
        KmsSession db, RootKey root, string store, string reference, CancellationToken cancellationToken)
    {
        var alias = await db.FindAsync(KmsTables.Aliases, [Where.Is("alias", reference)], fresh: true, cancellationToken)
            .ConfigureAwait(false);
        if (alias is null)
            return null;
        return RowMacs.IsGenuine(root, alias)
            ? await FindByIdAsync(db, alias.KeyId, fresh: false, cancellationToken).ConfigureAwait(false)
            : throw Altered(store);
    }
}
