using System.Globalization;
using BenchmarkDotNet.Analysers;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Loggers;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>What all benchmarks of a run share.</summary>
internal static class RunConfig
{
    /// <summary>Makes the configuration.</summary>
    /// <param name="folder">Where BenchmarkDotNet may leave what it needs for itself; the caller deletes it.</param>
    public static IConfig Create(string folder)
        => ManualConfig.CreateEmpty()
            .AddColumnProvider(new ReportColumns())
            .AddLogger(ConsoleLogger.Default)
            .AddValidator([.. DefaultConfig.Instance.GetValidators()])
            .AddAnalyser(EnvironmentAnalyser.Default, RuntimeErrorAnalyser.Default, ZeroMeasurementAnalyser.Default)
            .WithCultureInfo(CultureInfo.InvariantCulture)
            .WithArtifactsPath(folder);
}
