using EfEnvelope.Rotation;

namespace EfEnvelope.Functional.History;

/// <summary>How much happens in one run.</summary>
public sealed record HistorySize
{
    public required int Rows { get; init; }

    public required int Writers { get; init; }

    public required int Readers { get; init; }

    public required int Workers { get; init; }

    /// <summary>Gets how many operations a writer or a reader has under way at once.</summary>
    public int Sessions { get; init; } = 1;

    /// <summary>Gets how long each rests after an operation, on average, in milliseconds.</summary>
    public required int Pause { get; init; }

    public required int BatchSize { get; init; }

    public required int RangeSize { get; init; }

    /// <summary>Gets the brake of the job: without one a small table is converted before anything can go wrong.</summary>
    public Throttle Throttle { get; init; } = new();

    /// <summary>Gets how long it is between two faults, on average, in milliseconds.</summary>
    public required int FaultPause { get; init; }

    /// <summary>Gets how many rounds of faults there are, at most, while the job runs.</summary>
    public required int Faults { get; init; }

    /// <summary>Gets whether writers do nothing but change rows, many of them between reading a batch and writing it.</summary>
    public bool Hammers { get; init; }

    /// <summary>Gets a run that ends within seconds.</summary>
    public static HistorySize Small { get; } = new()
    {
        Rows = 300, Writers = 3, Readers = 2, Workers = 2, Pause = 40, BatchSize = 10, RangeSize = 60,
        Throttle = new Throttle { RowsPerSecond = 60 }, FaultPause = 250, Faults = 1,
    };

    /// <summary>Gets a run for one writer at a time.</summary>
    public static HistorySize SmallFile { get; } = Small with { Rows = 200, Writers = 2 };

    /// <summary>Gets a run in which an engine that writes without looking cannot but overwrite something.</summary>
    public static HistorySize Hammered { get; } = Small with
    {
        Rows = 60, Pause = 2, BatchSize = 60, RangeSize = 60, Throttle = new Throttle(), Faults = 0, Hammers = true,
    };

    /// <summary>Gets the run that is asked for of a real table.</summary>
    public static HistorySize Large { get; } = new()
    {
        Rows = 20_000, Writers = 4, Readers = 4, Workers = 2, Sessions = 2, Pause = 20, BatchSize = 100, RangeSize = 1_000,
        Throttle = new Throttle { RowsPerSecond = 500 }, FaultPause = 1_000, Faults = 4,
    };
}
