using System.ComponentModel;
using System.Linq.Expressions;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.EntityFrameworkCore;

/// <summary>
/// A value of an encrypted column on its way between EF Core and the database. It appears in migrations as the type of encrypted
/// columns; applications never handle it.
/// </summary>
/// <remarks>
/// On the way in it carries the plaintext and becomes bytes just before the command runs; on the way out it carries the stored
/// bytes and is opened with the keys of the context that reads it. It never prints what it holds.
/// </remarks>
public abstract class Envelope
{
    private protected Envelope()
    {
    }

    internal abstract string FieldName { get; }

    /// <summary>Carries a plaintext towards the database. EF Core calls this; it is public for compiled models.</summary>
    /// <typeparam name="T">The type whose canonical bytes are encrypted.</typeparam>
    /// <param name="value">The plaintext.</param>
    /// <param name="field">The stable name of the column.</param>
    /// <param name="algorithm">The number of the algorithm.</param>
    /// <returns>The carrier.</returns>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public static Envelope From<T>(T value, string field, int algorithm)
        => new PlaintextEnvelope<T>(value, field, (EnvelopeAlgorithm)algorithm);

    /// <summary>Opens what was read from the database. EF Core calls this; it is public for compiled models.</summary>
    /// <typeparam name="T">The type whose canonical bytes were encrypted.</typeparam>
    /// <param name="envelope">The carrier.</param>
    /// <param name="field">The stable name of the column.</param>
    /// <returns>The plaintext.</returns>
    /// <exception cref="EnvelopeDecryptionException">The value was altered, moved, or not written by EfEnvelope.</exception>
    /// <exception cref="KeyUnavailableException">Its key cannot be had right now.</exception>
    /// <exception cref="KeyDestroyedException">Its key was destroyed.</exception>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public static T To<T>(Envelope envelope, string field)
        => envelope switch
        {
            StoredEnvelope stored => stored.Open<T>(field),
            PlaintextEnvelope<T> plaintext => plaintext.Plaintext,
            _ => throw new InvalidOperationException($"An envelope of '{field}' holds another type than '{typeof(T)}'."),
        };

    /// <summary>Says which column this is for, never what it holds.</summary>
    /// <returns>Text for logs.</returns>
    public sealed override string ToString() => $"Envelope({FieldName})";
}

/// <summary>A plaintext on its way to the database.</summary>
internal abstract class PlaintextEnvelope(string fieldName, EnvelopeAlgorithm algorithm) : Envelope
{
    internal override string FieldName => fieldName;

    public EnvelopeAlgorithm Algorithm => algorithm;

    /// <summary>Gets the column that the value is bound to.</summary>
    public abstract FieldContext Field { get; }

    /// <summary>Measures the envelope that <see cref="Seal" /> will return.</summary>
    public abstract int EnvelopeLength { get; }

    public abstract byte[] Seal(DataKey key);

    /// <summary>Generates the call that makes this carrier, for the source of compiled models.</summary>
    public abstract Expression GenerateCode();
}

internal sealed class PlaintextEnvelope<T>(T value, string fieldName, EnvelopeAlgorithm algorithm) : PlaintextEnvelope(fieldName, algorithm)
{
    private static readonly PlaintextCodec<T> Codec = PlaintextCodec<T>.Default;

    // Neither public nor named 'Value': EF Core's command log prints a public property of that name instead of ToString().
    internal T Plaintext => value;

    public override FieldContext Field => Codec.GetField(FieldName);

    public override int EnvelopeLength
    {
        get
        {
            using var measured = Codec.Measure(value);
            return FieldCipher.OverheadOf(Algorithm) + measured.Length;
        }
    }

    public override byte[] Seal(DataKey key) => EnvelopeCodec.Encrypt(key, Field, Algorithm, value, Codec);

    public override Expression GenerateCode()
        => Expression.Call(
            typeof(Envelope), nameof(From), [typeof(T)], Expression.Constant(value, typeof(T)), Expression.Constant(FieldName), Expression.Constant((int)Algorithm));

    // EF Core compares provider values when two entities share a row: equal plaintexts are equal values.
    public override bool Equals(object? obj)
        => obj is PlaintextEnvelope<T> other
            && other.FieldName == FieldName
            && (EqualityComparer<T>.Default.Equals(value, other.Plaintext) || Codec.GetBytes(value).AsSpan().SequenceEqual(Codec.GetBytes(other.Plaintext)));

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(Codec.GetBytes(value));
        return hash.ToHashCode();
    }
}

/// <summary>Stored bytes on their way to the application.</summary>
internal sealed class StoredEnvelope(byte[] bytes, EnvelopeSession session) : Envelope
{
    internal override string FieldName => "stored";

    public T Open<T>(string field)
    {
        var codec = PlaintextCodec<T>.Default;
        return session.Open(codec.GetField(field), bytes, codec);
    }

    public override bool Equals(object? obj) => obj is StoredEnvelope other && other.Bytes.SequenceEqual(bytes);

    public override int GetHashCode() => bytes.Length;

    private ReadOnlySpan<byte> Bytes => bytes;
}
