using System.Text;
using EfEnvelope.Kms.Local.Audit;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local;

/// <summary>
/// The audit trail of an embedded KMS: every operation, allowed, denied or failed, in one chain that only grows. Reading it is an
/// operation too, <see cref="LocalKmsOperation.ReadAudit" />, and recorded.
/// </summary>
/// <remarks>
/// <para>
/// Each event carries a keyed hash over the one before it, so that who can write the store but has no seal can change, remove, move or
/// add none unseen. Every 256 events are signed; with the public key alone, an auditor verifies an export.
/// </para>
/// <para>
/// Not promised: when the whole store is put back to an older copy, nothing inside tells. Keep a checkpoint elsewhere, and give it to
/// <see cref="VerifyAsync" />. There is no retention in this version: nothing is ever deleted.
/// </para>
/// </remarks>
public sealed class LocalKmsAudit
{
    private readonly KmsGate _gate;
    private readonly AuditAppender _appender;
    private readonly Func<KmsCall> _call;
    private readonly KmsStore _store;
    private readonly TimeProvider _timeProvider;

    internal LocalKmsAudit(KmsGate gate, AuditAppender appender, Func<KmsCall> call, KmsStore store, TimeProvider timeProvider)
    {
        _gate = gate;
        _appender = appender;
        _call = call;
        _store = store;
        _timeProvider = timeProvider;
    }

    /// <summary>
    /// Reads the whole trail and names the first event that was changed, removed, moved, inserted or appended; then all keys, aliases, principals,
    /// policies and grants, and names the first that was altered, or taken away where that could allow something.
    /// </summary>
    /// <param name="expected">A checkpoint that was kept elsewhere: it must be part of the trail. Finds a store that was put back.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What was found. It is a finding, not an exception, when the trail was altered.</returns>
    public Task<LocalKmsAuditReport> VerifyAsync(LocalKmsAuditCheckpoint? expected = null, CancellationToken cancellationToken = default)
        => VerifyCoreAsync(expected, cancellationToken);

    /// <summary>Signs the trail as far as it goes now.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The checkpoint, to be kept where who can write the store cannot; <see langword="null" /> when there is no event yet.</returns>
    public Task<LocalKmsAuditCheckpoint?> CheckpointAsync(CancellationToken cancellationToken = default)
        => _gate.WriteAsync(
            _call(),
            (db, root, subject, token) =>
            {
                subject.Detail = "checkpoint";
                return _appender.CheckpointAsync(db, root, token);
            },
            cancellationToken);

    /// <summary>
    /// Writes events as JSON lines: a header with the public key, the events in their order, the checkpoints among them, and a checkpoint
    /// at the end. It verifies what it writes. The form is described in README.md, for verifiers of one's own.
    /// </summary>
    /// <param name="writer">Where to write; flushed, not closed.</param>
    /// <param name="from">The first sequence, 1 by default.</param>
    /// <param name="to">The last sequence; <see langword="null" />, the default, for the last one there is.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>How many events were written.</returns>
    /// <exception cref="KmsException">
    /// <see cref="KmsErrorKind.InvalidCiphertext" />: the trail was altered; what was written before is genuine.
    /// </exception>
    public Task<long> ExportAsync(TextWriter writer, long from = 1, long? to = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentOutOfRangeException.ThrowIfLessThan(from, 1);
        return _gate.StreamAsync(
            _call(),
            async (db, subject, token) =>
            {
                subject.Detail = "export";
                var end = (await db.FindAsync(AuditTables.Head, [], cancellationToken: token).ConfigureAwait(false))?.Sequence ?? 0;
                return Math.Min(to ?? end, end);
            },
            (db, root, end, token) => new AuditExport(root, _store.Path, _timeProvider).WriteAsync(db, writer, from, end, token),
            cancellationToken);
    }

