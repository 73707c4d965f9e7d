using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>What a run found out about one row.</summary>
/// <param name="Class">The name of its class.</param>
/// <param name="Method">The name of its method.</param>
/// <param name="Parameters">Its parameters, as text.</param>
/// <param name="Nanoseconds">The median.</param>
/// <param name="AllocatedBytes">What one call allocates, where that is measured.</param>
/// <param name="FindMetric">Finds a figure that the class recorded.</param>
internal sealed record MeasuredRow(
    string Class,
    string Method,
    IReadOnlyDictionary<string, string> Parameters,
    double Nanoseconds,
    double? AllocatedBytes,
    Func<string, double?> FindMetric)
{
    /// <summary>Reads all rows that ran.</summary>
    public static IEnumerable<MeasuredRow> ReadAll(IEnumerable<Summary> summaries)
        => from summary in summaries
           from row in summary.BenchmarksCases
           let median = Baselines.FindMedian(summary, row)
           where median is not null && summary[row]!.Success
           select new MeasuredRow(
               row.Descriptor.Type.Name,
               row.Descriptor.WorkloadMethod.Name,
               row.Parameters.Items.ToDictionary(p => p.Name, p => p.Value?.ToString() ?? ""),
               median.Value,
               FindAllocated(summary, row),
               metric => Metrics.Find(row, metric));

    /// <summary>Finds what one call allocates, in bytes.</summary>
    /// <remarks>
    /// BenchmarkDotNet divides what the process allocated by the calls, so what other threads do adds a byte or two. Objects are multiples of 8 bytes:
    /// what is less is not of the call.
    /// </remarks>
    public static double? FindAllocated(Summary summary, BenchmarkCase row)
        => summary[row]?.Metrics.Values.FirstOrDefault(m => m.Descriptor.DisplayName == "Allocated") is { } metric ? Math.Floor(metric.Value / 8) * 8 : null;
}

/// <summary>Names rows, such as <c>SealBenchmarks.Platform(Bytes=32)</c>: parameters that are not named may be anything.</summary>
internal sealed record RowSelector(string Class, string Method, IReadOnlyDictionary<string, string> Parameters)
{
    /// <summary>Reads a selector.</summary>
    /// <param name="text"><c>Class.Method</c> or <c>Class.Method(Name=Value, Name=Value)</c>; the class may be left out.</param>
    /// <param name="defaultClass">The class when it is left out.</param>
    public static RowSelector Parse(string text, string defaultClass = "")
    {
        var open = text.IndexOf('(', StringComparison.Ordinal);
        var name = (open < 0 ? text : text[..open]).Split('.');
        var pairs = open < 0 ? [] : text[(open + 1)..].TrimEnd(')').Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return new RowSelector(
            name.Length > 1 ? name[0] : defaultClass,
            name[^1],
            pairs.Select(p => p.Split('=', 2)).ToDictionary(p => p[0], p => p[1], StringComparer.Ordinal));
    }

    public bool Matches(MeasuredRow row)
        => row.Class == Class
            && row.Method == Method
            && Parameters.All(p => row.Parameters.TryGetValue(p.Key, out var value) && value == p.Value);
}
