namespace EfEnvelope.Kms.Local.Storage;

internal static class Clock
{
    /// <summary>Returns the time in whole milliseconds, which every store keeps exactly.</summary>
    public static DateTimeOffset Now(this TimeProvider time) => DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
}
