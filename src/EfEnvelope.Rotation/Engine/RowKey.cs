using System.Globalization;
using System.Text.Json;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Writes a primary key as text, and reads it back exactly: a checkpoint outlives its process.</summary>
internal static class RowKey
{
    public static string Format(object?[] key)
        => JsonSerializer.Serialize(key.Select(part => part switch
        {
            long or int or short or byte => $"i{Convert.ToString(part, CultureInfo.InvariantCulture)}",
            string text => $"s{text}",
            Guid id => $"g{id}",
            byte[] bytes => $"x{Convert.ToHexString(bytes)}",
            double number => $"f{number.ToString("R", CultureInfo.InvariantCulture)}",
            decimal number => $"m{number.ToString(CultureInfo.InvariantCulture)}",
            bool flag => flag ? "b1" : "b0",
            DateTime time => $"t{time.ToString("O", CultureInfo.InvariantCulture)}",
            DateTimeOffset time => $"o{time.ToString("O", CultureInfo.InvariantCulture)}",
            TimeSpan span => $"d{span.ToString("c", CultureInfo.InvariantCulture)}",
            float number => $"F{number.ToString("R", CultureInfo.InvariantCulture)}",
            _ => throw new EnvelopeConfigurationException(RotationMessages.KeyTypeNotSupported(part?.GetType().Name)),
        }));

    public static object?[]? Parse(string? text)
        => text is null ? null : [.. JsonSerializer.Deserialize<string[]>(text)!.Select(part => (object?)(part[0] switch
        {
            'i' => long.Parse(part.AsSpan(1), CultureInfo.InvariantCulture),
            's' => part[1..],
            'g' => Guid.Parse(part.AsSpan(1)),
            'x' => Convert.FromHexString(part.AsSpan(1)),
            'f' => double.Parse(part.AsSpan(1), CultureInfo.InvariantCulture),
            'm' => decimal.Parse(part.AsSpan(1), CultureInfo.InvariantCulture),
            'b' => part[1] == '1',
            't' => DateTime.Parse(part.AsSpan(1), CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind),
            'o' => DateTimeOffset.Parse(part.AsSpan(1), CultureInfo.InvariantCulture),
            'd' => TimeSpan.ParseExact(part[1..], "c", CultureInfo.InvariantCulture),
            'F' => float.Parse(part.AsSpan(1), CultureInfo.InvariantCulture),
            _ => throw new FormatException(),
        }))];

    /// <summary>Writes it for people: the parts, by commas.</summary>
    public static string Display(object?[] key)
        => string.Join(", ", key.Select(part => part switch
        {
            byte[] bytes => $"0x{Convert.ToHexString(bytes)}",
            DateTime time => time.ToString("yyyy-MM-dd HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture),
            DateTimeOffset time => time.ToString("yyyy-MM-dd HH:mm:ss.FFFFFFFzzz", CultureInfo.InvariantCulture),
            _ => Convert.ToString(part, CultureInfo.InvariantCulture),
        }));
}
