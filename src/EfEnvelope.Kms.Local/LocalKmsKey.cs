namespace EfEnvelope.Kms.Local;

/// <summary>A key of an embedded KMS, described. It holds no key material.</summary>
/// <param name="Name">The name, as in <c>local:name</c>; it never changes.</param>
/// <param name="KeyId">The id, 32 hexadecimal digits. A key of the same name in another file has another id.</param>
/// <param name="State">Whether the key may be used.</param>
/// <param name="PrimaryVersion">The number of the version that wraps.</param>
/// <param name="Created">When the key was made.</param>
/// <param name="Versions">All versions in ascending order, starting with 1. Each still unwraps what it wrapped.</param>
public sealed record LocalKmsKey(
    string Name,
    string KeyId,
    LocalKmsKeyState State,
    int PrimaryVersion,
    DateTimeOffset Created,
    IReadOnlyList<LocalKmsKeyVersion> Versions)
{
    /// <summary>Gets what the key can do.</summary>
    public LocalKmsKeyAlgorithm Algorithm { get; init; }

    /// <summary>Gets whether the key was made elsewhere and imported.</summary>
    public bool IsImported { get; init; }

    /// <summary>Gets what the key is for, in the words of who made it; empty when nothing was said.</summary>
    public string Description { get; init; } = "";

    /// <summary>Gets how often the key rotates by itself; <see langword="null" /> when it does not.</summary>
    public TimeSpan? RotationPeriod { get; init; }

    /// <summary>Gets when the key rotates next, at its first use from then on or at the next maintenance; <see langword="null" /> when it does not.</summary>
    public DateTimeOffset? NextRotation { get; init; }

    /// <summary>Gets when the material is destroyed; <see langword="null" /> when no deletion is scheduled.</summary>
    public DateTimeOffset? DeletionAt { get; init; }

    /// <summary>Gets the aliases of the key, each with its <c>alias/</c>, in the order of their names.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>Gets the tags of the key.</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>();
}

/// <summary>Some of the keys of an embedded KMS, in the order of their names.</summary>
/// <param name="Keys">The keys; they may be fewer than were asked for, or none, although more follow.</param>
/// <param name="ContinuationToken">What to give to the next call; <see langword="null" /> when no more follow.</param>
public sealed record LocalKmsKeyPage(IReadOnlyList<LocalKmsKey> Keys, string? ContinuationToken);

/// <summary>What a new key of an embedded KMS is like.</summary>
public sealed record LocalKmsKeyOptions
{
    /// <summary>Gets what the key can do.</summary>
    /// <value>The default is <see cref="LocalKmsKeyAlgorithm.Aes256" />.</value>
    public LocalKmsKeyAlgorithm Algorithm { get; init; }

    /// <summary>Gets what the key is for, at most 1,000 characters; not secret.</summary>
    /// <value>The default is empty.</value>
    public string Description { get; init; } = "";

    /// <summary>Gets how often the key rotates by itself, 1 to 3,650 days. It must not be set for an imported key.</summary>
    /// <value>The default is <see langword="null" />: it does not. Think twice for a signing key, whose public key changes with each rotation.</value>
    public TimeSpan? RotationPeriod { get; init; }

    /// <summary>Gets the tags: names of 1 to 128 characters, values of up to 256; not secret.</summary>
    /// <value>The default is <see langword="null" />: none.</value>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }
}

/// <summary>A version of a key, described.</summary>
/// <param name="Version">The number, from 1.</param>
/// <param name="State">Whether the version may be used.</param>
/// <param name="Created">When the version was made.</param>
public sealed record LocalKmsKeyVersion(int Version, LocalKmsKeyState State, DateTimeOffset Created);

/// <summary>Whether a key, or a version of it, may be used.</summary>
public enum LocalKmsKeyState
{
    /// <summary>It does what it is for.</summary>
    Enabled,

    /// <summary>It does nothing, until it is enabled again.</summary>
    Disabled,

    /// <summary>It does nothing, and its material is destroyed at the stated time unless the deletion is cancelled before.</summary>
    PendingDeletion,

    /// <summary>Its material is gone for good. Its name is not given to another key.</summary>
    Destroyed,
}
