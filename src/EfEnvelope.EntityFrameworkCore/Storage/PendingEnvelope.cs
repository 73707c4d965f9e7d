using System.Linq.Expressions;
using System.Security.Cryptography;
using System.Text;
using EfEnvelope.Diagnostics;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.EntityFrameworkCore.Storage;

/// <summary>Something on its way to the database: it becomes bytes when the command runs.</summary>
internal abstract class PendingEnvelope(KeyRole role, EnvelopeAlgorithm algorithm) : Envelope
{
    public KeyRole Role => role;

    public EnvelopeAlgorithm Algorithm => algorithm;

    /// <summary>Measures the bytes that <see cref="Seal(RoleKeys)" /> will return.</summary>
    public abstract int EnvelopeLength { get; }

    /// <summary>Gets the column whose budget of random nonces this takes from, if it has a nonce.</summary>
    public virtual FieldContext? BudgetField => null;

    /// <summary>Seals it.</summary>
    /// <returns>The bytes, or <see langword="null" /> when it is for a second column and no version is to come.</returns>
    public byte[]? Seal(RoleKeys keys)
        => keys.Find(Role) is { } key ? Seal(key)
            : Role == KeyRole.UniqueNext ? null
            : NothingStored(Algorithm);

    /// <summary>Makes the same for a slot of a query.</summary>
    public abstract PendingEnvelope ForSlot(KeyRole slot);

    protected abstract byte[] Seal(DataKey key);

    /// <summary>Compares copies of plaintexts, and zeroes both.</summary>
    protected static bool AreEqual(byte[] plaintext, byte[] other)
    {
        try
        {
            return plaintext.AsSpan().SequenceEqual(other);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plaintext);
            CryptographicOperations.ZeroMemory(other);
        }
    }

    /// <summary>Hashes a copy of a plaintext for a dictionary, and zeroes it.</summary>
    protected static int HashOf(byte[] plaintext)
    {
        try
        {
            var hash = new HashCode();
            hash.AddBytes(plaintext);
            return hash.ToHashCode();
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plaintext);
        }
    }

    /// <summary>Makes what no column can hold: a header whose key number no version has.</summary>
    protected static byte[] NothingStored(EnvelopeAlgorithm algorithm)
    {
        var header = new byte[EnvelopeHeader.Length];
        new EnvelopeHeader(algorithm, 0).Write(header);
        return header;
    }
}

/// <summary>A plaintext to be encrypted.</summary>
internal abstract class PlaintextEnvelope(string fieldName, EnvelopeAlgorithm algorithm, KeyRole role) : PendingEnvelope(role, algorithm)
{
    internal override string FieldName => fieldName;

    /// <summary>Generates the call that makes this carrier, for the source of compiled models.</summary>
    public abstract Expression GenerateCode();
}

internal sealed class PlaintextEnvelope<T>(T value, string fieldName, EnvelopeAlgorithm algorithm, KeyRole role)
    : PlaintextEnvelope(fieldName, algorithm, role)
{
    private static readonly PlaintextCodec<T> Codec = PlaintextCodec<T>.Default;

    // Neither public nor named 'Value': EF Core's command log prints a public property of that name instead of ToString().
    internal T Plaintext => value;

    public override FieldContext? BudgetField => Algorithm == EnvelopeAlgorithm.Aes256Gcm ? Codec.GetField(FieldName) : null;

    public override int EnvelopeLength
    {
        get
        {
            try
            {
                using var measured = Codec.Measure(value);
                return FieldCipher.OverheadOf(Algorithm) + measured.Length;
            }
            catch (EncoderFallbackException)
            {
                throw new EnvelopeConfigurationException(Messages.InvalidUnicode(FieldName));
            }
        }
    }

    public override PendingEnvelope ForSlot(KeyRole slot) => new PlaintextEnvelope<T>(value, FieldName, Algorithm, slot);

    public override Expression GenerateCode()
        => Expression.Call(
            typeof(Envelope), nameof(From), [typeof(T)],
            Expression.Constant(value, typeof(T)), Expression.Constant(FieldName), Expression.Constant((int)Algorithm), Expression.Constant(Role == KeyRole.Unique));

    // EF Core compares provider values when two entities share a row: equal plaintexts are equal values.
    public override bool Equals(object? obj)
        => obj is PlaintextEnvelope<T> other
            && other.FieldName == FieldName
            && other.Role == Role
            && (EqualityComparer<T>.Default.Equals(value, other.Plaintext) || AreEqual(Codec.GetBytes(value), Codec.GetBytes(other.Plaintext)));

    public override int GetHashCode() => HashOf(Codec.GetBytes(value));

    protected override byte[] Seal(DataKey key) => EnvelopeCodec.Encrypt(key, Codec.GetField(FieldName), Algorithm, value, Codec);
}

/// <summary>Stands in a query for a value that a column's type does not have: it equals nothing that is stored.</summary>
internal sealed class NothingEnvelope(string fieldName, KeyRole role, EnvelopeAlgorithm algorithm) : PendingEnvelope(role, algorithm)
{
    internal override string FieldName => fieldName;

    public override int EnvelopeLength => EnvelopeHeader.Length;

    public override PendingEnvelope ForSlot(KeyRole slot) => new NothingEnvelope(fieldName, slot, Algorithm);

    protected override byte[] Seal(DataKey key) => NothingStored(Algorithm);
}

/// <summary>
/// Stands in a query that compares stored values with each other. That is right while all they hold is under one version, and misses rows while there are
/// two, so then the command must not run. It equals nothing that is stored.
/// </summary>
internal sealed class OneVersionProbe(string name) : PendingEnvelope(KeyRole.FirstSlot, EnvelopeAlgorithm.Aes256Siv)
{
    internal override string FieldName => name;

    public override int EnvelopeLength => EnvelopeHeader.Length;

    public override PendingEnvelope ForSlot(KeyRole slot) => this;

    public void Require(KeyRing ring)
    {
        if (ring.IsSearchRotating)
            throw new EnvelopeConfigurationException(EnvelopeMessages.ColumnsWhileRotating(name));
    }

    protected override byte[] Seal(DataKey key) => NothingStored(Algorithm);
}
