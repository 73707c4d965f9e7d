using EfEnvelope.Keys;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>Which version of the ring something is sealed under.</summary>
internal enum KeyRole
{
    /// <summary>The primary: values that nothing compares.</summary>
    Primary,

    /// <summary>The newest version that is searched: what is compared.</summary>
    Search,

    /// <summary>The oldest version that is searched: what a unique index compares.</summary>
    Unique,

    /// <summary>The version that unique values move to, while there is one: what a unique index compares in its second column, which is null otherwise.</summary>
    UniqueNext,

    /// <summary>The first version that a query looks under.</summary>
    FirstSlot,

    /// <summary>The second version that a query looks under; the first once more while there is only one.</summary>
    SecondSlot,
}

internal static class KeyRoles
{
    // One slot per version that may be live in searches.
    public static IReadOnlyList<KeyRole> Slots { get; } = [KeyRole.FirstSlot, KeyRole.SecondSlot];

    public static bool Writes(this KeyRole role) => role < KeyRole.FirstSlot;

    /// <summary>
    /// Finds the key; a query whose ring has no version yet gets none, because nothing can be stored that it could find, and neither does a second column
    /// while one version is live.
    /// </summary>
    public static DataKey? FindKey(this KeyRole role, KeyRing ring)
        => role switch
        {
            KeyRole.Primary => ring.Primary,
            KeyRole.Search => ring.SearchPrimary,
            KeyRole.Unique => ring.UniquePrimary,
            KeyRole.UniqueNext => ring.UniqueNext,
            KeyRole.FirstSlot => ring.FindSearchKey(0),
            _ => ring.FindSearchKey(1),
        };
}
