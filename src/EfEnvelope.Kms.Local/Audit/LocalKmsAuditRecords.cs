namespace EfEnvelope.Kms.Local;

/// <summary>One event of the audit trail of an embedded KMS.</summary>
/// <param name="Sequence">Its number, from 1, without gaps.</param>
/// <param name="Time">When it was recorded, in whole microseconds, UTC, by the clock of the node.</param>
/// <param name="Principal">Who: the name of a principal; <c>root</c> for who holds the seal.</param>
/// <param name="Operation">What.</param>
/// <param name="KeyName">The name of the key, where there is one.</param>
/// <param name="KeyId">The id of the key, where there is one.</param>
/// <param name="KeyVersion">The version of the key that was used or made, where there is one.</param>
/// <param name="Context">The encryption context.</param>
/// <param name="Detail">What else was used or changed, such as the name of a principal or the id of a grant, where there is one.</param>
/// <param name="Outcome"><c>ok</c>, <c>denied</c> or <c>failed</c>.</param>
/// <param name="ErrorKind">Why it was denied or failed: the name of a <see cref="KmsErrorKind" />.</param>
/// <param name="Rule">Which rule decided, as in <see cref="LocalKmsDecision.Rule" />.</param>
/// <param name="CorrelationId">What ties it to the caller's own logs; by default the trace id of the current activity.</param>
/// <param name="Node">Machine and process, as in <c>web-1/4711</c>.</param>
public sealed record LocalKmsAuditEvent(
    long Sequence,
    DateTimeOffset Time,
    string Principal,
    string Operation,
    string? KeyName,
    string? KeyId,
    int? KeyVersion,
    EncryptionContext Context,
    string? Detail,
    string Outcome,
    string? ErrorKind,
    string? Rule,
    string? CorrelationId,
    string Node);

/// <summary>What to read of the audit trail. Everything that is set must hold.</summary>
public sealed record LocalKmsAuditQuery
{
    /// <summary>Gets the earliest time, including; <see langword="null" />, the default, for the beginning.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Gets the latest time, not including; <see langword="null" />, the default, for now.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>Gets the principal; <see langword="null" />, the default, for all.</summary>
    public string? Principal { get; init; }

    /// <summary>Gets the name of the key; <see langword="null" />, the default, for all.</summary>
    public string? Key { get; init; }

    /// <summary>Gets after which sequence to go on: the last one of the page before. The default is 0.</summary>
    public long AfterSequence { get; init; }

    /// <summary>Gets how many events to return at most, 1 to 1,000. The default is 100.</summary>
    public int PageSize { get; init; } = 100;
}

/// <summary>What an audit of the trail and of the store found.</summary>
/// <param name="IsIntact">Whether no event was changed, removed, inserted, reordered or appended, and each key and each rule is genuine.</param>
/// <param name="Events">How many events were verified before the first bad one.</param>
/// <param name="Checkpoints">How many signed checkpoints were verified.</param>
/// <param name="FirstBadSequence">The sequence of the first event that is bad or missing; <see langword="null" /> when the events are whole.</param>
/// <param name="Fault">What is wrong, in a sentence; <see langword="null" /> when nothing is.</param>
public sealed record LocalKmsAuditReport(bool IsIntact, long Events, long Checkpoints, long? FirstBadSequence, string? Fault);
