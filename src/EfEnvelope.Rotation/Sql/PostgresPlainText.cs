using System.Globalization;
using System.Text.RegularExpressions;

namespace EfEnvelope.Rotation.Sql;

/// <summary>What PostgreSQL writes in another way than .NET: infinite times, as its driver stores the ends of .NET's, and intervals.</summary>
internal static partial class PostgresPlainText
{
    /// <summary>Writes a plaintext, or returns <see langword="null" /> where both write it the same way.</summary>
    public static string? Format(string type, byte[] plaintext)
        => type switch
        {
            "datetime" => OfTicks(PlainText.Read<DateTime>(plaintext).Ticks) ?? Cut(PlainText.Read<DateTime>(plaintext)).ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture),
            "datetimeoffset" => OfTicks(PlainText.Read<DateTimeOffset>(plaintext).UtcTicks)
                ?? Cut(PlainText.Read<DateTimeOffset>(plaintext).UtcDateTime).ToString("yyyy-MM-dd HH:mm:ss.ffffff'+00'", CultureInfo.InvariantCulture),
            "date" => PlainText.Read<DateOnly>(plaintext) is var date && date == DateOnly.MinValue ? "-infinity" : date == DateOnly.MaxValue ? "infinity" : null,
            "time" => PlainText.Read<TimeOnly>(plaintext).ToString("HH:mm:ss.ffffff", CultureInfo.InvariantCulture),
            "timespan" => string.Create(CultureInfo.InvariantCulture, $"{PlainText.Read<TimeSpan>(plaintext).Ticks / TimeSpan.TicksPerDay} days {Time(PlainText.Read<TimeSpan>(plaintext).Ticks % TimeSpan.TicksPerDay)}"),
            _ => null,
        };

    /// <summary>Reads a plaintext, or returns <see langword="null" /> where both write it the same way.</summary>
    /// <exception cref="FormatException">It is an interval of months, which have no length.</exception>
    public static byte[]? Parse(string type, string text)
        => (type, text) switch
        {
            ("datetime", "infinity") => PlainText.GetBytes(DateTime.MaxValue),
            ("datetime", "-infinity") => PlainText.GetBytes(DateTime.MinValue),
            ("datetimeoffset", "infinity") => PlainText.GetBytes(DateTimeOffset.MaxValue),
            ("datetimeoffset", "-infinity") => PlainText.GetBytes(DateTimeOffset.MinValue),
            ("date", "infinity") => PlainText.GetBytes(DateOnly.MaxValue),
            ("date", "-infinity") => PlainText.GetBytes(DateOnly.MinValue),
            ("timespan", _) => PlainText.GetBytes(ParseInterval(text)),
            _ => null,
        };

    private static string? OfTicks(long ticks) => ticks == DateTime.MinValue.Ticks ? "-infinity" : ticks == DateTime.MaxValue.Ticks ? "infinity" : null;

    // The server would round what the driver cuts off.
    private static DateTime Cut(DateTime time) => new(time.Ticks - (time.Ticks % TimeSpan.TicksPerMicrosecond));

    private static string Time(long ticks)
    {
        var microseconds = Math.Abs(ticks) / TimeSpan.TicksPerMicrosecond;
        var (seconds, fraction) = Math.DivRem(microseconds, 1_000_000);
        return string.Create(CultureInfo.InvariantCulture, $"{(ticks < 0 ? "-" : "")}{seconds / 3600:00}:{seconds / 60 % 60:00}:{seconds % 60:00}.{fraction:000000}");
    }

    private static TimeSpan ParseInterval(string text)
    {
        var match = Interval().Match(text);
        if (!match.Success)
            throw new FormatException();
        long Part(string name) => match.Groups[name] is { Success: true, Value: var digits } ? long.Parse(digits, CultureInfo.InvariantCulture) : 0;
        var microseconds = (((((Part("h") * 60) + Part("m")) * 60) + Part("s")) * 1_000_000) + long.Parse(match.Groups["f"].Value.PadRight(6, '0'), CultureInfo.InvariantCulture);
        var time = checked(microseconds * TimeSpan.TicksPerMicrosecond);
        return new TimeSpan(checked((Part("d") * TimeSpan.TicksPerDay) + (match.Groups["sign"].Value == "-" ? -time : time)));
    }

    [GeneratedRegex(@"^((?<d>-?\d+) days?)? ?((?<sign>[+-])?(?<h>\d+):(?<m>\d\d):(?<s>\d\d)(\.(?<f>\d{1,6}))?)?$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Interval();
}
