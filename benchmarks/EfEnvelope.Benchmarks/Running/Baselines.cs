using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>What ratios are made of.</summary>
internal static class Baselines
{
    /// <summary>Gets the median of a row, in nanoseconds, or <see langword="null" /> when it did not run.</summary>
    public static double? FindMedian(Summary summary, BenchmarkCase row) => summary[row]?.ResultStatistics?.Median;

    /// <summary>Divides the median of a row by that of the baseline with the same parameters.</summary>
    public static double? FindRatio(Summary summary, BenchmarkCase row)
        => summary.GetBaseline(summary.GetLogicalGroupKey(row)) is { } baseline && FindMedian(summary, baseline) is { } floor and > 0
            ? FindMedian(summary, row) / floor
            : null;
}
