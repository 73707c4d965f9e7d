using System.Buffers;
using System.Text;
using System.Text.Json;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>
/// Writes the trail as JSON lines: a header, each event followed by its checkpoint if it has one, and a checkpoint at the end. It
/// verifies what it writes, so that it never signs what was altered.
/// </summary>
internal sealed class AuditExport(RootKey root, string file, TimeProvider timeProvider)
{
    private const int PageSize = 500;

    private readonly ArrayBufferWriter<byte> _line = new(1024);

    public async Task<long> WriteAsync(KmsSession db, TextWriter writer, long from, long? to, CancellationToken cancellationToken)
    {
        var key = await db.FindAsync(AuditTables.Key, [], cancellationToken: cancellationToken).ConfigureAwait(false);
        var head = await db.FindAsync(AuditTables.Head, [], cancellationToken: cancellationToken).ConfigureAwait(false);
        if (key is null || head is null || !AuditSigner.IsGenuine(root, key) || !AuditChain.IsGenuine(root, root.KmsId, head))
            throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsAuditMessages.Damaged(file));

        var end = Math.Min(to ?? long.MaxValue, head.Sequence);
        var chain = await ComeToAsync(db, key, Math.Min(from - 1, head.Sequence), cancellationToken).ConfigureAwait(false);
        await LineAsync(writer, json => Header(json, key, from, chain.Hash), cancellationToken).ConfigureAwait(false);

        long written = 0;
        var signed = true;
        while (from <= end && chain.Sequence < end)
        {
            var after = chain.Sequence;
            var rows = await PageAsync(db, after, end, cancellationToken).ConfigureAwait(false);
            var last = rows[^1].Sequence;
            Where[] among = [new("sequence", ">", after), new("sequence", "<=", last)];
            var checkpoints = (await db.ListAsync(AuditTables.Checkpoints, among, cancellationToken: cancellationToken)
                .ConfigureAwait(false)).ToDictionary(c => c.Sequence);
            foreach (var row in rows)
            {
                Follow(chain, row);
                await LineAsync(writer, json => Event(json, row), cancellationToken).ConfigureAwait(false);
                written++;
                signed = checkpoints.TryGetValue(row.Sequence, out var checkpoint);
                if (checkpoint is not null)
                {
                    var stored = new LocalKmsAuditCheckpoint(root.KmsId, row.Sequence, checkpoint.Time, checkpoint.Hash, checkpoint.Signature);
                    await writer.WriteLineAsync(stored.ToString().AsMemory(), cancellationToken).ConfigureAwait(false);
                }
            }
        }

        if (!signed)
            await writer.WriteLineAsync(Sign(key, chain).ToString().AsMemory(), cancellationToken).ConfigureAwait(false);
        await writer.FlushAsync(cancellationToken).ConfigureAwait(false);
        return written;
    }

    // From the last checkpoint before, whose signature vouches for the plain hash: nothing in the row of an event does, and what is
    // signed at the end binds all that came before.
    private async Task<AuditChainReader> ComeToAsync(KmsSession db, AuditKeyRow key, long sequence, CancellationToken cancellationToken)
    {
        AuditEventRow? start = null;
        if (await db.ListAsync(
            AuditTables.Checkpoints, [new("sequence", "<=", sequence)], "sequence DESC", limit: 1, cancellationToken: cancellationToken)
                .ConfigureAwait(false) is [var signed])
        {
            start = await db.FindAsync(AuditTables.Events, [Where.Is("sequence", signed.Sequence)], cancellationToken: cancellationToken)
                .ConfigureAwait(false);
            if (start is null || !start.Hash.AsSpan().SequenceEqual(signed.Hash) || !AuditSigner.IsSigned(
                key.PublicKey, AuditChain.Checkpoint(root.KmsId, signed.Sequence, signed.Time, signed.Hash), signed.Signature))
            {
                throw DamagedAt(signed.Sequence);
            }
        }

        var chain = new AuditChainReader(root, start);
        while (chain.Sequence < sequence)
        {
            foreach (var row in await PageAsync(db, chain.Sequence, sequence, cancellationToken).ConfigureAwait(false))
                Follow(chain, row);
        }

        return chain;
    }

    private async Task<List<AuditEventRow>> PageAsync(KmsSession db, long after, long end, CancellationToken cancellationToken)
        => await db.ListAsync(
            AuditTables.Events, [new("sequence", ">", after), new("sequence", "<=", end)], "sequence", PageSize, cancellationToken: cancellationToken)
                .ConfigureAwait(false) is { Count: > 0 } rows
            ? rows
            : throw DamagedAt(after + 1);

    private void Follow(AuditChainReader chain, AuditEventRow row)
    {
        if (!chain.TryFollow(row, out _))
            throw DamagedAt(chain.Sequence + 1);
    }

    private LocalKmsAuditCheckpoint Sign(AuditKeyRow key, AuditChainReader chain)
    {
        var time = AuditTime.From(timeProvider.GetUtcNow());
        var signature = AuditSigner.TrySign(root, key, AuditChain.Checkpoint(root.KmsId, chain.Sequence, time, chain.Hash))
            ?? throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsAuditMessages.Damaged(file));
        return new LocalKmsAuditCheckpoint(root.KmsId, chain.Sequence, time, chain.Hash, signature);
    }

    private void Header(Utf8JsonWriter json, AuditKeyRow key, long from, byte[] previousHash)
    {
        json.WriteString("type", "header");
        json.WriteNumber("format", 1);
        json.WriteString("kms", root.KmsId);
        json.WriteNumber("from", from);
        json.WriteString("previousHash", Convert.ToHexStringLower(previousHash));
        json.WriteBase64String("publicKey", key.PublicKey);
    }

    private static void Event(Utf8JsonWriter json, AuditEventRow row)
    {
        json.WriteString("type", "event");
        json.WriteNumber("sequence", row.Sequence);
        json.WriteString("time", AuditTime.Text(row.Time));
        json.WriteString("principal", row.Principal);
        json.WriteString("operation", row.Operation);
        json.WriteString("keyName", row.KeyName);
        json.WriteString("keyId", row.KeyId);
        if (row.KeyVersion is { } version)
            json.WriteNumber("keyVersion", version);
        else
            json.WriteNull("keyVersion");
        json.WritePropertyName("context");
        json.WriteRawValue(row.Context);
        json.WriteString("detail", row.Detail);
        json.WriteString("outcome", row.Outcome);
        json.WriteString("errorKind", row.ErrorKind);
        json.WriteString("rule", row.Rule);
        json.WriteString("correlationId", row.CorrelationId);
        json.WriteString("node", row.Node);
        json.WriteString("hash", Convert.ToHexStringLower(row.Hash));
    }

    private async Task LineAsync(TextWriter writer, Action<Utf8JsonWriter> fill, CancellationToken cancellationToken)
    {
        _line.ResetWrittenCount();
        using (var json = new Utf8JsonWriter(_line))
        {
            json.WriteStartObject();
            fill(json);
            json.WriteEndObject();
        }

        await writer.WriteLineAsync(Encoding.UTF8.GetString(_line.WrittenSpan).AsMemory(), cancellationToken).ConfigureAwait(false);
    }

    private KmsException DamagedAt(long sequence) => new(KmsErrorKind.InvalidCiphertext, LocalKmsAuditMessages.DamagedAt(file, sequence));
}
