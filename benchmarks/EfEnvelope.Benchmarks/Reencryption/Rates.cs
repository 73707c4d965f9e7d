using System.Diagnostics;
using System.Runtime.CompilerServices;
using EfEnvelope.Benchmarks.Running;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>Records rows per second beside the time: the median of the rounds of a pass; of several the first one, which warms up, is left out.</summary>
internal sealed class Rates
{
    private readonly List<double> _seconds = [];

    public async Task MeasureAsync(object benchmark, long rows, Func<Task> work, [CallerMemberName] string method = "")
    {
        var started = Stopwatch.GetTimestamp();
        await work();
        _seconds.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
        double[] counted = [.. _seconds.Skip(_seconds.Count > 1 ? 1 : 0).Order()];
        Metrics.Record(benchmark, "", "Rows/s", Math.Round(rows / counted[counted.Length / 2]), method);
    }
}
