namespace EfEnvelope.Kms;

/// <summary>What a service says of a KEK. It holds no secret.</summary>
/// <param name="Kek">The KEK.</param>
/// <param name="State">Whether it may be used.</param>
public sealed record KekDescription(KekUri Kek, KekState State)
{
    /// <summary>
    /// Gets the version that wraps now, named as in <see cref="WrappedKeyCopy.KekVersion" />; <see langword="null" /> when the service does not tell. A copy
    /// under another version is stale.
    /// </summary>
    public string? PrimaryVersion { get; init; }

    /// <summary>Gets where the key is kept, in the service's own word, such as <c>HSM</c> or <c>SOFTWARE</c>; <see langword="null" /> when it does not tell.</summary>
    public string? Protection { get; init; }

    /// <summary>Gets when the key was made; <see langword="null" /> when the service does not tell.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>Gets when the key is to be deleted; <see langword="null" /> when it is not.</summary>
    public DateTimeOffset? DeletionAt { get; init; }
}

/// <summary>Whether a KEK may be used, as its service says.</summary>
public enum KekState
{
    /// <summary>The service does not tell.</summary>
    Unknown,

    /// <summary>It wraps and unwraps.</summary>
    Enabled,

    /// <summary>It is disabled, not yet valid or expired.</summary>
    Disabled,

    /// <summary>It is scheduled for deletion.</summary>
    PendingDeletion,
}
