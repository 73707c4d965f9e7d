using BenchmarkDotNet.Running;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>What all passes found out about one row.</summary>
/// <param name="Class">The name of its class.</param>
/// <param name="Method">The name of its method.</param>
/// <param name="Title">What the report calls it.</param>
/// <param name="IsBaseline">Whether the others are compared with it.</param>
/// <param name="Parameters">Its parameters, as text.</param>
/// <param name="Passes">What each pass found out; <see langword="null" /> where the row did not run.</param>
internal sealed record MeasuredRow(
    string Class, string Method, string Title, bool IsBaseline, IReadOnlyDictionary<string, string> Parameters, IReadOnlyList<Figures?> Passes)
{
    /// <summary>Gets the median over the passes of the median time.</summary>
    public double? Nanoseconds => Find(p => p.Nanoseconds);

    /// <summary>Gets the median over the passes of what one call allocates, where that is measured.</summary>
    public double? AllocatedBytes => Find(p => p.AllocatedBytes);

    public static MeasuredRow Of(BenchmarkCase row, IReadOnlyList<Figures?> passes)
        => new(
            row.Descriptor.Type.Name,
            row.Descriptor.WorkloadMethod.Name,
            row.Descriptor.WorkloadMethodDisplayInfo.Trim('\''),
            row.Descriptor.Baseline,
            row.Parameters.Items.ToDictionary(p => p.Name, p => p.Value?.ToString() ?? ""),
            passes);

    /// <summary>Finds the median over the passes of a figure that the class recorded.</summary>
    public double? FindMetric(string metric) => Find(p => p.FindMetric(metric));

    /// <summary>Divides the median time of each pass by that of another row in the same pass.</summary>
    public IReadOnlyList<double> RatiosTo(MeasuredRow other) => RatiosTo(other, p => p.Nanoseconds);

    /// <summary>Finds the median over the passes of the ratios of the median times.</summary>
    public double? RatioTo(MeasuredRow? other) => RatioTo(other, p => p.Nanoseconds);

    /// <summary>Finds the median over the passes of the ratios of a figure.</summary>
    public double? RatioTo(MeasuredRow? other, Func<Figures, double?> figure) => other is null ? null : Figures.MedianOf(RatiosTo(other, figure));

    private double? Find(Func<Figures, double?> figure) => Figures.MedianOf(Passes.OfType<Figures>().Select(figure).OfType<double>());

    private List<double> RatiosTo(MeasuredRow other, Func<Figures, double?> figure)
        => [.. Passes.Zip(other.Passes, (mine, its) => mine is null || its is null ? null : figure(mine) / figure(its)).OfType<double>()];
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
