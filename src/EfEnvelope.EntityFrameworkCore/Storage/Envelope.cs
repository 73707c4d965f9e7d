using System.ComponentModel;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;

namespace EfEnvelope.EntityFrameworkCore;

/// <summary>
/// A value of an encrypted column on its way between EF Core and the database. It appears in migrations as the type of encrypted
/// columns; applications never handle it.
/// </summary>
/// <remarks>
/// On the way in it carries the plaintext and becomes bytes just before the command runs; on the way out it carries the stored
/// bytes and is opened with the keys of the context that reads it. It never prints what it holds.
/// </remarks>
public abstract class Envelope : IComparable
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
    /// <param name="unique">Whether a unique index compares the value.</param>
    /// <returns>The carrier.</returns>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public static Envelope From<T>(T value, string field, int algorithm, bool unique)
    {
        // A converter of the application may turn a value into null, which is stored as null.
        if (value is null)
            return null!;
        var known = (EnvelopeAlgorithm)algorithm;
        var role = known == EnvelopeAlgorithm.Aes256Gcm ? KeyRole.Primary : unique ? KeyRole.Unique : KeyRole.Search;
        return new PlaintextEnvelope<T>(value, field, known, role);
    }

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

    // EF Core takes nothing into a unique index that is not comparable. It sorts by keys alone, which a blind index cannot be.
    int IComparable.CompareTo(object? obj) => throw new NotSupportedException("Envelopes have no order.");

    /// <summary>Says which column this is for, never what it holds.</summary>
    /// <returns>Text for logs.</returns>
    public sealed override string ToString() => $"Envelope({FieldName})";
}
