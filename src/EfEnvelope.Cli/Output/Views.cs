using System.Globalization;
using EfEnvelope.Rotation;

namespace EfEnvelope.Cli.Output;

/// <summary>How plans, jobs and key versions look as text.</summary>
internal static class Views
{
    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    public static string Time(DateTimeOffset? time) => time is { } at ? at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) : "-";

    public static string TableName(JobRequest request)
        => request.Table.Length == 0 ? "-" : request.Schema.Length == 0 ? request.Table : $"{request.Schema}.{request.Table}";

    public static string KindName(JobKind kind) => kind.ToString().ToLowerInvariant();

    public static string StateName(Enum state) => state.ToString().ToLowerInvariant();

    /// <summary>A state of two words, such as <c>former version</c>.</summary>
    public static string Words(Enum state)
        => string.Concat(state.ToString().Select((c, i) => char.IsAsciiLetterUpper(c) ? $"{(i == 0 ? "" : " ")}{char.ToLowerInvariant(c)}" : $"{c}"));

    public static void Show(this ToolConsole console, JobPlan plan)
        => console.Facts(
        [
            ("job", KindName(plan.Request.Kind)),
            ("table", TableName(plan.Request)),
            ("scope", plan.Scope),
            ("rows", Count(plan.Rows)),
            .. plan.Columns.Select(c => ("column", c)),
            .. plan.SchemaChanges.Select(c => ("schema change", c)),
            .. plan.Warnings.Select(w => ("warning", w)),
            .. Throttle(plan.Request.Throttle),
            ("begins", plan.NotBefore is { } at ? CliMessages.NotBefore(Time(at)) : CliMessages.AtOnce()),
        ]);

    public static void Show(this ToolConsole console, JobInfo job)
        => console.Facts(
        [
            ("job", job.Id.ToString(CultureInfo.InvariantCulture)),
            ("kind", KindName(job.Request.Kind)),
            ("table", TableName(job.Request)),
            .. job.Request.Columns.Select(c => ("column", c)),
            ("scope", job.Scope),
            ("state", StateName(job.State)),
            .. Optional("reason", job.Reason),
            .. Optional("not before", job.NotBefore is { } at ? Time(at) : null),
            ("pass", job.Pass.ToString(CultureInfo.InvariantCulture)),
            ("ranges done", $"{Count(job.RangesDone)} of {Count(job.Ranges)}"),
            ("rows in table", Count(job.EstimatedRows)),
            ("rows read", Count(job.RowsRead)),
            ("rows written", Count(job.RowsWritten)),
            ("rows lost to writers", Count(job.RowsLost)),
            ("rows refused", Count(job.RowsRefused)),
            .. Throttle(job.Throttle),
            ("created", Time(job.CreatedAt)),
            ("started", Time(job.StartedAt)),
            ("ended", Time(job.EndedAt)),
        ]);

    public static void Show(this ToolConsole console, IEnumerable<JobInfo> jobs)
        => console.Table(
            ["job", "kind", "table", "scope", "state", "pass", "ranges", "read", "written", "lost", "refused", "created", "reason"],
            jobs.Select(j => (IReadOnlyList<string>)
            [
                j.Id.ToString(CultureInfo.InvariantCulture), KindName(j.Request.Kind), TableName(j.Request), j.Scope, StateName(j.State),
                j.Pass.ToString(CultureInfo.InvariantCulture), $"{j.RangesDone}/{j.Ranges}", Count(j.RowsRead), Count(j.RowsWritten), Count(j.RowsLost),
                Count(j.RowsRefused), Time(j.CreatedAt), j.Reason ?? "",
            ]));

    public static void Show(this ToolConsole console, IEnumerable<KeyVersionInfo> versions)
        => console.Table(
            ["version", "status", "primary", "searched", "encrypts from", "encrypts until", "retired", "reserved", "keks"],
            versions.Select(v => (IReadOnlyList<string>)
            [
                v.Version.ToString(), StateName(v.Status), YesNo(v.IsPrimary), YesNo(v.IsSearched), Time(v.EncryptsFrom), Time(v.EncryptsUntil), Time(v.RetiredAt),
                Count(v.Reserved), string.Join(", ", v.Keks),
            ]));

    public static void Show(this ToolConsole console, IReadOnlyList<ScanFinding> findings)
        => console.Table(["table", "key", "column", "reason"], findings.Select(f => (IReadOnlyList<string>)[f.Table, f.Key, f.Column, f.Reason]));

    public static string YesNo(bool value) => value ? "yes" : "no";

    private static IEnumerable<(string Name, string Value)> Throttle(Throttle throttle)
        =>
        [
            .. Optional("rows per second", throttle.RowsPerSecond is { } rows ? Count(rows) : null),
            .. Optional("duty cycle", throttle.DutyCycle?.ToString("0.##", CultureInfo.InvariantCulture)),
            .. Optional("max latency", throttle.MaxLatency is { } latency ? Durations.Say(latency) : null),
            .. Optional("window", throttle is { WindowStart: { } start, WindowEnd: { } end } ? FormattableString.Invariant($"{start:HH:mm}-{end:HH:mm} UTC") : null),
        ];

    private static IEnumerable<(string Name, string Value)> Optional(string name, string? value) => value is null ? [] : [(name, value)];
}
