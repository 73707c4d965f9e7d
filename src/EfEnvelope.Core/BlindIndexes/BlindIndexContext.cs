using System.Collections.Concurrent;
using System.Globalization;
using EfEnvelope.Diagnostics;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Kms;

namespace EfEnvelope.BlindIndexes;

/// <summary>
/// What every value of one blind index is bound to: its parts, and how much of the hash is kept. One instance per parts and length, so
/// that a data key can find its subkeys by reference.
/// </summary>
internal sealed class BlindIndexContext
{
    public const int DefaultLength = 16;

    // Eight bytes are equal by chance once in 2^32 rows or so; the hash has no more than 32.
    private const int MinLength = 8;
    private const int MaxLength = BlindIndexHasher.HashLength;

    private static readonly ConcurrentDictionary<EncryptionContext, BlindIndexContext> Interned = new();
    private readonly Func<DataKey, BlindIndexHasher> _createHasher;

    private BlindIndexContext(IReadOnlyList<BlindIndexPart> parts, int length, EncryptionContext context)
    {
        Parts = parts;
        Length = length;
        Context = context;
        _createHasher = key => new BlindIndexHasher(key, Context);
    }

    public IReadOnlyList<BlindIndexPart> Parts { get; }

    /// <summary>Gets how many bytes of the hash are kept.</summary>
    public int Length { get; }

    /// <summary>Gets how many bytes are stored.</summary>
    public int StoredLength => EnvelopeHeader.Length + Length;

    public EncryptionContext Context { get; }

    /// <summary>Finds the context of such an index, or makes it.</summary>
    /// <exception cref="EnvelopeConfigurationException">There can be no such index; <see cref="BlindIndexPart.FindFaults" /> finds all that is wrong.</exception>
    public static BlindIndexContext Get(IReadOnlyList<BlindIndexPart> parts, int length = DefaultLength)
    {
        if (parts.Count == 0)
            throw new ArgumentException("A blind index has at least one part.", nameof(parts));
        if (parts.SelectMany(p => p.FindFaults(p.Field)).FirstOrDefault() is { } fault)
            throw new EnvelopeConfigurationException(fault);
        if (FindLengthFault(parts[0].Field, length) is { } lengthFault)
            throw new EnvelopeConfigurationException(lengthFault);
        return Interned.GetOrAdd(CreateContext(parts, length), context => new BlindIndexContext([.. parts], length, context));
    }

    /// <summary>Finds why so many bytes of the hash cannot be kept, or <see langword="null" />.</summary>
    /// <param name="property">What the message calls the indexed property.</param>
    /// <param name="length">The bytes.</param>
    public static string? FindLengthFault(string property, int length)
        => length is >= MinLength and <= MaxLength ? null : Messages.BlindIndexLength(property, length, MinLength, MaxLength);

    //  +------------+----------------------+
    //  | header (5) | hash, first n bytes  |     8 to 32 bytes of HMAC-SHA256
    //  +------------+----------------------+

    /// <summary>Computes what is stored and what is searched for.</summary>
    /// <param name="key">The key version.</param>
    /// <param name="input">What <see cref="BlindIndexInput.Join" /> gave.</param>
    public byte[] Compute(DataKey key, ReadOnlySpan<byte> input)
    {
        try
        {
            var index = new byte[StoredLength];
            new EnvelopeHeader(EnvelopeAlgorithm.BlindIndex, key.Number).Write(index);
            key.GetOrAdd(this, _createHasher).Hash(input, index.AsSpan(EnvelopeHeader.Length));
            return index;
        }
        catch (ObjectDisposedException)
        {
            throw new KeyUnavailableException(Messages.KeyWasDropped(key.Version));
        }
    }

    public override string ToString() => Context.ToString();

    // The length is bound, too, so that a short index is not the beginning of a long one beside it.
    private static EncryptionContext CreateContext(IReadOnlyList<BlindIndexPart> parts, int length)
    {
        List<KeyValuePair<string, string>> pairs = [new("length", length.ToString(CultureInfo.InvariantCulture))];
        for (var i = 0; i < parts.Count; i++)
        {
            var number = (i + 1).ToString(CultureInfo.InvariantCulture);
            pairs.Add(new($"field.{number}", parts[i].Field));
            pairs.Add(new($"form.{number}", parts[i].Form));
        }

        return new EncryptionContext(pairs);
    }
}
