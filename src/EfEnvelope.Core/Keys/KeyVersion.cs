namespace EfEnvelope.Keys;

/// <summary>One version of the data key of a scope. Prints as <c>clinic:v3</c>.</summary>
/// <param name="Scope">The scope.</param>
/// <param name="Number">The number in the ring, from 1; every envelope carries it.</param>
public readonly record struct KeyVersion(KeyScope Scope, int Number)
{
    /// <inheritdoc />
    public override string ToString() => $"{Scope}:v{Number}";
}

/// <summary>What a key version may be used for.</summary>
public enum KeyVersionStatus
{
    /// <summary>It may decrypt, and encrypts while it is the primary.</summary>
    Enabled,

    /// <summary>It may not be used for now; it can be enabled again.</summary>
    Disabled,

    /// <summary>It is gone for good, and with it what it encrypted.</summary>
    Destroyed,
}
