namespace EfEnvelope.Keys;

/// <summary>
/// A point in time by two clocks. The monotonic one does not jump, but may stand still while a machine is suspended; the wall clock goes on
/// then, but may jump. Whichever says more time has passed is believed: a ring too fresh costs a read, one too old may cost rows.
/// </summary>
internal readonly record struct Moment(long Timestamp, DateTimeOffset UtcTime)
{
    public static Moment Now(TimeProvider time) => new(time.GetTimestamp(), time.GetUtcNow());

    public TimeSpan Elapsed(TimeProvider time)
    {
        var monotonic = time.GetElapsedTime(Timestamp);
        var wall = time.GetUtcNow() - UtcTime;
        return wall > monotonic ? wall : monotonic;
    }
}
