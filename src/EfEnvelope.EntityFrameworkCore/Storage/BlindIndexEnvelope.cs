using System.Security.Cryptography;
using EfEnvelope.BlindIndexes;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>Values on their way into a blind index, or into a query that looks in one: they become a keyed hash, and nothing opens it again.</summary>
/// <param name="index">The index.</param>
/// <param name="values">One value for each property of the index, none null.</param>
/// <param name="role">Which version hashes them.</param>
/// <param name="searches">Whether the values are what a query looks for, so that a first or last part has to be given whole.</param>
internal sealed class BlindIndexEnvelope(BlindIndex index, object[] values, KeyRole role, bool searches)
    : PendingEnvelope(role, EnvelopeAlgorithm.BlindIndex)
{
    internal override string FieldName => index.Name;

    public override int EnvelopeLength => index.Context.StoredLength;

    public override PendingEnvelope ForSlot(KeyRole slot) => new BlindIndexEnvelope(index, values, slot, searches);

    // EF Core compares provider values when two entities share a row, and looks up those of a unique index to put its commands in order.
    public override bool Equals(object? obj)
        => obj is BlindIndexEnvelope other && ReferenceEquals(other.Index.Context, index.Context) && other.Role == Role && AreEqual(GetInput(), other.GetInput());

    public override int GetHashCode() => HashOf(GetInput());

    protected override byte[] Seal(DataKey key)
    {
        var input = GetInput();
        try
        {
            return index.Context.Compute(key, input);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(input);
        }
    }

    private BlindIndex Index => index;

    private byte[] GetInput()
    {
        var parts = new byte[values.Length][];
        try
        {
            for (var i = 0; i < values.Length; i++)
                parts[i] = index.GetInput(i, values[i], searches);
            return BlindIndexInput.Join(parts);
        }
        finally
        {
            foreach (var part in parts)
                CryptographicOperations.ZeroMemory(part);
        }
    }
}
