namespace EfEnvelope.Kms.Local.Access;

// Each row carries a MAC under the root key over all of its other columns, so that who can write the store but has no seal can forge
// none. See AccessMacs for the bytes.

/// <summary>The one row that says whether access is enforced, and which policies there are.</summary>
internal sealed class AccessStateRow
{
    public const int OnlyId = 1;

    public int Id { get; init; }

    public bool Enforced { get; set; }

    /// <summary>Counts the changes of policies and of enforcement, for optimistic concurrency.</summary>
    public long Revision { get; set; }

    /// <summary>SHA-256 over the MACs of all policies, so that none can be taken away: it may be the one that denies.</summary>
    public required byte[] Policies { get; set; }

    public required byte[] Mac { get; set; }
}

/// <summary>A named credential.</summary>
internal sealed class PrincipalRow
{
    public required string Name { get; init; }

    /// <summary>16 random bytes in hexadecimal. A namesake that is made later has another one, and none of this one's grants.</summary>
    public required string PrincipalId { get; init; }

    public required byte[] CredentialHash { get; set; }

    public byte[]? FormerHash { get; set; }

    public DateTimeOffset? FormerUntil { get; set; }

    public bool Disabled { get; set; }

    public DateTimeOffset Created { get; init; }

    /// <summary>Counts the changes, for optimistic concurrency.</summary>
    public long Revision { get; set; }

    public byte[] Mac { get; set; } = [];
}

/// <summary>A named policy.</summary>
internal sealed class PolicyRow
{
    public required string Name { get; init; }

    public required string Document { get; set; }

    public DateTimeOffset Changed { get; set; }

    public byte[] Mac { get; set; } = [];
}

/// <summary>A grant to one principal for one key.</summary>
internal sealed class GrantRow
{
    public required string GrantId { get; init; }

    public required string Principal { get; init; }

    public required string PrincipalId { get; init; }

    public required string KeyName { get; init; }

    /// <summary>A JSON list of texts.</summary>
    public required string Operations { get; init; }

    /// <summary>Canonical JSON of the pairs.</summary>
    public required string Context { get; init; }

    public bool ContextExactly { get; init; }

    public DateTimeOffset? Expires { get; init; }

    public DateTimeOffset Created { get; init; }

    public byte[] Mac { get; set; } = [];
}
