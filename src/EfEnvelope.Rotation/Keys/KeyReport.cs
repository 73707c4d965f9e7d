using EfEnvelope.Keys;

namespace EfEnvelope.Rotation;

/// <summary>One key version as the key store has it; no plaintext key, ever.</summary>
public sealed record KeyVersionInfo
{
    /// <summary>Gets the version.</summary>
    public required KeyVersion Version { get; init; }

    /// <summary>Gets its status.</summary>
    public required KeyVersionStatus Status { get; init; }

    /// <summary>Gets whether it encrypts now.</summary>
    public bool IsPrimary { get; init; }

    /// <summary>Gets whether what is compared may be under it.</summary>
    public bool IsSearched { get; init; }

    /// <summary>Gets the KEKs that it is wrapped under.</summary>
    public IReadOnlyList<string> Keks { get; init; } = [];

    /// <summary>Gets when it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Gets when it may first encrypt, or <see langword="null" /> while it is not proved.</summary>
    public DateTimeOffset? EncryptsFrom { get; init; }

    /// <summary>Gets until when it may still encrypt in instances that have not loaded the next one, or <see langword="null" /> while there is none.</summary>
    public DateTimeOffset? EncryptsUntil { get; init; }

    /// <summary>Gets when what is compared is first written under it, or <see langword="null" />.</summary>
    public DateTimeOffset? SearchesFrom { get; init; }

    /// <summary>Gets when what a unique index compares is first written under it, or <see langword="null" />.</summary>
    public DateTimeOffset? UniqueFrom { get; init; }

    /// <summary>Gets when it was retired, or <see langword="null" />.</summary>
    public DateTimeOffset? RetiredAt { get; init; }

    /// <summary>Gets how many encryptions were reserved for the column that has most, of 2^32.</summary>
    public long Reserved { get; init; }
}

/// <summary>What retiring a version found.</summary>
/// <param name="Version">The version.</param>
/// <param name="Columns">The columns that were searched for it.</param>
/// <param name="References">Those that still refer to it, with how many values; empty when it was retired.</param>
public sealed record RetirementReport(KeyVersion Version, IReadOnlyList<string> Columns, IReadOnlyList<VersionReference> References)
{
    /// <summary>Gets whether nothing refers to the version, so that it was retired.</summary>
    public bool IsRetired => References.Count == 0;
}

/// <summary>How many values of a column are under a key version.</summary>
/// <param name="Column">The column, with its table.</param>
/// <param name="Values">How many.</param>
public sealed record VersionReference(string Column, long Values);
