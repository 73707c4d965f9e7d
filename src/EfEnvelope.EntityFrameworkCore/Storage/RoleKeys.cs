using EfEnvelope.Keys;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>The keys of one command or batch: decided once for all of its values, so that a version whose time comes meanwhile takes over behind it.</summary>
internal class RoleKeys(KeyRing ring)
{
    private static readonly int RoleCount = Enum.GetValues<KeyRole>().Length;

    private readonly (bool IsKnown, DataKey? Key)[] _keys = new (bool, DataKey?)[RoleCount];

    public KeyRing Ring => ring;

    /// <summary>Gets the keys that were asked for.</summary>
    protected IEnumerable<DataKey> Found => _keys.Select(k => k.Key).OfType<DataKey>();

    /// <summary>Gets the key of a role; <see langword="null" /> when what it writes is to be null, or nothing is stored that it could find.</summary>
    public DataKey? Find(KeyRole role)
    {
        ref var known = ref _keys[(int)role];
        if (!known.IsKnown)
            known = (true, role.FindKey(ring));
        return known.Key;
    }
}
