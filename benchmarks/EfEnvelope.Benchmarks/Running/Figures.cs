using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>What one pass found out about one row.</summary>
/// <param name="Nanoseconds">The median of its rounds.</param>
/// <param name="AllocatedBytes">What one call allocates, where that is measured.</param>
/// <param name="Metrics">What the class recorded.</param>
internal sealed record Figures(double Nanoseconds, double? AllocatedBytes, IReadOnlyDictionary<string, double> Metrics)
{
    /// <summary>Reads them; <see langword="null" /> when the row did not run.</summary>
    public static Figures? Find(Summary summary, BenchmarkCase row)
        => summary[row] is { Success: true, ResultStatistics.Median: var median }
            ? new Figures(median, FindAllocated(summary, row), Running.Metrics.Of(row))
            : null;

    /// <summary>Finds the middle one, or the mean of the two in the middle.</summary>
    public static double? MedianOf(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? null : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    public double? FindMetric(string metric) => Metrics.TryGetValue(metric, out var value) ? value : null;

    // BenchmarkDotNet divides what the process allocated by the calls, so what other threads do adds a byte or two. Objects are multiples of 8 bytes:
    // what is less is not of the call.
    private static double? FindAllocated(Summary summary, BenchmarkCase row)
        => summary[row]?.Metrics.Values.FirstOrDefault(m => m.Descriptor.DisplayName == "Allocated") is { } metric ? Math.Floor(metric.Value / 8) * 8 : null;
}
