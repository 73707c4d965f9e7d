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
            new FigureColumn("Ratio", "Median of the row / median of the baseline", ColumnCategory.Baseline, "0.00", Baselines.FindRatio),
            .. DefaultColumnProviders.Metrics.GetColumns(summary).Where(c => c.ColumnName == "Allocated"),
            .. Metrics.MetricsOf(summary.BenchmarksCases).Select(
                m => new FigureColumn(m, m, ColumnCategory.Custom, "#,0.##", (_, row) => Metrics.Find(row, m))),
        ];
}

/// <summary>A column of plain figures; a dash where a row has none.</summary>
internal sealed class FigureColumn(
    string name, string legend, ColumnCategory category, string format, Func<Summary, BenchmarkCase, double?> find) : IColumn
{
    public string Id => $"{nameof(FigureColumn)}.{name}";

    public string ColumnName => name;

    public string Legend => legend;

    public ColumnCategory Category => category;

    public bool AlwaysShow => true;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public bool IsAvailable(Summary summary) => summary.BenchmarksCases.Any(row => find(summary, row) is not null);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
        => find(summary, benchmarkCase)?.ToString(format, CultureInfo.InvariantCulture) ?? "-";

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);
}
