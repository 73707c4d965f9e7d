namespace EfEnvelope.Benchmarks.Running;

/// <summary>What must be reached: one line each.</summary>
internal static class Targets
{
    public static IReadOnlyList<Target> All { get; } =
    [
        Target.Time("Seal 32 bytes, platform", "SealBenchmarks.Platform(Bytes=32)", "AesGcmReused", 1.15, 1.00),
        Target.Time("Open 32 bytes, platform", "OpenBenchmarks.Platform(Bytes=32)", "AesGcmReused", 1.15, 1.00),
        Target.Time("Seal 32 bytes, Sodium", "SealBenchmarks.Sodium(Bytes=32)", "AesGcmReused", 0.35, 0.20),
        Target.Time("Open 32 bytes, Sodium", "OpenBenchmarks.Sodium(Bytes=32)", "AesGcmReused", 0.35, 0.20),
        Target.Time("Seal 32 bytes, deterministic", "DeterministicSealBenchmarks.Deterministic(Bytes=32)", "AesGcmReused", 0.60, 0.40),
        Target.Allocated("Allocation per value, 32 characters out", "MarkerBenchmarks.Seal", 96, 96),
        Target.Allocated("Allocation per value, 32 characters back", "MarkerBenchmarks.Open", 88, 88),
        Target.AllocatedOver("Allocation of the EF marker, out", "MarkerBenchmarks.MarkAndSeal", "Seal", 48, 0),
        Target.AllocatedOver("Allocation of the EF marker, back", "MarkerBenchmarks.WrapAndOpen", "Open", 48, 0),
    ];
}
