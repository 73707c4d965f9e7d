using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace EfEnvelope.Rotation.Engine;

/// <summary>How the tables of jobs hold numbers, times and requests.</summary>
internal static class JobRows
{
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'";
    private static readonly JsonSerializerOptions Json = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = { new JsonStringEnumConverter() } };

    public static string Format(JobRequest request) => JsonSerializer.Serialize(request, Json);

    public static string? FormatTime(DateTimeOffset? time) => time?.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);

    public static JobInfo ToInfo(object?[] r)
        => new()
        {
            Id = ToLong(r[0]),
            Request = Parse((string)r[1]!),
            Scope = (string)r[2]!,
            State = Enum.Parse<JobState>((string)r[3]!, ignoreCase: true),
            Reason = (string?)r[4],
            NotBefore = ParseTime((string?)r[5]),
            Pass = ToInt(r[6]),
            EstimatedRows = ToLong(r[7]),
            Throttle = Throttle.Parse((string)r[8]!),
            CreatedAt = ParseTime((string?)r[9])!.Value,
            StartedAt = ParseTime((string?)r[10]),
            EndedAt = ParseTime((string?)r[11]),
            Ranges = ToInt(r[14]),
            RangesDone = ToInt(r[15]),
            RowsRead = ToLong(r[16]),
            RowsWritten = ToLong(r[17]),
            RowsLost = ToLong(r[18]),
            RowsRefused = ToLong(r[19]),
            PassWork = ToLong(r[20]),
            PassStartedAt = ParseTime((string?)r[13]),
        };

    public static JobRequest Parse(string text) => JsonSerializer.Deserialize<JobRequest>(text, Json)!;

    public static string Name(JobState state) => state.ToString().ToLowerInvariant();

    public static DateTimeOffset Later(DateTimeOffset now, DateTimeOffset? other) => other > now ? other.Value : now;

    public static DateTimeOffset? ParseTime(string? text)
        => text is null ? null : DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);

    public static long ToLong(object? value) => Convert.ToInt64(value, CultureInfo.InvariantCulture);

    public static int ToInt(object? value) => Convert.ToInt32(value, CultureInfo.InvariantCulture);
}

internal sealed record JobRow(
    long Id, JobRequest Request, string Scope, JobState State, int Pass, DateTimeOffset? PassStartedAt, DateTimeOffset? NotBefore, string? Reason, Throttle Throttle, string Kind)
{
    /// <summary>Gets whether what is shown of it is what it does.</summary>
    public bool IsAsShown => string.Equals(Kind, Request.Kind.ToString(), StringComparison.OrdinalIgnoreCase);
}

internal sealed record RangeRow(int Number, object?[]? Lower, object?[]? Upper);

internal sealed record CheckpointRow(long Step, object?[]? Position);

internal sealed record BatchResult(object?[] Position, int Read, int Written, int Lost, int Refused);
