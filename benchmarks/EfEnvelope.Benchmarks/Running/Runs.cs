using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;

namespace EfEnvelope.Benchmarks.Running;

/// <summary>How long this run is, and how far it has come.</summary>
internal static class Runs
{
    private static int? _passes;

    /// <summary>Gets or sets whether everything is to be seen within ten minutes: fewer rows, fewer rounds, fewer sizes.</summary>
    public static bool IsShort { get; set; }

    /// <summary>Gets or sets how often all rows of a class are measured, one pass behind the other.</summary>
    public static int Passes
    {
        get => _passes ?? DefaultPasses;
        set => _passes = value;
    }

    public static int DefaultPasses => IsShort ? 3 : 5;

    /// <summary>Gets or sets which pass over the class it is: the first one is 1.</summary>
    public static int Pass { get; set; } = 1;

    /// <summary>Divides the rounds of a run among its passes; each has one at least.</summary>
    public static int RoundsPerPass(int rounds) => Math.Max(1, (rounds + Passes - 1) / Passes);

    // All rows of one run live in one process: a ratio compares like with like, and a class can hand figures of its own to the report.
    public static Job InProcess(Job job) => job.WithToolchain(InProcessEmitToolchain.Instance);
}

/// <summary>Nanoseconds to microseconds: many calls in each round.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class MicroAttribute : Attribute, IConfigSource
{
    // Rounds are short, and few in each pass: the rows of one group are then measured within seconds of each other, again and again.
    // The first pass has more rounds that are not counted: the code is compiled anew meanwhile, with what it was seen to do.
    // No collection is forced between rounds: it takes as long as a round once a class before this one has left a heap behind.
    public IConfig Config { get; } = ManualConfig.CreateEmpty().AddJob(
        Runs.InProcess(
            Job.Default.WithWarmupCount(Runs.Pass == 1 ? 6 : Runs.IsShort ? 2 : 3).WithIterationCount(Runs.RoundsPerPass(Runs.IsShort ? 15 : 45))
                .WithIterationTime(TimeInterval.FromMilliseconds(Runs.IsShort ? 50 : 100)).WithGcForce(false)));
}

/// <summary>Milliseconds to minutes: one call in each round.</summary>
/// <param name="rounds">How many rounds all passes have together, if it is more than one for each.</param>
/// <param name="shortRounds">The same in a short run.</param>
/// <param name="warmups">How many rounds are not counted: in the first pass, for what it warms is there in the others.</param>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class MacroAttribute(int rounds, int shortRounds, int warmups = 1) : Attribute, IConfigSource
{
    public IConfig Config { get; } = ManualConfig.CreateEmpty().AddJob(
        Runs.InProcess(
            Job.Default.WithStrategy(RunStrategy.Monitoring).WithLaunchCount(1)
                .WithWarmupCount(Runs.Pass == 1 ? warmups : Runs.RoundsPerPass(Runs.IsShort ? shortRounds : rounds) > 1 ? Math.Min(1, warmups) : 0)
                .WithIterationCount(Runs.RoundsPerPass(Runs.IsShort ? shortRounds : rounds)).WithInvocationCount(1).WithUnrollFactor(1)));
}

/// <summary>A row that a short run leaves out.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class FullOnlyAttribute : Attribute;
