namespace EfEnvelope.Rotation;

/// <summary>One wrapped copy of a key.</summary>
/// <param name="Key">The key: an intermediate key, <c>~intermediate:v1</c>, or a data key that a KMS wraps itself, <c>clinic:v3</c>.</param>
/// <param name="Kek">The KEK.</param>
/// <param name="KekVersion">The version of the KEK that wrapped it, or <see langword="null" /> when it is not told.</param>
/// <param name="State">Whether it is as it should be.</param>
/// <param name="Detail">What the KMS said, if it does not answer or the KEK is disabled or to be deleted; otherwise <see langword="null" />.</param>
public sealed record KekCopyInfo(string Key, string Kek, string? KekVersion, KekCopyState State, string? Detail)
{
    /// <summary>Gets whether rewrapping would change something: it is under a KEK that is not configured, under a former version of one, or not there.</summary>
    public bool IsStale => State is KekCopyState.FormerVersion or KekCopyState.NotConfigured or KekCopyState.Missing;
}

/// <summary>Whether a wrapped copy is as it should be.</summary>
public enum KekCopyState
{
    /// <summary>The KMS was not asked, or did not answer.</summary>
    Unknown,

    /// <summary>It is under the present version of a configured KEK.</summary>
    Current,

    /// <summary>It is under a former version of a configured KEK.</summary>
    FormerVersion,

    /// <summary>It is under a KEK that is not configured.</summary>
    NotConfigured,

    /// <summary>There is none under this configured KEK.</summary>
    Missing,
}

/// <summary>How many requests a KEK had in a month.</summary>
/// <param name="Year">The year, by the database's clock.</param>
/// <param name="Month">The month, 1 to 12.</param>
/// <param name="Kek">The KEK; the names of very long ones are cut, and end with a hash.</param>
/// <param name="Operation">What was asked: <c>wrap</c>, <c>unwrap</c>, <c>rewrap</c> or <c>describe</c>. A retried request counts once.</param>
/// <param name="Requests">How many.</param>
public sealed record KmsUsageInfo(int Year, int Month, string Kek, string Operation, long Requests);
