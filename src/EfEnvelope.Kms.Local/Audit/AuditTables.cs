using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Audit;

/// <summary>The tables of the audit trail.</summary>
internal static class AuditTables
{
    public static KmsTable<AuditEventRow> Events { get; } = new(
        "kms_audit_events",
        1,
        [
            KmsColumns<AuditEventRow>.Long("sequence", r => r.Sequence),
            KmsColumns<AuditEventRow>.Long("time", r => r.Time),
            KmsColumns<AuditEventRow>.Text("principal", AuditLimits.Principal, r => r.Principal),
            KmsColumns<AuditEventRow>.Text("operation", AuditLimits.Operation, r => r.Operation),
            KmsColumns<AuditEventRow>.Text("key_name", AuditLimits.KeyName, r => r.KeyName, nullable: true),
            KmsColumns<AuditEventRow>.Text("key_id", AuditLimits.KeyId, r => r.KeyId, nullable: true),
            KmsColumns<AuditEventRow>.Int("key_version", r => r.KeyVersion, nullable: true),
            KmsColumns<AuditEventRow>.Text("context", null, r => r.Context),
            KmsColumns<AuditEventRow>.Text("detail", AuditLimits.Detail, r => r.Detail, nullable: true),
            KmsColumns<AuditEventRow>.Text("outcome", AuditLimits.Outcome, r => r.Outcome),
            KmsColumns<AuditEventRow>.Text("error_kind", AuditLimits.ErrorKind, r => r.ErrorKind, nullable: true),
            KmsColumns<AuditEventRow>.Text("rule", AuditLimits.Rule, r => r.Rule, nullable: true),
            KmsColumns<AuditEventRow>.Text("correlation_id", AuditLimits.CorrelationId, r => r.CorrelationId, nullable: true),
            KmsColumns<AuditEventRow>.Text("node", AuditLimits.Node, r => r.Node),
            KmsColumns<AuditEventRow>.Bytes("hash", AuditChain.HashSize, r => r.Hash),
            KmsColumns<AuditEventRow>.Bytes("keyed_hash", AuditChain.HashSize, r => r.KeyedHash),
        ],
        v => new AuditEventRow
        {
            Sequence = v.Long(0),
            Time = v.Long(1),
            Principal = v.Text(2),
            Operation = v.Text(3),
            KeyName = v.TextOrNull(4),
            KeyId = v.TextOrNull(5),
            KeyVersion = v.IntOrNull(6),
            Context = v.Text(7),
            Detail = v.TextOrNull(8),
            Outcome = v.Text(9),
            ErrorKind = v.TextOrNull(10),
            Rule = v.TextOrNull(11),
            CorrelationId = v.TextOrNull(12),
            Node = v.Text(13),
            Hash = v.Bytes(14),
            KeyedHash = v.Bytes(15),
        })
    {
        IsTrail = true,
        Index = "time",
    };

    public static KmsTable<AuditHeadRow> Head { get; } = new(
        "kms_audit_head",
        1,
        [
            KmsColumns<AuditHeadRow>.Int("id", r => r.Id),
            KmsColumns<AuditHeadRow>.Long("sequence", r => r.Sequence),
            KmsColumns<AuditHeadRow>.Bytes("hash", AuditChain.HashSize, r => r.Hash),
            KmsColumns<AuditHeadRow>.Bytes("keyed_hash", AuditChain.HashSize, r => r.KeyedHash),
            KmsColumns<AuditHeadRow>.Bytes("mac", 32, r => r.Mac),
        ],
        v => new AuditHeadRow { Id = v.Int(0), Sequence = v.Long(1), Hash = v.Bytes(2), KeyedHash = v.Bytes(3), Mac = v.Bytes(4) })
    {
        IsTrail = true,
    };

    public static KmsTable<AuditCheckpointRow> Checkpoints { get; } = new(
        "kms_audit_checkpoints",
        1,
        [
            KmsColumns<AuditCheckpointRow>.Long("sequence", r => r.Sequence),
            KmsColumns<AuditCheckpointRow>.Long("time", r => r.Time),
            KmsColumns<AuditCheckpointRow>.Bytes("hash", AuditChain.HashSize, r => r.Hash),
            KmsColumns<AuditCheckpointRow>.Bytes("signature", 100, r => r.Signature),
        ],
        v => new AuditCheckpointRow { Sequence = v.Long(0), Time = v.Long(1), Hash = v.Bytes(2), Signature = v.Bytes(3) })
    {
        IsTrail = true,
    };

    public static KmsTable<AuditKeyRow> Key { get; } = new(
        "kms_audit_key",
        1,
        [
            KmsColumns<AuditKeyRow>.Int("id", r => r.Id),
            KmsColumns<AuditKeyRow>.Bytes("public_key", 200, r => r.PublicKey),
            KmsColumns<AuditKeyRow>.Bytes("sealed_private_key", 200, r => r.SealedPrivateKey),
        ],
        v => new AuditKeyRow { Id = v.Int(0), PublicKey = v.Bytes(1), SealedPrivateKey = v.Bytes(2) })
    {
        IsTrail = true,
    };
}
