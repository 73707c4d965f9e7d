using System.Globalization;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>The table of a class: method, parameters, median, ratio and its range over the passes, allocation, and what the class records itself.</summary>
internal static class Table
{
    private const string None = "-";

    private static readonly (string Name, double Nanoseconds)[] Units = [("s", 1e9), ("ms", 1e6), ("μs", 1e3), ("ns", 1)];

    /// <summary>Writes it, in Markdown.</summary>
    public static IEnumerable<string> Lines(ClassRun run)
    {
        var columns = Columns(run).ToList();
        yield return $"| {string.Join(" | ", columns.Select(c => c.Heading))} |";
        yield return $"|{string.Concat(columns.Select(c => c.IsNumeric ? "---:|" : "---|"))}";
        foreach (var row in run.Rows)
            yield return $"| {string.Join(" | ", columns.Select(c => c.Of(row).Replace("|", "\\|", StringComparison.Ordinal)))} |";
    }

    private static IEnumerable<Column> Columns(ClassRun run)
    {
        var rows = run.Rows;
        yield return new Column("Method", false, row => row.Title);
        foreach (var parameter in rows.SelectMany(row => row.Parameters.Keys).Distinct())
            yield return new Column(parameter, rows.All(row => IsNumber(row.Parameters[parameter])), row => row.Parameters[parameter]);

        // One unit for all, so that one sees what is more.
        var least = rows.Min(row => row.Nanoseconds) ?? 0;
        var unit = Array.Find(Units, u => least >= u.Nanoseconds) is { Name: not null } found ? found : Units[^1];
        yield return new Column("Median", true, row => Format(row.Nanoseconds / unit.Nanoseconds, v => $"{Digits(v)} {unit.Name}"));
        yield return new Column("Ratio", true, row => Format(row.RatioTo(run.FindBaseline(row)), v => Text(v, "0.00")));
        yield return new Column("Range", true, row => Range(row, run.FindBaseline(row)));
        if (rows.Any(row => row.AllocatedBytes is not null))
            yield return new Column("Allocated", true, row => Format(row.AllocatedBytes, Bytes));
        foreach (var metric in rows.SelectMany(row => row.Passes.OfType<Figures>()).SelectMany(p => p.Metrics.Keys).Distinct().Order(StringComparer.Ordinal))
            yield return new Column(metric, true, row => Format(row.FindMetric(metric), v => Text(v, "#,0.##")));
    }

    private static string Range(MeasuredRow row, MeasuredRow? baseline)
        => !row.IsBaseline && baseline is not null && row.RatiosTo(baseline) is { Count: > 0 } ratios
            ? $"{Text(ratios.Min(), "0.00")}..{Text(ratios.Max(), "0.00")}"
            : None;

    private static string Bytes(double bytes)
        => bytes switch
        {
            0 => None,
            < 10_000 => Text(bytes, "#,0 B"),
            < 10_000_000 => Text(bytes / 1_000, "#,0.0 kB"),
            _ => Text(bytes / 1_000_000, "#,0.0 MB"),
        };

    private static string Digits(double value) => Text(value, value < 10 ? "0.000" : value < 100 ? "0.00" : value < 1_000 ? "0.0" : "#,0");

    private static bool IsNumber(string text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _);

    private static string Format(double? value, Func<double, string> format) => value is { } figure ? format(figure) : None;

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private sealed record Column(string Heading, bool IsNumeric, Func<MeasuredRow, string> Of);
}
