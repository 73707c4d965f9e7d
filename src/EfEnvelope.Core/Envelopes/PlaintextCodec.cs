using System.Runtime.CompilerServices;
using EfEnvelope.Diagnostics;

namespace EfEnvelope.Envelopes;

/// <summary>
/// The canonical bytes of one CLR type: what is encrypted. Injective, independent of culture, provider and machine; part of the
/// format, documented in FORMAT.md.
/// </summary>
internal abstract class PlaintextCodec<T>
{
    private const int RecentCount = 64;

    private readonly FieldContext?[] _recent = new FieldContext?[RecentCount];

    /// <summary>Gets the codec of <typeparamref name="T" />.</summary>
    public static PlaintextCodec<T> Default { get; } = PlaintextCodecs.Create<T>();

    /// <summary>Gets the name under which the type is bound to its values.</summary>
    public abstract string Type { get; }

    /// <summary>Gets the length in bytes if all values have one length.</summary>
    public virtual int? FixedLength => null;

    /// <summary>Gets the most bytes that a value of so many units (characters, bytes) can need.</summary>
    public virtual int? MaxLength(int units) => FixedLength;

    /// <summary>Gets the field of a name. A model gives its names as the same few strings for every value, so these are found by reference.</summary>
    public FieldContext GetField(string name)
    {
        ref var recent = ref _recent[RuntimeHelpers.GetHashCode(name) & (RecentCount - 1)];
        return recent is { } field && field.Name == name ? field : recent = FieldContext.Get(name, Type);
    }

    /// <summary>Measures a value, keeping what had to be made for that.</summary>
    public abstract MeasuredPlaintext Measure(T value);

    /// <summary>Writes a measured value into exactly as many bytes.</summary>
    public abstract void Write(T value, MeasuredPlaintext measured, Span<byte> destination);

    /// <summary>Reads a value.</summary>
    public abstract T Read(ReadOnlySpan<byte> plaintext, FieldContext field);

    /// <summary>Returns the canonical bytes, for comparisons; the caller zeroes them.</summary>
    public byte[] GetBytes(T value)
    {
        using var measured = Measure(value);
        var bytes = new byte[measured.Length];
        Write(value, measured, bytes);
        return bytes;
    }

    protected EnvelopeException WrongSize(FieldContext field) => new EnvelopeConfigurationException(Messages.WrongPlaintextSize(field.Name, Type));
}

/// <summary>The length of a plaintext, and its bytes where they had to be made to know it.</summary>
internal readonly struct MeasuredPlaintext(int length, byte[]? bytes = null) : IDisposable
{
    public int Length { get; } = length;

    public byte[]? Bytes { get; } = bytes;

    public void Dispose() => System.Security.Cryptography.CryptographicOperations.ZeroMemory(Bytes);
}
