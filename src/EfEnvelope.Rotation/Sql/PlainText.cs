using System.Globalization;
using System.Text;
using EfEnvelope.Envelopes;

namespace EfEnvelope.Rotation.Sql;

/// <summary>
/// Turns canonical plaintext bytes into text that a database casts to a column's type, and back: the form that EF Core gives values on SQLite, ISO 8601
/// elsewhere. Every type is exact both ways.
/// </summary>
internal static class PlainText
{
    private static readonly Dictionary<string, (Func<byte[], string> Format, Func<string, byte[]> Parse)> Types = new()
    {
        ["string"] = (Encoding.UTF8.GetString, new UTF8Encoding(false, true).GetBytes),
        ["bool"] = Of(v => v ? "1" : "0", t => t is "1" or "t" or "T" or "true" or "True" || (t is "0" or "f" or "F" or "false" or "False" ? false : throw new FormatException())),
        ["int8"] = OfNumber<sbyte>(),
        ["uint8"] = OfNumber<byte>(),
        ["int16"] = OfNumber<short>(),
        ["uint16"] = OfNumber<ushort>(),
        ["int32"] = OfNumber<int>(),
        ["uint32"] = OfNumber<uint>(),
        ["int64"] = OfNumber<long>(),
        ["uint64"] = OfNumber<ulong>(),
        ["float32"] = Of(v => v.ToString("R", CultureInfo.InvariantCulture), t => float.Parse(t, CultureInfo.InvariantCulture)),
        ["float64"] = Of(v => v.ToString("R", CultureInfo.InvariantCulture), t => double.Parse(t, CultureInfo.InvariantCulture)),
        ["decimal"] = Of(v => v.ToString(CultureInfo.InvariantCulture), ParseDecimal),
        ["char"] = Of(v => v.ToString(), t => t.Length == 1 ? t[0] : throw new FormatException()),
        ["guid"] = Of(v => v.ToString().ToUpperInvariant(), Guid.Parse),
        ["date"] = Of(v => v.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), t => DateOnly.FromDateTime(ParseDateTime(t))),
        ["time"] = Of(v => v.ToString("HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture), t => TimeOnly.Parse(t, CultureInfo.InvariantCulture)),
        ["timespan"] = Of(v => v.ToString("c", CultureInfo.InvariantCulture), t => TimeSpan.Parse(t, CultureInfo.InvariantCulture)),
        ["datetime"] = Of(v => v.ToString("yyyy-MM-dd HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture), ParseDateTime),
        ["datetimeoffset"] = Of(
            v => v.ToString("yyyy-MM-dd HH:mm:ss.FFFFFFFzzz", CultureInfo.InvariantCulture),
            t => DateTimeOffset.Parse(t, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal)),
    };

    /// <summary>Gets whether a column of another form can be read as this type.</summary>
    public static bool Knows(string type) => type == "bytes" || Types.ContainsKey(type);

    public static IEnumerable<string> KnownTypes => Types.Keys.Append("bytes").Order(StringComparer.Ordinal);

    public static string Format(string type, byte[] plaintext) => Types[type].Format(plaintext);

    public static T Read<T>(byte[] plaintext)
        where T : notnull
        => PlaintextCodec<T>.Default.Read(plaintext, FieldContext.Get("", PlaintextCodec<T>.Default.Type));

    public static byte[] GetBytes<T>(T value)
        where T : notnull
        => PlaintextCodec<T>.Default.GetBytes(value);

    /// <summary>Makes canonical bytes of what a column of plaintexts holds.</summary>
    /// <exception cref="FormatException">It is not of this type.</exception>
    /// <exception cref="OverflowException">It is beyond the type.</exception>
    public static byte[] Parse(string type, object value)
        => (type, value) switch
        {
            ("bytes", byte[] bytes) => [.. bytes],
            ("guid", byte[] { Length: 16 } bytes) => GetBytes(new Guid(bytes)),
            ("bytes", _) or (_, byte[]) => throw new FormatException(),
            ("string", string text) => Types[type].Parse(text),
            _ => Types[type].Parse(Convert.ToString(value, CultureInfo.InvariantCulture)!),
        };

    private static (Func<byte[], string>, Func<string, byte[]>) OfNumber<T>()
        where T : struct, System.Numerics.INumber<T>
        => Of(v => v.ToString(null, CultureInfo.InvariantCulture), t => T.Parse(t, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));

    private static (Func<byte[], string>, Func<string, byte[]>) Of<T>(Func<T, string> format, Func<string, T> parse)
        where T : notnull
    {
        var codec = PlaintextCodec<T>.Default;
        return (bytes => format(Read<T>(bytes)), text => codec.GetBytes(parse(text)));
    }

    // .NET rounds what has more digits than it keeps, without a word; the database's value would be lost.
    private static decimal ParseDecimal(string text)
    {
        var value = decimal.Parse(text, NumberStyles.Number | NumberStyles.AllowExponent, CultureInfo.InvariantCulture);
        return text.Contains('e', StringComparison.OrdinalIgnoreCase) || Digits(text) == Digits(value.ToString(CultureInfo.InvariantCulture))
            ? value
            : throw new FormatException();
    }

    private static string Digits(string number)
    {
        var digits = number.TrimStart('+', '-').TrimStart('0');
        return digits.Contains('.', StringComparison.Ordinal) ? digits.TrimEnd('0').TrimEnd('.') : digits;
    }

    // The kind is told by what is written, as EF Core's providers tell it: with a zone it is UTC, without one unspecified.
    private static DateTime ParseDateTime(string text)
        => DateTime.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind) is { Kind: DateTimeKind.Unspecified } local
            ? local
            : DateTimeOffset.Parse(text, CultureInfo.InvariantCulture).UtcDateTime;
}
