namespace EfEnvelope.Rotation.Engine;

/// <summary>Holds a worker to the throttle of its job: after each batch it says how long to rest.</summary>
internal sealed class Brake(TimeProvider time, double? usualDuty)
{
    private static readonly TimeSpan FirstBackOff = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(10);

    private const int SmallBatch = 50;

    private string? _text;
    private Throttle _throttle = new();
    private TimeSpan _backOff;
    private long _since;
    private double _rows;

    /// <summary>Gets why the last rest was taken, or <see langword="null" />.</summary>
    public string? Reason { get; private set; }

    public Throttle Throttle => _throttle;

    /// <summary>Takes over a throttle as it is stored now.</summary>
    public void Follow(string text)
    {
        if (text == _text)
            return;
        (_text, _throttle, _rows, _since) = (text, Throttle.Parse(text), 0, time.GetTimestamp());
    }

    /// <summary>Gets how many rows a batch may have, so that a rate is smooth: what a batch holds up, it holds up for a short time, 25 times a second.</summary>
    public int BatchSize(int usual) => _throttle.RowsPerSecond is { } rate ? Math.Clamp(rate / 25, Math.Clamp(rate / 4, 1, Math.Min(SmallBatch, usual)), usual) : usual;

    /// <summary>Gets how long to rest after a batch.</summary>
    /// <param name="rows">How many rows it wrote.</param>
    /// <param name="busy">How long the database took for it.</param>
    public TimeSpan Rest(int rows, TimeSpan busy)
    {
        var (rest, reason) = (TimeSpan.Zero, (string?)null);
        if ((_throttle.DutyCycle ?? usualDuty) is { } duty and < 1)
            (rest, reason) = (busy * ((1 - duty) / duty), RotationMessages.WaitsForDutyCycle(duty));
        if (_throttle.RowsPerSecond is { } rate)
        {
            // The debt is counted from the throttle's beginning, at most a second of it, so that waiting makes no burst afterwards.
            _rows += rows;
            var due = TimeSpan.FromSeconds(_rows / rate) - time.GetElapsedTime(_since);
            if (due < TimeSpan.FromSeconds(-1))
                (_rows, _since) = (0, time.GetTimestamp());
            if (due > rest)
                (rest, reason) = (due, RotationMessages.WaitsForRate(rate));
        }

        if (_throttle.MaxLatency is { } limit)
        {
            _backOff = busy > limit ? Max(FirstBackOff, Min(_backOff * 2, LongestBackOff)) : _backOff / 2;
            if (_backOff < TimeSpan.FromMilliseconds(10))
                _backOff = TimeSpan.Zero;
            if (_backOff > rest)
                (rest, reason) = (_backOff, RotationMessages.WaitsForLatency(limit));
        }

        Reason = rest > TimeSpan.FromMilliseconds(20) ? reason : null;
        return rest;
    }

    /// <summary>Gets when the window opens, or <see langword="null" /> while it is open.</summary>
    public static DateTimeOffset? OpensAt(Throttle throttle, DateTimeOffset now)
    {
        if (throttle is not { WindowStart: { } start, WindowEnd: { } end })
            return null;
        var at = TimeOnly.FromTimeSpan(now.UtcDateTime.TimeOfDay);
        if (start < end ? at >= start && at < end : at >= start || at < end)
            return null;
        var today = new DateTimeOffset(now.UtcDateTime.Date, TimeSpan.Zero) + start.ToTimeSpan();
        return today > now ? today : today.AddDays(1);
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
