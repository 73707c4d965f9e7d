using System.Globalization;
using System.Text.RegularExpressions;

namespace EfEnvelope.Cli;

/// <summary>Reads durations as they are typed: <c>200ms</c>, <c>30s</c>, <c>5m</c>, <c>2h</c>, <c>7d</c>, <c>02:00:00</c>, <c>7.00:00:00</c>; and says them.</summary>
internal static partial class Durations
{
    public static TimeSpan Parse(string name, string text, string? defaultUnit = null)
    {
        if (Short().Match(text) is { Success: true } match
            && long.TryParse(match.Groups[1].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && (match.Groups[2].Value is { Length: > 0 } unit ? unit : defaultUnit) is { } known
            && MillisecondsOf(known) is var one
            && count <= TimeSpan.FromDays(36500).TotalMilliseconds / one)
            return TimeSpan.FromMilliseconds(count * one);
        return text.Contains(':') && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var time) && time >= TimeSpan.Zero
            ? time
            : throw new EnvelopeConfigurationException(CliMessages.MalformedTime(name, text));
    }

    public static string Say(TimeSpan time)
        => time.TotalSeconds < 1 ? FormattableString.Invariant($"{time.TotalMilliseconds:0} ms")
            : time.TotalMinutes < 2 ? FormattableString.Invariant($"{time.TotalSeconds:0} s")
            : time.TotalHours < 2 ? FormattableString.Invariant($"{time.TotalMinutes:0} min")
            : time.TotalDays < 2 ? FormattableString.Invariant($"{time.TotalHours:0.#} h")
            : FormattableString.Invariant($"{time.TotalDays:0.#} days");

    private static long MillisecondsOf(string unit)
        => unit switch
        {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => 86_400_000,
        };

    [GeneratedRegex("^([0-9]{1,12})(ms|s|m|h|d)?$")]
    private static partial Regex Short();
}
