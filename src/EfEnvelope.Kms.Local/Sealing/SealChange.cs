using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Sealing;

/// <summary>The work behind the gate that adds and removes seals. Any one of them opens the KMS; the last one stays.</summary>
internal sealed class SealChange(KmsStore store, TimeProvider timeProvider)
{
    public async Task<LocalKmsSealInfo> AddAsync(
        KmsSession db, RootKey root, KmsSubject subject, LocalKmsSeal seal, CancellationToken cancellationToken)
    {
        await TakeTurnAsync(db, cancellationToken).ConfigureAwait(false);
        var row = await root.SealByAsync(seal, store.Path, timeProvider.Now(), cancellationToken).ConfigureAwait(false);
        db.Add(row);
        Note(subject, row);
        return Describe(row);
    }

    /// <summary>Removes the seals that this one opens.</summary>
    public async Task<int> RemoveAsync(KmsSession db, RootKey root, KmsSubject subject, LocalKmsSeal seal, CancellationToken cancellationToken)
    {
        await TakeTurnAsync(db, cancellationToken).ConfigureAwait(false);
        var rows = await db.ListAsync(KmsTables.Seals, [], cancellationToken: cancellationToken).ConfigureAwait(false);
        var theirs = new List<SealRow>();
        foreach (var row in rows.Where(s => s.Kind == seal.Kind))
        {
            using var opened = await RootKey.TryOpenAsync(seal, store.Path, root.KmsId, row, MetaRow.KnownFormat, cancellationToken).ConfigureAwait(false);
            if (opened is not null)
                theirs.Add(row);
        }

        return theirs.Count == 0
            ? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoSuchSeal(store.Path))
            : Remove(db, subject, rows, theirs);
    }

    public async Task<int> RemoveAsync(KmsSession db, KmsSubject subject, string sealId, CancellationToken cancellationToken)
    {
        await TakeTurnAsync(db, cancellationToken).ConfigureAwait(false);
        var rows = await db.ListAsync(KmsTables.Seals, [], cancellationToken: cancellationToken).ConfigureAwait(false);
        var row = rows.Find(s => s.SealId == sealId) ?? throw new KmsException(KmsErrorKind.NotFound, LocalKmsMessages.NoSuchSeal(store.Path));
        return Remove(db, subject, rows, [row]);
    }

    public static async Task<IReadOnlyList<LocalKmsSealInfo>> ListAsync(KmsSession db, CancellationToken cancellationToken)
    {
        var rows = await db.ListAsync(KmsTables.Seals, [], cancellationToken: cancellationToken).ConfigureAwait(false);
        return [.. rows.OrderBy(s => s.Created).ThenBy(s => s.SealId, StringComparer.Ordinal).Select(Describe)];
    }

    private static LocalKmsSealInfo Describe(SealRow row) => new(row.SealId, row.Kind, row.Created);

    // Before the seals are read, by a row that all changes write: two removals at once would each see the other's seal, and leave nothing.
    private static async Task TakeTurnAsync(KmsSession db, CancellationToken cancellationToken)
    {
        (await db.GetOnlyAsync(KmsTables.Meta, cancellationToken).ConfigureAwait(false)).Revision++;
        await db.SaveAsync(cancellationToken).ConfigureAwait(false);
    }

    private static void Note(KmsSubject subject, SealRow row) => subject.Detail = $"{row.Kind} {row.SealId}";

    private int Remove(KmsSession db, KmsSubject subject, List<SealRow> all, List<SealRow> removed)
    {
        if (removed.Count == all.Count)
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.LastSealStays(store.Path));
        db.RemoveRange(removed);
        Note(subject, removed[0]);
        return removed.Count;
    }
}
