using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>Reads the whole trail with the root key and names the first thing that is wrong. Callers may append meanwhile.</summary>
internal sealed class AuditVerifier(RootKey root)
{
    private const int PageSize = 1000;

    public async Task<LocalKmsAuditReport> VerifyAsync(
        KmsSession db, LocalKmsAuditCheckpoint? expected, CancellationToken cancellationToken)
    {
        var key = await db.FindAsync(AuditTables.Key, [], cancellationToken: cancellationToken).ConfigureAwait(false);
        var head = await HeadAsync(db, cancellationToken).ConfigureAwait(false);
        var chain = new AuditChainReader(root);
        if (await db.NumberAsync(AuditTables.Events, "MIN(sequence)", [new("sequence", "<", 1L)], cancellationToken)
            .ConfigureAwait(false) is { } inserted)
        {
            return chain.Report(inserted, LocalKmsAuditMessages.EventAltered(inserted));
        }

        while (true)
        {
            var genuine = head is not null && AuditChain.IsGenuine(root, root.KmsId, head);
            var end = genuine ? head!.Sequence : long.MaxValue;
            if (await ReadAsync(db, chain, end, expected, key, cancellationToken).ConfigureAwait(false) is { } bad)
                return bad;
            if (!genuine)
                return chain.Report(chain.Sequence + 1, LocalKmsAuditMessages.HeadAltered(chain.Sequence));
            if (chain.Sequence < head!.Sequence)
                return chain.Report(chain.Sequence + 1, LocalKmsAuditMessages.EventMissing(chain.Sequence + 1));
            if (!head.Hash.AsSpan().SequenceEqual(chain.Hash) || !head.KeyedHash.AsSpan().SequenceEqual(chain.KeyedHash))
                return chain.Report(chain.Sequence + 1, LocalKmsAuditMessages.HeadAltered(chain.Sequence));

            // Somebody may have appended since the head was read; what is beyond a head that is read after it was forged.
            var next = await db.NumberAsync(AuditTables.Events, "MIN(sequence)", [new("sequence", ">", chain.Sequence)], cancellationToken)
                .ConfigureAwait(false);
            if (next is null)
                break;
            head = await HeadAsync(db, cancellationToken).ConfigureAwait(false);
            if (head is not null && head.Sequence <= chain.Sequence)
                return chain.Report(next, LocalKmsAuditMessages.EventAppended(next.Value));
        }

        if (key is null || !AuditSigner.IsGenuine(root, key))
            return chain.Report(null, LocalKmsAuditMessages.KeyAltered());
        if (await FindStrayAsync(db, cancellationToken).ConfigureAwait(false) is { } stray)
            return chain.Report(null, LocalKmsAuditMessages.CheckpointAltered(stray));

        if (expected is not null && !IsOurs(expected, key))
            return chain.Report(null, LocalKmsAuditMessages.ExpectedForeign());
        return expected is not null && expected.Sequence > chain.Sequence
            ? chain.Report(chain.Sequence + 1, LocalKmsAuditMessages.RolledBack(expected.Sequence, chain.Sequence))
            : chain.Report(null, null);
    }

    private static Task<AuditHeadRow?> HeadAsync(KmsSession db, CancellationToken cancellationToken)
        => db.FindAsync(AuditTables.Head, [Where.Is("id", AuditHeadRow.OnlyId)], cancellationToken: cancellationToken);

    // A checkpoint of no event. The head is read last: it is never behind a checkpoint that was made meanwhile.
    private static async Task<long?> FindStrayAsync(KmsSession db, CancellationToken cancellationToken)
    {
        var first = await db.NumberAsync(AuditTables.Checkpoints, "MIN(sequence)", [], cancellationToken).ConfigureAwait(false);
        var last = await db.NumberAsync(AuditTables.Checkpoints, "MAX(sequence)", [], cancellationToken).ConfigureAwait(false);
        var head = await HeadAsync(db, cancellationToken).ConfigureAwait(false);
        return first < 1 ? first : last > (head?.Sequence ?? 0) ? last : null;
    }

    // Events as far as `end`, page by page, each with its checkpoint.
    private async Task<LocalKmsAuditReport?> ReadAsync(
        KmsSession db, AuditChainReader chain, long end, LocalKmsAuditCheckpoint? expected, AuditKeyRow? key, CancellationToken cancellationToken)
    {
        while (true)
        {
            var after = chain.Sequence;
            var rows = await db.ListAsync(
                AuditTables.Events, [new("sequence", ">", after), new("sequence", "<=", end)], "sequence", PageSize, cancellationToken: cancellationToken)
                    .ConfigureAwait(false);
            if (rows.Count == 0)
                return null;
            var last = rows[^1].Sequence;
            Where[] among = [new("sequence", ">", after), new("sequence", "<=", last)];
            var checkpoints = (await db.ListAsync(AuditTables.Checkpoints, among, cancellationToken: cancellationToken)
                .ConfigureAwait(false)).ToDictionary(c => c.Sequence);
            foreach (var row in rows)
            {
                if (!chain.TryFollow(row, out var fault))
                    return chain.Report(chain.Sequence + 1, fault);
                if (Check(row, checkpoints.GetValueOrDefault(row.Sequence), key) is { } wrong)
                    return chain.Report(row.Sequence, wrong);
                if (checkpoints.ContainsKey(row.Sequence))
                    chain.Checkpoints++;
                if (expected is not null && key is not null && IsOurs(expected, key) && expected.Sequence == row.Sequence
                    && !expected.Hash.AsSpan().SequenceEqual(row.Hash))
                {
                    return chain.Report(row.Sequence, LocalKmsAuditMessages.OtherHistory(row.Sequence));
                }
            }
        }
    }

    private string? Check(AuditEventRow row, AuditCheckpointRow? checkpoint, AuditKeyRow? key)
    {
        if (checkpoint is null)
            return row.Sequence % AuditChain.CheckpointEvery == 0 ? LocalKmsAuditMessages.CheckpointMissing(row.Sequence) : null;
        return key is null || (checkpoint.Hash.AsSpan().SequenceEqual(row.Hash) && AuditSigner.IsSigned(
            key.PublicKey, AuditChain.Checkpoint(root.KmsId, checkpoint.Sequence, checkpoint.Time, checkpoint.Hash), checkpoint.Signature))
            ? null
            : LocalKmsAuditMessages.CheckpointAltered(row.Sequence);
    }

    private bool IsOurs(LocalKmsAuditCheckpoint expected, AuditKeyRow key)
        => expected.KmsId == root.KmsId && AuditSigner.IsSigned(key.PublicKey, expected.Signed, expected.Signature);
}
