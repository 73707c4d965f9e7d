using System.Buffers.Binary;
using System.Collections.ObjectModel;
using System.Text;
using EfEnvelope.Diagnostics;

namespace EfEnvelope.Kms;

/// <summary>
/// Non-secret pairs that are bound to a wrapped key or to an encrypted value: what was bound when it was written must be
/// given again, exactly, to read it.
/// </summary>
/// <remarks>
/// Providers may log these pairs in clear text (AWS CloudTrail does): never put personal data here. Pairs have no order;
/// names and values are compared byte by byte.
/// </remarks>
public sealed class EncryptionContext : IEquatable<EncryptionContext>
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly byte[] _associatedData;

    /// <summary>Makes a context of the given pairs.</summary>
    /// <param name="pairs">Names and values; names are unique and not empty.</param>
    /// <exception cref="ArgumentException">A name is empty or occurs twice, or a text is not valid Unicode.</exception>
    public EncryptionContext(params IEnumerable<KeyValuePair<string, string>> pairs)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        var encoded = new List<(byte[] Name, byte[] Value)>();
        var dictionary = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in pairs)
        {
            if (string.IsNullOrEmpty(name) || value is null || !dictionary.TryAdd(name, value))
                throw new ArgumentException(Messages.MalformedEncryptionContext(name), nameof(pairs));
            encoded.Add((Utf8.GetBytes(name), Utf8.GetBytes(value)));
        }

        Pairs = new ReadOnlyDictionary<string, string>(dictionary);
        _associatedData = Canonicalize(encoded);
    }

    /// <summary>Gets the context without pairs.</summary>
    public static EncryptionContext Empty { get; } = new([]);

    /// <summary>Gets the pairs.</summary>
    public IReadOnlyDictionary<string, string> Pairs { get; }

    /// <summary>
    /// Gets the canonical bytes of the pairs: the count, then each pair in the order of its name's UTF-8 bytes, as length, name,
    /// length, value; counts and lengths are unsigned 32-bit big-endian. Two contexts have the same bytes only if they are equal.
    /// </summary>
    public ReadOnlyMemory<byte> AssociatedData => _associatedData;

    /// <inheritdoc />
    public bool Equals(EncryptionContext? other)
        => other is not null && _associatedData.AsSpan().SequenceEqual(other._associatedData);

    /// <inheritdoc />
    public override bool Equals(object? obj) => Equals(obj as EncryptionContext);

    /// <inheritdoc />
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(_associatedData);
        return hash.ToHashCode();
    }

    /// <inheritdoc />
    public override string ToString()
        => string.Join(", ", Pairs.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"{p.Key}={p.Value}"));

    //  +-----------+----------------------------------------------------------+
    //  | count u32 | per pair: length u32, name UTF-8, length u32, value UTF-8 |
    //  +-----------+----------------------------------------------------------+
    // Length prefixes make this injective. It must never change: every stored value and wrapped key is bound to it.
    private static byte[] Canonicalize(List<(byte[] Name, byte[] Value)> pairs)
    {
        pairs.Sort(static (a, b) => a.Name.AsSpan().SequenceCompareTo(b.Name));
        var bytes = new byte[4 + pairs.Sum(p => 8 + p.Name.Length + p.Value.Length)];
        var rest = bytes.AsSpan();
        BinaryPrimitives.WriteUInt32BigEndian(rest, (uint)pairs.Count);
        rest = rest[4..];
        foreach (var (name, value) in pairs)
        {
            Append(ref rest, name);
            Append(ref rest, value);
        }

        return bytes;

        static void Append(ref Span<byte> rest, byte[] part)
        {
            BinaryPrimitives.WriteUInt32BigEndian(rest, (uint)part.Length);
            part.CopyTo(rest[4..]);
            rest = rest[(4 + part.Length)..];
        }
    }
}
