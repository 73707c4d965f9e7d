using System.Globalization;

namespace EfEnvelope.EntityFrameworkCore.KeyStore;

/// <summary>How the key store writes times: ISO 8601 in UTC.</summary>
internal static class StoreTimes
{
    private const string Format = "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'";

    public static string? Write(DateTimeOffset? time) => time?.UtcDateTime.ToString(Format, CultureInfo.InvariantCulture);

    // Intervals are added to these times, which the ends of the calendar have no room for.
    public static DateTimeOffset? Parse(string? text)
        => text is null ? null
            : DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal) is { Year: > 1 and < 9990 } time ? time
            : throw new FormatException();
}
