using System.Text.Json;
using System.Text.Json.Serialization;

namespace EfEnvelope.Rotation;

/// <summary>The brake of a job. Everything that is set holds at once, and for each worker alone. It can be changed while the job runs.</summary>
public sealed record Throttle
{
    private static readonly JsonSerializerOptions Json = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <summary>Gets how many rows are written in a second, at most.</summary>
    /// <value>The default is <see langword="null" />: no limit.</value>
    public int? RowsPerSecond { get; init; }

    /// <summary>Gets which part of the time a worker may be at the database, from 0 to 1: after each batch it rests for the other part.</summary>
    /// <value>The default is <see langword="null" />: no rest; on SQLite as long as it wrote, so that other writers are not starved.</value>
    public double? DutyCycle { get; init; }

    /// <summary>Gets how long a batch may take at the database before the worker backs off: it rests, longer and longer, until batches are quick again.</summary>
    /// <value>The default is <see langword="null" />: it does not back off.</value>
    public TimeSpan? MaxLatency { get; init; }

    /// <summary>Gets the time of day, in UTC, at which work may begin.</summary>
    /// <value>The default is <see langword="null" />: at any time.</value>
    public TimeOnly? WindowStart { get; init; }

    /// <summary>Gets the time of day, in UTC, at which work has to end; before <see cref="WindowStart" /> if the window goes over midnight.</summary>
    /// <value>The default is <see langword="null" />: at any time.</value>
    public TimeOnly? WindowEnd { get; init; }

    internal string Format() => JsonSerializer.Serialize(this, Json);

    internal static Throttle Parse(string text) => JsonSerializer.Deserialize<Throttle>(text, Json)!;

    internal void Validate()
    {
        if (RowsPerSecond is <= 0)
            throw new EnvelopeConfigurationException(RotationMessages.ThrottleOutOfRange(nameof(RowsPerSecond), "1 or more"));
        if (DutyCycle is <= 0 or > 1 or double.NaN)
            throw new EnvelopeConfigurationException(RotationMessages.ThrottleOutOfRange(nameof(DutyCycle), "more than 0 and at most 1"));
        if (MaxLatency <= TimeSpan.Zero)
            throw new EnvelopeConfigurationException(RotationMessages.ThrottleOutOfRange(nameof(MaxLatency), "more than zero"));
        if (WindowStart is null != WindowEnd is null || (WindowStart is not null && WindowStart == WindowEnd))
            throw new EnvelopeConfigurationException(RotationMessages.ThrottleOutOfRange("Window", "a start and an end that differ"));
    }
}
