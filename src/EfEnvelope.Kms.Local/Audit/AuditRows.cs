namespace EfEnvelope.Kms.Local.Audit;

/// <summary>One event of the audit trail, as it is stored. Never changed, never deleted.</summary>
internal sealed class AuditEventRow
{
    /// <summary>From 1, without gaps.</summary>
    public long Sequence { get; init; }

    /// <summary>Microseconds since 1970, UTC.</summary>
    public long Time { get; init; }

    public required string Principal { get; init; }

    public required string Operation { get; init; }

    public string? KeyName { get; init; }

    public string? KeyId { get; init; }

    public int? KeyVersion { get; init; }

    /// <summary>The encryption context as canonical JSON.</summary>
    public required string Context { get; init; }

    /// <summary>What else was used or changed, such as the name of a principal.</summary>
    public string? Detail { get; init; }

    public required string Outcome { get; init; }

    public string? ErrorKind { get; init; }

    public string? Rule { get; init; }

    public string? CorrelationId { get; init; }

    public required string Node { get; init; }

    /// <summary>The SHA-256 that an auditor without the seal recomputes.</summary>
    public byte[] Hash { get; set; } = [];

    /// <summary>The HMAC-SHA256 that only who holds the seal can make.</summary>
    public byte[] KeyedHash { get; set; } = [];
}

/// <summary>The one row that says where the audit trail ends. Who appends locks it first.</summary>
internal sealed class AuditHeadRow
{
    public const int OnlyId = 1;

    public int Id { get; init; }

    /// <summary>How many events there are.</summary>
    public long Sequence { get; set; }

    public required byte[] Hash { get; set; }

    public required byte[] KeyedHash { get; set; }

    public required byte[] Mac { get; set; }
}

/// <summary>A signature over the audit trail as far as one event.</summary>
internal sealed class AuditCheckpointRow
{
    public long Sequence { get; init; }

    /// <summary>Microseconds since 1970, UTC.</summary>
    public long Time { get; init; }

    public required byte[] Hash { get; init; }

    public required byte[] Signature { get; init; }
}

/// <summary>The one key that signs checkpoints.</summary>
internal sealed class AuditKeyRow
{
    public const int OnlyId = 1;

    public int Id { get; init; }

    /// <summary>SubjectPublicKeyInfo, DER.</summary>
    public required byte[] PublicKey { get; init; }

    /// <summary>The private scalar, sealed by the root key and bound to the public key.</summary>
    public required byte[] SealedPrivateKey { get; init; }
}
