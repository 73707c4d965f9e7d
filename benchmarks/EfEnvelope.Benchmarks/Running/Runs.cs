using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>How long this run is.</summary>
internal static class Runs
{
    /// <summary>Gets or sets whether everything is to be seen within ten minutes: fewer rows, fewer rounds, fewer sizes.</summary>
    public static bool IsShort { get; set; }

    // All rows of one run live in one process: a ratio compares like with like, and a class can hand figures of its own to the report.
    public static Job InProcess(Job job) => job.WithToolchain(InProcessEmitToolchain.Instance);
}

/// <summary>Nanoseconds to microseconds: many calls in each round.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class MicroAttribute : Attribute, IConfigSource
{
    // Rounds are short and many, rather than as many as BenchmarkDotNet would like: the rows of one group are then measured within seconds of each other.
    // No collection is forced between rounds: it takes as long as a round once a class before this one has left a heap behind.
    public IConfig Config { get; } = ManualConfig.CreateEmpty().AddJob(
        Runs.InProcess(
            Job.Default.WithWarmupCount(Runs.IsShort ? 3 : 6).WithIterationCount(Runs.IsShort ? 7 : 31)
                .WithIterationTime(TimeInterval.FromMilliseconds(Runs.IsShort ? 50 : 100)).WithGcForce(false)));
}

/// <summary>Milliseconds to minutes: one call in each round.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class MacroAttribute(int rounds, int shortRounds, int warmups = 1) : Attribute, IConfigSource
{
    public IConfig Config { get; } = ManualConfig.CreateEmpty().AddJob(
        Runs.InProcess(
            Job.Default.WithStrategy(RunStrategy.Monitoring).WithLaunchCount(1).WithWarmupCount(warmups)
                .WithIterationCount(Runs.IsShort ? shortRounds : rounds).WithInvocationCount(1).WithUnrollFactor(1)));
}
