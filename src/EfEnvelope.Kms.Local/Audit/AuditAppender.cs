using System.Text;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>Appends events to the trail, in the transaction of the caller, which saves and commits.</summary>
internal sealed class AuditAppender(string file, TimeProvider timeProvider)
{
    private static readonly string LockHeadSql = $"UPDATE kms_audit_head SET sequence = sequence WHERE id = {AuditHeadRow.OnlyId}";
    private static readonly Query TheHead = Query.One(AuditTables.Head, Where.Is("id", AuditHeadRow.OnlyId));
    private static readonly Query TheLastEvent = new(AuditTables.Events, [], "sequence DESC", Limit: 1);
    private static readonly string Node = Clean($"{Environment.MachineName}/{Environment.ProcessId}", AuditLimits.Node)!;

    public async Task AppendAsync(
        KmsSession db, RootKey root, IReadOnlyList<AuditEvent> events, CancellationToken cancellationToken)
    {
        var head = await LockHeadAsync(db, root, cancellationToken).ConfigureAwait(false);
        foreach (var @event in events)
        {
            var row = Row(head.Sequence + 1, @event);
            var bytes = AuditChain.Event(root.KmsId, row, @event.Context);
            row.Hash = AuditChain.Hash(head.Hash, bytes);
            row.KeyedHash = AuditChain.KeyedHash(root, head.KeyedHash, bytes);
            db.Add(row);
            (head.Sequence, head.Hash, head.KeyedHash) = (row.Sequence, row.Hash, row.KeyedHash);
            if (row.Sequence % AuditChain.CheckpointEvery == 0)
                await SignAsync(db, root, row.Sequence, row.Hash, cancellationToken).ConfigureAwait(false);
        }

        head.Mac = AuditChain.HeadMac(root, root.KmsId, head);
    }

    /// <summary>Signs the trail as it ends now, unless that is signed already or there is no event.</summary>
    public async Task<LocalKmsAuditCheckpoint?> CheckpointAsync(KmsSession db, RootKey root, CancellationToken cancellationToken)
    {
        var head = await LockHeadAsync(db, root, cancellationToken).ConfigureAwait(false);
        if (head.Sequence == 0)
            return null;
        var present = await db.FindAsync(AuditTables.Checkpoints, [Where.Is("sequence", head.Sequence)], cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        var row = present ?? await SignAsync(db, root, head.Sequence, head.Hash, cancellationToken).ConfigureAwait(false);
        return new LocalKmsAuditCheckpoint(root.KmsId, row.Sequence, row.Time, row.Hash, row.Signature);
    }

    // The update comes first: it takes the lock on the one row, on every server, until the transaction ends. So appenders follow
    // each other, and what is read after it is what the one before left.
    private async Task<AuditHeadRow> LockHeadAsync(KmsSession db, RootKey root, CancellationToken cancellationToken)
    {
        await db.ReadAheadAsync([TheHead, TheLastEvent], cancellationToken, LockHeadSql).ConfigureAwait(false);
        var head = await db.FindAsync(AuditTables.Head, TheHead.Where, cancellationToken: cancellationToken).ConfigureAwait(false);
        if (head is null || !AuditChain.IsGenuine(root, root.KmsId, head)
            || !await EndsWithAsync(db, head, cancellationToken).ConfigureAwait(false))
        {
            throw Damaged();
        }

        return head;
    }

    // The head says what the last event is. What was altered before it is found by a verifier, which reads the whole trail.
    private static async Task<bool> EndsWithAsync(KmsSession db, AuditHeadRow head, CancellationToken cancellationToken)
        => await db.ListAsync(
            AuditTables.Events, [], TheLastEvent.OrderBy, TheLastEvent.Limit, fresh: true, cancellationToken).ConfigureAwait(false) switch
        {
            [] => head.Sequence == 0,
            [var last] => last.Sequence == head.Sequence && last.Hash.AsSpan().SequenceEqual(head.Hash) && last.KeyedHash.AsSpan().SequenceEqual(head.KeyedHash),
            _ => false,
        };

    private async Task<AuditCheckpointRow> SignAsync(
        KmsSession db, RootKey root, long sequence, byte[] hash, CancellationToken cancellationToken)
    {
        var key = await db.FindAsync(AuditTables.Key, [], fresh: true, cancellationToken).ConfigureAwait(false) ?? throw Damaged();
        var time = AuditTime.From(timeProvider.GetUtcNow());
        var signature = AuditSigner.TrySign(root, key, AuditChain.Checkpoint(root.KmsId, sequence, time, hash)) ?? throw Damaged();
        var row = new AuditCheckpointRow { Sequence = sequence, Time = time, Hash = hash, Signature = signature };
        db.Add(row);
        return row;
    }

    private AuditEventRow Row(long sequence, AuditEvent @event) => new()
    {
        Sequence = sequence,
        Time = AuditTime.From(timeProvider.GetUtcNow()),
        Principal = Clean(@event.Principal, AuditLimits.Principal)!,
        Operation = Clean(@event.Operation, AuditLimits.Operation)!,
        KeyName = Clean(@event.KeyName, AuditLimits.KeyName),
        KeyId = Clean(@event.KeyId, AuditLimits.KeyId),
        KeyVersion = @event.KeyVersion,
        Context = ContextJson.Write(@event.Context),
        Detail = Clean(@event.Detail, AuditLimits.Detail),
        Outcome = @event.Outcome,
        ErrorKind = Clean(@event.ErrorKind, AuditLimits.ErrorKind),
        Rule = Clean(@event.Rule, AuditLimits.Rule),
        CorrelationId = Clean(@event.CorrelationId, AuditLimits.CorrelationId),
        Node = Node,
    };

    private KmsException Damaged() => new(KmsErrorKind.InvalidCiphertext, LocalKmsAuditMessages.Damaged(file));

    // Names may come from a caller who is refused for them: they must fit the columns, and be text that every server stores.
    private static string? Clean(string? text, int limit)
        => text is null ? null : AuditLimits.Cut(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)).Replace('\0', '\uFFFD'), limit);
}

/// <summary>How long the texts of an event may be, in characters. What is longer is cut, and ends in the mark of a cut.</summary>
internal static class AuditLimits
{
    public const string CutMark = "…";
    public const int Principal = 100;
    public const int Operation = 50;
    public const int KeyName = 200;
    public const int KeyId = 32;
    public const int Detail = 200;
    public const int Outcome = 20;
    public const int ErrorKind = 50;
    public const int Rule = 200;
    public const int CorrelationId = 200;
    public const int Node = 200;
    public const int DeniedPairs = 16;
    public const int DeniedText = 200;

    public static string Cut(string text, int limit)
    {
        if (text.Length <= limit)
            return text;
        var length = limit - CutMark.Length;
        return text[..(char.IsHighSurrogate(text[length - 1]) ? length - 1 : length)] + CutMark;
    }

    /// <summary>What is recorded of the context of a call that was not allowed: enough to see what was tried, and not as much as the caller likes.</summary>
    public static EncryptionContext CutDenied(EncryptionContext context)
    {
        var kept = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in context.Pairs.OrderBy(p => p.Key, StringComparer.Ordinal).Take(DeniedPairs))
            kept.TryAdd(Cut(name, DeniedText), Cut(value, DeniedText));
        if (kept.Count < context.Pairs.Count)
            kept[CutMark] = $"{context.Pairs.Count - kept.Count} more";
        return new EncryptionContext(kept);
    }
}
