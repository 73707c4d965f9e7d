using System.Globalization;
using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Sealing;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>
/// The bytes of events, heads and checkpoints, and what is taken over them. Each event carries two hashes over the one before it and
/// itself: one that anybody can compute, which the checkpoints sign, and one under the root key, which nobody can make who can only
/// write the store.
/// </summary>
internal static class AuditChain
{
    public const int HashSize = 32;

    /// <summary>A checkpoint is signed at each multiple of this, in the transaction that appends the event.</summary>
    public const int CheckpointEvery = 256;

    /// <summary>What stands before the first event.</summary>
    public static byte[] Genesis => new byte[HashSize];

    // event = parts (CanonicalBytes): "efenvelope-audit-event-v1", KMS id, sequence, time as text, principal, operation, key name,
    // key id, key version, the encryption context's associated data, detail, outcome, error kind, rule, correlation id, node.
    // hash = SHA-256(previous hash || event); keyed hash = HMAC-SHA256(subkey, previous keyed hash || event).
    // None of it may change: exported trails and checkpoints are bound to it. A later form takes another first part.
    public static CanonicalBytes Event(string kmsId, AuditEventRow row, EncryptionContext context) => new CanonicalBytes()
        .Add("efenvelope-audit-event-v1").Add(kmsId).Add(row.Sequence).Add(AuditTime.Text(row.Time)).Add(row.Principal).Add(row.Operation)
        .Add(row.KeyName).Add(row.KeyId).Add(row.KeyVersion).Add(context.AssociatedData.Span).Add(row.Detail).Add(row.Outcome).Add(row.ErrorKind)
        .Add(row.Rule).Add(row.CorrelationId).Add(row.Node);

    public static byte[] Hash(ReadOnlySpan<byte> previous, CanonicalBytes @event) => SHA256.HashData(Concat(previous, @event));

    public static byte[] KeyedHash(RootKey root, ReadOnlySpan<byte> previous, CanonicalBytes @event)
        => root.Mac(MacPurposes.AuditEvent, Concat(previous, @event));

    public static byte[] HeadMac(RootKey root, string kmsId, AuditHeadRow head) => root.Mac(
        MacPurposes.AuditHead,
        new CanonicalBytes().Add("efenvelope-audit-head-v1").Add(kmsId).Add(head.Sequence).Add(head.Hash).Add(head.KeyedHash).Span);

    public static AuditHeadRow NewHead(RootKey root, string kmsId)
    {
        var head = new AuditHeadRow { Id = AuditHeadRow.OnlyId, Hash = Genesis, KeyedHash = Genesis, Mac = [] };
        head.Mac = HeadMac(root, kmsId, head);
        return head;
    }

    public static bool IsGenuine(RootKey root, string kmsId, AuditHeadRow head)
        => CryptographicOperations.FixedTimeEquals(HeadMac(root, kmsId, head), head.Mac);

    // What a checkpoint signs, with ECDSA over P-256 and SHA-256.
    public static byte[] Checkpoint(string kmsId, long sequence, long time, ReadOnlySpan<byte> hash) => new CanonicalBytes()
        .Add("efenvelope-audit-checkpoint-v1").Add(kmsId).Add(sequence).Add(AuditTime.Text(time)).Add(hash).Span.ToArray();

    private static byte[] Concat(ReadOnlySpan<byte> previous, CanonicalBytes @event) => [.. previous, .. @event.Span];
}

/// <summary>Times of the audit trail: whole microseconds, UTC, as a number in the store and as a text of one length elsewhere.</summary>
internal static class AuditTime
{
    private const string Format = "yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'";

    public static long From(DateTimeOffset time) => (time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;

    public static DateTimeOffset Of(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond);

    public static string Text(long microseconds) => Of(microseconds).ToString(Format, CultureInfo.InvariantCulture);

    public static long Parse(string text)
        => From(DateTimeOffset.ParseExact(
            text, Format, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal));
}
