using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace EfEnvelope.Rotation.Engine;

/// <summary>How the tables of jobs hold numbers, times and requests.</summary>
internal static class JobRows
{
    /// <summary>The highest number that a job gets: so many are never made, and the next one has room above it.</summary>
    public const long MaxId = 1L << 53;

    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'";
    private static readonly JsonSerializerOptions Json = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = { new JsonStringEnumConverter() } };

    public static string Format(JobRequest request) => JsonSerializer.Serialize(request, Json);

    public static string? FormatTime(DateTimeOffset? time) => time?.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);

    public static JobInfo ToInfo(object?[] r)
        => new()
        {
            Id = StoredRows.Long("Id", r[0], 1, MaxId),
            Request = StoredRows.Value("Request", r[1], v => Parse((string)v)),
            Scope = ParseScope(r[2]),
            State = ParseState(r[3]),
            Reason = StoredRows.ValueOrNull("Reason", r[4], v => (string)v),
            NotBefore = StoredRows.TimeOrNull("NotBefore", r[5]),
            Pass = StoredRows.Int("Pass", r[6]),
            EstimatedRows = StoredRows.Long("EstimatedRows", r[7]),
            Throttle = StoredRows.Value("Throttle", r[8], v => ParseThrottle((string)v)),
            CreatedAt = StoredRows.Time("CreatedAt", r[9]),
            StartedAt = StoredRows.TimeOrNull("StartedAt", r[10]),
            EndedAt = StoredRows.TimeOrNull("EndedAt", r[11]),
            PassStartedAt = StoredRows.TimeOrNull("PassStartedAt", r[12]),
            Ranges = StoredRows.Int("Ranges", r[13]),
            RangesDone = StoredRows.Int("RangesDone", r[14]),
            RowsRead = StoredRows.Long("RowsRead", r[15]),
            RowsWritten = StoredRows.Long("RowsWritten", r[16]),
            RowsLost = StoredRows.Long("RowsLost", r[17]),
            RowsRefused = StoredRows.Long("RowsRefused", r[18]),
            PassWork = StoredRows.Long("PassWork", r[19]),
        };

    public static JobRow ToRow(object?[] r)
        => new(
            StoredRows.Long("Id", r[0], 1, MaxId), StoredRows.Value("Request", r[1], v => Parse((string)v)), ParseScope(r[2]), ParseState(r[3]), StoredRows.Int("Pass", r[4]),
            StoredRows.TimeOrNull("PassStartedAt", r[5]), StoredRows.TimeOrNull("NotBefore", r[6]), StoredRows.ValueOrNull("Reason", r[7], v => (string)v),
            StoredRows.Value("Throttle", r[8], v => ParseThrottle((string)v)), StoredRows.Text("Kind", r[9]));

    public static RangeRow ToRange(object?[] r)
        => new(
            StoredRows.Int("Number", r[0]), StoredRows.ValueOrNull("LowerKey", r[1], v => RowKey.Parse((string)v)!), StoredRows.ValueOrNull("UpperKey", r[2], v => RowKey.Parse((string)v)!));

    public static CheckpointRow ToCheckpoint(object?[] r)
        => new(StoredRows.Long("Step", r[0]), StoredRows.ValueOrNull("Position", r[1], v => RowKey.Parse((string)v)!));

    public static JobState ParseState(object? value)
        => StoredRows.Value("State", value, v => Enum.GetValues<JobState>().First(s => Name(s) == (string)v));

    // Its values are judged where it is used; what is missing would be missed everywhere.
    public static Throttle ParseThrottle(string text)
    {
        var throttle = Throttle.Parse(text) ?? throw new FormatException();
        throttle.Validate();
        return throttle;
    }

    private static string ParseScope(object? value)
        => StoredRows.Value("Scope", value, v => Keys.KeyScope.IsWellFormed((string)v) ? (string)v : throw new FormatException());

    public static JobRequest Parse(string text)
        => JsonSerializer.Deserialize<JobRequest>(text, Json) is { Schema: not null, Table: not null, Columns: not null, Throttle: not null } request
            && request.Columns.All(c => c is not null) && Enum.IsDefined(request.Kind) && (request.Mode is not { } mode || Enum.IsDefined(mode))
                ? request
                : throw new FormatException();

    public static string Name(JobState state) => state.ToString().ToLowerInvariant();

    public static DateTimeOffset Later(DateTimeOffset now, DateTimeOffset? other) => other > now ? other.Value : now;

    // A little is added to most times, which the ends of the calendar have no room for.
    public static DateTimeOffset? ParseTime(string? text)
        => text is null ? null
            : DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal) is { Year: > 1 and < 9990 } time ? time
            : throw new FormatException();

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

/// <summary>What a transaction adds to a checkpoint; without a position, that stays where it is.</summary>
internal sealed record BatchResult(object?[]? Position, int Read, int Written, int Lost, int Refused);
