using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using BenchmarkDotNet.Running;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>Figures that are no time and no allocation, such as bytes stored, KMS calls or percentiles; shown as columns of their own.</summary>
internal static class Metrics
{
    private static readonly ConcurrentDictionary<(string Row, string Metric), double> Values = new();

    /// <summary>Records a figure of the benchmark method that calls this. The last one of each pass counts; the report has the median of the passes.</summary>
    /// <param name="benchmark">The instance, for its class.</param>
    /// <param name="parameters">Its parameters as BenchmarkDotNet names them, in its order: <c>Name=Value, Name=Value</c>; empty when there are none.</param>
    /// <param name="metric">The heading of the column, with its unit.</param>
    /// <param name="value">The figure.</param>
    /// <param name="method">The method, filled in by the compiler.</param>
    public static void Record(object benchmark, string parameters, string metric, double value, [CallerMemberName] string method = "")
        => Values[(Name(ClassOf(benchmark).Name, method, parameters), metric)] = value;

    /// <summary>Gets what a row recorded in this pass.</summary>
    public static IReadOnlyDictionary<string, double> Of(BenchmarkCase row)
    {
        var name = NameOf(row);
        return Values.Where(v => v.Key.Row == name).ToDictionary(v => v.Key.Metric, v => v.Value);
    }

    /// <summary>Forgets the figures of the pass before.</summary>
    public static void Clear() => Values.Clear();

    public static string NameOf(BenchmarkCase row)
        => Name(row.Descriptor.Type.Name, row.Descriptor.WorkloadMethod.Name, string.Join(", ", row.Parameters.Items.Select(p => $"{p.Name}={p.Value}")));

    // BenchmarkDotNet runs an instance of a class that it derives at run time.
    private static Type ClassOf(object benchmark)
    {
        var type = benchmark.GetType();
        while (type.Assembly.IsDynamic && type.BaseType is { } parent)
            type = parent;
        return type;
    }

    private static string Name(string type, string method, string parameters) => $"{type}.{method}({parameters})";
}
