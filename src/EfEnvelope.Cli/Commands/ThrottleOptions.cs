using System.CommandLine;
using System.Globalization;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Commands;

/// <summary>The options of the brake. Each may be <c>none</c>, which takes that part off.</summary>
internal sealed class ThrottleOptions
{
    private const string None = "none";

    private readonly Option<string?> _rows = new("--rows-per-second") { Description = CliMessages.RowsPerSecondOption() };
    private readonly Option<string?> _duty = new("--duty-cycle") { Description = CliMessages.DutyCycleOption() };
    private readonly Option<string?> _latency = new("--max-latency") { Description = CliMessages.MaxLatencyOption() };
    private readonly Option<string?> _window = new("--window") { Description = CliMessages.WindowOption() };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_rows, _duty, _latency, _window])
            command.Add(option);
    }

    public bool IsGiven(Call call) => ((Option<string?>[])[_rows, _duty, _latency, _window]).Any(o => call.Get(o) is not null);

    /// <summary>Puts what was given over what holds already.</summary>
    public Throttle Read(Call call, Throttle throttle)
    {
        if (call.Get(_rows) is { } rows)
            throttle = throttle with { RowsPerSecond = rows == None ? null : Numbers.Parse("--rows-per-second", rows, 1, int.MaxValue) };
        if (call.Get(_duty) is { } duty)
            throttle = throttle with { DutyCycle = duty == None ? null : ParseDutyCycle(duty) };
        if (call.Get(_latency) is { } latency)
            throttle = throttle with { MaxLatency = latency == None ? null : ParseLatency(latency) };
        if (call.Get(_window) is { } window)
        {
            var (start, end) = window == None ? default : ParseWindow(window);
            throttle = throttle with { WindowStart = start, WindowEnd = end };
        }

        return throttle;
    }

    private static double ParseDutyCycle(string text)
        => double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var duty) && duty is > 0 and <= 1
            ? duty
            : throw new EnvelopeConfigurationException(CliMessages.MalformedDutyCycle(text));

    private static TimeSpan ParseLatency(string text)
        => Durations.Parse("--max-latency", text, defaultUnit: "ms") is var latency && latency > TimeSpan.Zero
            ? latency
            : throw new EnvelopeConfigurationException(CliMessages.MalformedTime("--max-latency", text));

    private static (TimeOnly? Start, TimeOnly? End) ParseWindow(string text)
        => text.Split('-') is [var from, var to]
            && TimeOnly.TryParseExact(from, ["HH:mm", "H:mm"], CultureInfo.InvariantCulture, DateTimeStyles.None, out var start)
            && TimeOnly.TryParseExact(to, ["HH:mm", "H:mm"], CultureInfo.InvariantCulture, DateTimeStyles.None, out var end)
            && start != end
            ? (start, end)
            : throw new EnvelopeConfigurationException(CliMessages.MalformedWindow(text));
}

internal static class Numbers
{
    public static int Parse(string name, string text, int min, int max)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw new EnvelopeConfigurationException(CliMessages.MalformedNumber(name, text, min, max));

    public static long ParseJob(string text)
        => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id > 0
            ? id
            : throw new EnvelopeConfigurationException(CliMessages.MalformedJob(text));
}
