namespace EfEnvelope.Kms.Local.Storage;

// The rows as they are stored. Kinds, purposes and states are text, so that a later version may add some without new columns; a
// reader refuses a text that it does not know.

/// <summary>The one row that says what this database is.</summary>
internal sealed class MetaRow
{
    public const int OnlyId = 1;

    public const int KnownFormat = 1;

    public int Id { get; init; }

    public int FormatVersion { get; init; }

    public required string KmsId { get; init; }

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

/// <summary>A key of the KMS, of one or more versions.</summary>
internal sealed class KeyRow
{
    public const string WrapPurpose = "wrap";

    /// <summary>16 random bytes in hexadecimal.</summary>
    public required string KeyId { get; init; }

    public required string Name { get; init; }

    public required string Purpose { get; init; }

    public required string State { get; set; }

    public int PrimaryVersion { get; set; }

    /// <summary>Counts the changes, for optimistic concurrency.</summary>
    public long Revision { get; set; }

    public DateTimeOffset Created { get; init; }

    public List<KeyVersionRow> Versions { get; } = [];
}

/// <summary>One version of a key, its material sealed by the root key.</summary>
internal sealed class KeyVersionRow
{
    public required string KeyId { get; init; }

    public int Version { get; init; }

    public required string State { get; set; }

    public required byte[] SealedMaterial { get; init; }

    public DateTimeOffset Created { get; init; }
}

/// <summary>The states of a key and of a version, as text.</summary>
internal static class KeyStates
{
    public const string Enabled = "enabled";

    public const string Disabled = "disabled";

    public static LocalKmsKeyState Parse(string text) => text switch
    {
        Enabled => LocalKmsKeyState.Enabled,
        Disabled => LocalKmsKeyState.Disabled,
        _ => throw new FormatException("Unknown key state."),
    };
}
