namespace EfEnvelope.Kms.Local.Storage;

// The rows as they are stored. Kinds, purposes and states are text, so that a later version may add some without new columns; a
// reader refuses a text that it does not know.

/// <summary>The one row that says what this database is.</summary>
internal sealed class MetaRow
{
    public const int OnlyId = 1;

    /// <summary>Format 1 had wrapping keys alone, and no row was authenticated. It is upgraded when it is opened.</summary>
    public const int FirstFormat = 1;

    /// <summary>In format 3 each key row also says which aliases the key has.</summary>
    public const int KnownFormat = 3;

    public int Id { get; init; }

    public int FormatVersion { get; set; }

    public required string KmsId { get; init; }

    /// <summary>Tells the right root key from any other, whichever seal opened it. Empty in format 1.</summary>
    public byte[] KeyCheck { get; set; } = [];

    /// <summary>Counts the changes of seals, for optimistic concurrency.</summary>
    public long Revision { get; set; }

    public DateTimeOffset Created { get; init; }
}

/// <summary>The root key, sealed. Any one seal opens the KMS.</summary>
internal sealed class SealRow
{
    public required string SealId { get; init; }

    public required string Kind { get; init; }

    /// <summary>What the seal needs to derive its key again, as JSON; bound to the sealed root key as it is written here.</summary>
    public required string Parameters { get; init; }

    public required byte[] SealedRootKey { get; init; }

    public DateTimeOffset Created { get; init; }
}

/// <summary>A key of the KMS, of one or more versions. Of a destroyed key the row alone stays, so that its name is never taken again.</summary>
internal sealed class KeyRow
{
    /// <summary>16 random bytes in hexadecimal.</summary>
    public required string KeyId { get; init; }

    public required string Name { get; init; }

    /// <summary>Bound to the sealed material: <see cref="KeyPurposes" />.</summary>
    public required string Purpose { get; init; }

    public string Algorithm { get; set; } = KeyAlgorithms.Aes256;

    public required string State { get; set; }

    public int PrimaryVersion { get; set; }

    /// <summary><c>generated</c> or <c>imported</c>.</summary>
    public string Origin { get; set; } = KeyOrigins.Generated;

    public string Description { get; set; } = "";

    /// <summary>In seconds.</summary>
    public long? RotationPeriod { get; set; }

    public DateTimeOffset? NextRotation { get; set; }

    public DateTimeOffset? DeletionAt { get; set; }

    /// <summary>SHA-256 over the names of its aliases, so that none can be taken away: a rule may deny by it. Null before format 3.</summary>
    public byte[]? Aliases { get; set; }

    /// <summary>Counts the changes, for optimistic concurrency.</summary>
    public long Revision { get; set; }

    public DateTimeOffset Created { get; init; }

    /// <summary>Authenticates the row. Empty in format 1.</summary>
    public byte[] Mac { get; set; } = [];
}

/// <summary>One version of a key, its material sealed by the root key.</summary>
internal sealed class KeyVersionRow
{
    public required string KeyId { get; init; }

    public int Version { get; init; }

    public required string State { get; set; }

    public required byte[] SealedMaterial { get; set; }

    /// <summary>The public half of a signing key, as SubjectPublicKeyInfo.</summary>
    public byte[]? PublicKey { get; init; }

    public DateTimeOffset Created { get; init; }

    /// <summary>Authenticates the row. Empty in format 1.</summary>
    public byte[] Mac { get; set; } = [];
}

/// <summary>Another name of a key.</summary>
internal sealed class AliasRow
{
    /// <summary>With its <c>alias/</c>.</summary>
    public required string Alias { get; init; }

    public required string KeyId { get; set; }

    public long Revision { get; set; }

    public byte[] Mac { get; set; } = [];
}

/// <summary>A label of a key. It decides nothing, and is not authenticated.</summary>
internal sealed class TagRow
{
    public required string KeyId { get; init; }

    public required string Name { get; init; }

    public required string Value { get; set; }
}

/// <summary>A wrapping key that was handed out for one import; the row is gone when it is used.</summary>
internal sealed class ImportRow
{
    public required string Token { get; init; }

    /// <summary>The private half, sealed by the root key and bound to the token and to when it expires.</summary>
    public required byte[] SealedPrivateKey { get; init; }

    public DateTimeOffset Expires { get; init; }
}
