namespace EfEnvelope.Kms.Local;

/// <summary>A KEK of an embedded KMS, described. It holds no key material.</summary>
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
    IReadOnlyList<LocalKmsKeyVersion> Versions);

/// <summary>A version of a KEK, described.</summary>
/// <param name="Version">The number, from 1.</param>
/// <param name="State">Whether the version may be used.</param>
/// <param name="Created">When the version was made.</param>
public sealed record LocalKmsKeyVersion(int Version, LocalKmsKeyState State, DateTimeOffset Created);

/// <summary>Whether a KEK, or a version of it, may be used.</summary>
public enum LocalKmsKeyState
{
    /// <summary>It wraps and unwraps.</summary>
    Enabled,

    /// <summary>It neither wraps nor unwraps, until it is enabled again.</summary>
    Disabled,

    /// <summary>It does nothing, and its material is destroyed at the stated time unless the deletion is cancelled before.</summary>
    PendingDeletion,

    /// <summary>Its material is gone for good. Its name is not given to another key.</summary>
    Destroyed,
}
