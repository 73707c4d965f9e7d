using System.Globalization;
using BenchmarkDotNet.Analysers;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Loggers;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>What all benchmarks of a run share.</summary>
internal static class RunConfig
{
    /// <summary>Makes the configuration.</summary>
    /// <param name="folder">Where BenchmarkDotNet may leave what it needs for itself; the caller deletes it.</param>
    public static IConfig Create(string folder)
        => ManualConfig.CreateEmpty()
            // What one pass found out, on the console alone. The report is made of all of them.
            .AddColumnProvider(DefaultColumnProviders.Descriptor, DefaultColumnProviders.Params)
            .AddColumn(StatisticColumn.Median)
            .AddFilter(new SimpleFilter(row => !Runs.IsShort || !row.Descriptor.WorkloadMethod.IsDefined(typeof(FullOnlyAttribute), inherit: false)))
            .AddLogger(ConsoleLogger.Default)
            .AddValidator([.. DefaultConfig.Instance.GetValidators()])
            .AddAnalyser(EnvironmentAnalyser.Default, RuntimeErrorAnalyser.Default, ZeroMeasurementAnalyser.Default)
            .WithCultureInfo(CultureInfo.InvariantCulture)
            .WithArtifactsPath(folder);
}
