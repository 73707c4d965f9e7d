using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>The columns of every table: method, parameters, median, 95th percentile, ratio of medians, allocation, and what a class records itself.</summary>
internal sealed class ReportColumns : IColumnProvider
{
    public IEnumerable<IColumn> GetColumns(Summary summary)
        =>
        [
            TargetMethodColumn.Method,
            .. DefaultColumnProviders.Params.GetColumns(summary),
            StatisticColumn.Median,
            StatisticColumn.P95,
            new FigureColumn("Ratio", ColumnCategory.Baseline, Baselines.FindRatio, value => Text(value, "0.00")),
            new FigureColumn("Allocated", ColumnCategory.Metric, MeasuredRow.FindAllocated, BytesText),
            .. Metrics.MetricsOf(summary.BenchmarksCases).Select(
                m => new FigureColumn(m, ColumnCategory.Custom, (_, row) => Metrics.Find(row, m), value => Text(value, "#,0.##"))),
        ];

    private static string BytesText(double bytes)
        => bytes switch
        {
            0 => "-",
            < 10_000 => Text(bytes, "#,0 B"),
            < 10_000_000 => Text(bytes / 1_000, "#,0.0 kB"),
            _ => Text(bytes / 1_000_000, "#,0.0 MB"),
        };

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}

/// <summary>A column of plain figures; a dash where a row has none.</summary>
internal sealed class FigureColumn(
    string name, ColumnCategory category, Func<Summary, BenchmarkCase, double?> find, Func<double, string> format) : IColumn
{
    public string Id => $"{nameof(FigureColumn)}.{name}";

    public string ColumnName => name;

    public string Legend => name;

    public ColumnCategory Category => category;

    public bool AlwaysShow => true;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public bool IsAvailable(Summary summary) => summary.BenchmarksCases.Any(row => find(summary, row) is not null);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
        => find(summary, benchmarkCase) is { } value ? format(value) : "-";

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);
}
