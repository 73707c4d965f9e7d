using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>Which row the others of a table are compared with, and how.</summary>
internal static class Baselines
{
    /// <summary>Finds the row that a ratio is to: the baseline of its logical group, or else the same row with <see cref="Engine.Plain" />.</summary>
    public static BenchmarkCase? Find(Summary summary, BenchmarkCase row)
        => summary.GetBaseline(summary.GetLogicalGroupKey(row)) ?? summary.BenchmarksCases.FirstOrDefault(other => IsPlainOf(other, row));

    /// <summary>Gets the median of a row, in nanoseconds, or <see langword="null" /> when it did not run.</summary>
    public static double? FindMedian(Summary summary, BenchmarkCase row) => summary[row]?.ResultStatistics?.Median;

    /// <summary>Divides the median of a row by that of its baseline.</summary>
    public static double? FindRatio(Summary summary, BenchmarkCase row)
        => Find(summary, row) is { } baseline && FindMedian(summary, baseline) is { } floor and > 0 ? FindMedian(summary, row) / floor : null;

    private static bool IsPlainOf(BenchmarkCase other, BenchmarkCase row)
        => other.Descriptor.WorkloadMethod == row.Descriptor.WorkloadMethod
            && row.Parameters.Items.Any(p => p.Value is Engine)
            && row.Parameters.Items.All(p => Equals(other.Parameters[p.Name], p.Value is Engine ? Engine.Plain : p.Value));
}
