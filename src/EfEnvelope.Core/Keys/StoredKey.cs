using EfEnvelope.Kms;

namespace EfEnvelope.Keys;

/// <summary>A key version as the key store holds it. All times are the store's own clock, in UTC.</summary>
public sealed record StoredKey
{
    /// <summary>Gets which version this is.</summary>
    public required KeyVersion Version { get; init; }

    /// <summary>Gets what it may be used for.</summary>
    public required KeyVersionStatus Status { get; init; }

    /// <summary>Gets the wrapped data key, or <see langword="null" /> when it was destroyed.</summary>
    public required WrappedKey? Wrapped { get; init; }

    /// <summary>Gets the 32 bytes that only the right data key derives; checked whenever it is unwrapped.</summary>
    public required ReadOnlyMemory<byte> Commitment { get; init; }

    /// <summary>Gets when it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Gets when it may first encrypt, or <see langword="null" /> while it has not been proved to unwrap.</summary>
    public DateTimeOffset? EncryptsFrom { get; init; }

    /// <summary>
    /// Gets until when it may still encrypt although a newer version exists, for the instances that could not load that one yet;
    /// <see langword="null" /> while there is no newer one.
    /// </summary>
    public DateTimeOffset? EncryptsUntil { get; init; }

    /// <summary>
    /// Gets when it may first write what is compared: deterministic values and blind indexes; <see langword="null" /> when it never does. Those keep
    /// the version they began with until a version with a time of its own takes over, so that an ordinary rotation leaves equal values equal.
    /// </summary>
    public DateTimeOffset? SearchesFrom { get; init; }

    /// <summary>
    /// Gets when what a unique index compares is first written under it; <see langword="null" /> while that is written under the version before it, and for
    /// a version that has none before it. Set by the reindexing job, when every row has its second value under this version.
    /// </summary>
    public DateTimeOffset? UniqueFrom { get; init; }

    /// <summary>
    /// Gets when it was retired: nothing stored referred to it then, so nothing is written under it, looked for under it, or missed if it is destroyed;
    /// <see langword="null" /> while it was not. It still decrypts, for what a backup may bring back.
    /// </summary>
    public DateTimeOffset? RetiredAt { get; init; }

    /// <summary>Gets how often the row has changed; compared and counted up by every update.</summary>
    public int Revision { get; init; }
}

/// <summary>All versions of one scope, and what time the store's clock showed when they were read.</summary>
/// <param name="Keys">The versions, in the order of their numbers.</param>
/// <param name="StoreTime">The store's clock.</param>
public sealed record KeyStoreSnapshot(IReadOnlyList<StoredKey> Keys, DateTimeOffset StoreTime);