    /// <summary>Writes events as JSON lines in UTF-8, as <see cref="ExportAsync(TextWriter, long, long?, CancellationToken)" /> does.</summary>
    /// <param name="stream">Where to write; flushed, not closed.</param>
    /// <param name="from">The first sequence, 1 by default.</param>
    /// <param name="to">The last sequence; <see langword="null" />, the default, for the last one there is.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>How many events were written.</returns>
    public async Task<long> ExportAsync(Stream stream, long from = 1, long? to = null, CancellationToken cancellationToken = default)
    {
        var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true) { NewLine = "\n" };
        await using (writer.ConfigureAwait(false))
            return await ExportAsync(writer, from, to, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads events in the order of their sequence, as they stand in the store. It verifies nothing.</summary>
    /// <param name="query">Which, and how many.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A page of events; the last page has fewer than the page size.</returns>
    public Task<IReadOnlyList<LocalKmsAuditEvent>> QueryAsync(LocalKmsAuditQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        if (query.PageSize is < 1 or > 1000)
            throw new ArgumentException(LocalKmsAuditMessages.PageSize(query.PageSize), nameof(query));
        return ReadAsync<IReadOnlyList<LocalKmsAuditEvent>>(
            "query",
            async (db, _, token) => (await SelectAsync(db, query, token).ConfigureAwait(false)).ConvertAll(Describe),
            cancellationToken);
    }

    /// <summary>Returns the public key that verifies checkpoints: ECDSA over P-256, SubjectPublicKeyInfo in PEM.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key. Hand it to the auditor yourself: one that comes with the export proves nothing.</returns>
    public Task<string> GetPublicKeyAsync(CancellationToken cancellationToken = default)
        => ReadAsync(
            "public key",
            async (db, root, token) => await db.FindAsync(AuditTables.Key, [], cancellationToken: token).ConfigureAwait(false) is { } key
                && AuditSigner.IsGenuine(root, key)
                ? System.Security.Cryptography.PemEncoding.WriteString("PUBLIC KEY", key.PublicKey)
                : throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsAuditMessages.Damaged(_store.Path)),
            cancellationToken);

    // A trail that was altered may take no event, not even that it was verified. What was found counts more than that.
    private async Task<LocalKmsAuditReport> VerifyCoreAsync(LocalKmsAuditCheckpoint? expected, CancellationToken cancellationToken)
    {
        LocalKmsAuditReport? report = null;
        try
        {
            return await ReadAsync(
                "verify",
                async (db, root, token) =>
                {
                    report = await new AuditVerifier(root).VerifyAsync(db, expected, token).ConfigureAwait(false);
                    if (report.IsIntact && await new StoreVerifier(_store).FindFaultAsync(db, root, token).ConfigureAwait(false) is { } fault)
                        report = report with { IsIntact = false, Fault = fault };
                    return report;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (KmsException e) when (e.Kind == KmsErrorKind.InvalidCiphertext && report is { IsIntact: false })
        {
            return report;
        }
    }

    private static Task<List<AuditEventRow>> SelectAsync(KmsSession db, LocalKmsAuditQuery query, CancellationToken cancellationToken)
    {
        var where = new List<Where> { new("sequence", ">", query.AfterSequence) };
        if (query.From is { } from)
            where.Add(new("time", ">=", AuditTime.From(from)));
        if (query.To is { } to)
            where.Add(new("time", "<", AuditTime.From(to)));
        if (query.Principal is { } principal)
            where.Add(Where.Is("principal", principal));
        if (query.Key is { } key)
            where.Add(Where.Is("key_name", key));
        return db.ListAsync(AuditTables.Events, [.. where], "sequence", query.PageSize, cancellationToken: cancellationToken);
    }

    private LocalKmsAuditEvent Describe(AuditEventRow row) => new(
        row.Sequence,
        AuditTime.Of(row.Time),
        row.Principal,
        row.Operation,
        row.KeyName,
        row.KeyId,
        row.KeyVersion,
        ContextJson.TryRead(row.Context, out var context)
            ? context
            : throw new KmsException(KmsErrorKind.InvalidCiphertext, LocalKmsAuditMessages.DamagedAt(_store.Path, row.Sequence)),
        row.Detail,
        row.Outcome,
        row.ErrorKind,
        row.Rule,
        row.CorrelationId,
        row.Node);

    private Task<T> ReadAsync<T>(string detail, Func<KmsSession, RootKey, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
        => _gate.ReadAsync(
            _call(),
            (db, root, subject, token) =>
            {
                subject.Detail = detail;
                return work(db, root, token);
            },
            cancellationToken);
}
