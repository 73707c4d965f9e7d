using System.Globalization;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>One thing that must be reached.</summary>
/// <param name="Work">What the report calls it.</param>
/// <param name="Row">Which rows it is about; see <see cref="RowSelector" />. Each row that is found is judged.</param>
/// <param name="Baseline">
/// Which row of the same class each is compared with, if any: its parameters are those of the row but for those that the selector names.
/// </param>
/// <param name="Of">Finds the figure of a row, or of a row and its baseline; <see langword="null" /> when there is none.</param>
/// <param name="Unit">What stands behind the figure.</param>
/// <param name="IsAtLeast">Whether more is better.</param>
/// <param name="Must">What must be reached, or <see langword="null" /> for nothing.</param>
/// <param name="Aim">What is aimed at.</param>
internal sealed record Target(
    string Work, string Row, string? Baseline, Func<MeasuredRow, MeasuredRow?, double?> Of, string Unit, bool IsAtLeast, double? Must, double Aim)
{
    /// <summary>The time must be at most so many times that of the baseline, by the ratio that the report shows.</summary>
    public static Target Time(string work, string row, string baseline, double? must, double aim)
        => new(work, row, baseline, (r, b) => r.RatioTo(b), "x", false, must, aim);

    /// <summary>It must be at least so many times as fast as the baseline, by the same ratio.</summary>
    public static Target Speed(string work, string row, string baseline, double? must, double aim)
        => new(work, row, baseline, (r, b) => 1 / r.RatioTo(b), "x as fast", true, must, aim);

    /// <summary>The median time must be at most so many seconds.</summary>
    public static Target Seconds(string work, string row, double? must, double aim)
        => new(work, row, null, (r, _) => r.Nanoseconds / 1e9, "s", false, must, aim);

    /// <summary>One call must allocate at most so many bytes.</summary>
    public static Target Allocated(string work, string row, double? must, double aim)
        => new(work, row, null, (r, _) => r.AllocatedBytes, "B", false, must, aim);

    /// <summary>One call must allocate at most so many bytes more than one of the baseline.</summary>
    public static Target AllocatedOver(string work, string row, string baseline, double? must, double aim)
        => new(work, row, baseline, (r, b) => r.AllocatedBytes - b?.AllocatedBytes, "B more", false, must, aim);

    /// <summary>A figure that the class records must be at most so much.</summary>
    public static Target Metric(string work, string row, string metric, string unit, double? must, double aim)
        => new(work, row, null, (r, _) => r.FindMetric(metric), unit, false, must, aim);

    /// <summary>A figure that the class records must be at most so many times that of the baseline.</summary>
    public static Target MetricRatio(string work, string row, string baseline, string metric, double? must, double aim)
        => new(work, row, baseline, (r, b) => r.RatioTo(b, p => p.FindMetric(metric)), "x", false, must, aim);

    /// <summary>A figure that the class records, such as rows per second, must be at least so many times that of the baseline.</summary>
    public static Target MetricSpeed(string work, string row, string baseline, string metric, double? must, double aim)
        => MetricRatio(work, row, baseline, metric, must, aim) with { IsAtLeast = true, Unit = "x as fast" };

    /// <summary>Judges every row that the selector finds; one line that says so when it finds none.</summary>
    public IReadOnlyList<TargetLine> Judge(IReadOnlyCollection<MeasuredRow> rows)
    {
        var selector = RowSelector.Parse(Row);
        var lines = rows.Where(selector.Matches).Select(row => Judge(row, selector, rows)).OfType<TargetLine>().ToList();
        return lines.Count > 0 ? lines : [NewLine("", "-", "not run")];
    }

    private TargetLine? Judge(MeasuredRow row, RowSelector selector, IReadOnlyCollection<MeasuredRow> rows)
    {
        if (Of(row, FindBaseline(row, selector, rows)) is not { } value || !double.IsFinite(value))
            return null;
        var others = row.Parameters.Where(p => !selector.Parameters.ContainsKey(p.Key)).Select(p => $"{p.Key}={p.Value}").ToList();
        var verdict = Reaches(value, Aim) ? "aim" : Must is not { } must ? "aim missed" : Reaches(value, must) ? "must" : "MISSED";
        return NewLine(others.Count > 0 ? $" ({string.Join(", ", others)})" : "", Format(value), verdict);
    }

    private MeasuredRow? FindBaseline(MeasuredRow row, RowSelector selector, IReadOnlyCollection<MeasuredRow> rows)
    {
        if (Baseline is null)
            return null;
        var baseline = RowSelector.Parse(Baseline, selector.Class);
        var free = row.Parameters.Where(p => !selector.Parameters.ContainsKey(p.Key) && !baseline.Parameters.ContainsKey(p.Key)).ToList();
        var shared = selector.Parameters.Where(p => !baseline.Parameters.ContainsKey(p.Key)).ToList();
        var found = rows
            .Where(other => baseline.Matches(other) && free.Concat(shared).All(p => !other.Parameters.TryGetValue(p.Key, out var value) || value == p.Value))
            .ToList();
        return found.Count <= 1
            ? found.FirstOrDefault()
            : throw new InvalidOperationException($"The baseline '{Baseline}' of '{Work}' names {found.Count} rows; name more of its parameters.");
    }

    private bool Reaches(double value, double bound) => IsAtLeast ? value >= bound : value <= bound;

    private TargetLine NewLine(string parameters, string measured, string verdict)
        => new(Work, Work + parameters, Bound(Must), Bound(Aim), measured, verdict);

    private string Bound(double? bound) => bound is { } value ? $"{(IsAtLeast ? "≥" : "≤")} {Format(value)}" : "-";

    // Three digits behind the point, so that what is just missed does not look reached.
    private string Format(double value) => $"{value.ToString("#,0.###", CultureInfo.InvariantCulture)} {Unit}".TrimEnd();
}

/// <summary>One line of the report.</summary>
/// <param name="Key">What the target is called.</param>
/// <param name="Work">The same, with the parameters of the row.</param>
/// <param name="Must">What must be reached.</param>
/// <param name="Aim">What is aimed at.</param>
/// <param name="Measured">What was measured.</param>
/// <param name="Verdict"><c>aim</c>, <c>must</c>, <c>aim missed</c>, <c>MISSED</c> or <c>not run</c>.</param>
internal sealed record TargetLine(string Key, string Work, string Must, string Aim, string Measured, string Verdict)
{
    public bool WasRun => Verdict != "not run";

    public string Markdown => $"| {Work} | {Must} | {Aim} | {Measured} | {Verdict} |";
}
