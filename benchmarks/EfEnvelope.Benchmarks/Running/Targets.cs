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

        .. Engines("Read 1,000 rows untracked", "ReadBenchmarks", "Read=Untracked", (3.0, 2.2), (1.6, 1.25)),
        .. Engines("Read 1,000 rows tracked", "ReadBenchmarks", "Read=Tracked", (2.5, 1.8), (1.6, 1.15)),
        .. Engines("Read and update 100 rows, 2 fields", "UpdateFewBenchmarks", null, (1.3, 1.15), (1.15, 1.05)),
        Target.Time("Lookup by blind index, 100,000 rows", "LookupBenchmarks.BlindIndex", "Plain", 1.3, 1.1),
        Target.Time("Lookup by deterministic value, 100,000 rows", "LookupBenchmarks.DeterministicValue", "Plain", 1.3, 1.1),

        Target.Speed("Re-encrypt on PostgreSQL, 1 worker, platform, against constants", "PostgresReencryptionBenchmarks.PlatformOneWorker", "ConstantsBySameStatement", 0.45, 0.60),
        Target.Speed("Re-encrypt on PostgreSQL, 1 worker, Sodium, against constants", "PostgresReencryptionBenchmarks.SodiumOneWorker", "ConstantsBySameStatement", 0.65, 0.85),
        Target.Speed("Re-encrypt on PostgreSQL, platform, against pgcrypto in place", "PostgresReencryptionBenchmarks.PlatformOneWorker", "PgcryptoUnauthenticated", 2, 3),
        Target.Speed("Re-encrypt on PostgreSQL, platform, against EF Core in chunks", "PostgresReencryptionBenchmarks.PlatformOneWorker", "EfCoreChunksPlatform", 3, 4),
        Target.Speed("Re-encrypt on PostgreSQL, Sodium, against pgcrypto in place", "PostgresReencryptionBenchmarks.SodiumOneWorker", "PgcryptoUnauthenticated", 2, 3),
        Target.Speed("Re-encrypt on PostgreSQL, Sodium, against EF Core in chunks", "PostgresReencryptionBenchmarks.SodiumOneWorker", "EfCoreChunksSodium", 3, 4),
        Target.Speed("Re-encrypt on SQLite, platform, against EF Core in chunks", "SqliteReencryptionBenchmarks.Platform", "EfCoreChunksPlatform", 4, 6),
        Target.Speed("Re-encrypt on SQLite, Sodium, against EF Core in chunks", "SqliteReencryptionBenchmarks.Sodium", "EfCoreChunksSodium", 5, 8),
        Target.MetricRatio("p99 of transactions beside a job at 5,000 rows/s", "LatencyBenchmarks.JobAt5000RowsPerSecond", "Alone", "p99 ms", 2.5, 1.3),

        Target.Metric("KMS calls per refresh of a ring, over a million values", "KmsCallsBenchmarks.Refreshed", "KMS calls per refresh", "", 1, 1),
        Target.Metric("Unwraps by the embedded KMS on SQLite, 8 callers", "UnwrapBenchmarks.Sqlite(Callers=8)", "ms each", "ms", 1, 0.5),
        Target.Metric("Unwraps by the embedded KMS on PostgreSQL, 8 callers", "UnwrapBenchmarks.PostgreSql(Callers=8)", "ms each", "ms", 1, 0.5),
        Target.Metric("KMS calls at the cold start of 100,000 scopes", "ColdStartBenchmarks.Rings(Scopes=100000)", "KMS calls", "", 1, 1),
        Target.Seconds("Cold start of 100,000 scopes", "ColdStartBenchmarks.Rings(Scopes=100000)", null, 5),
    ];

    private static Target[] Engines(string work, string type, string? parameters, (double Must, double Aim) platform, (double Must, double Aim) sodium)
        =>
        [
            Target.Time($"{work}, platform", Row(type, "Platform", parameters), "Plain", platform.Must, platform.Aim),
            Target.Time($"{work}, Sodium", Row(type, "Sodium", parameters), "Plain", sodium.Must, sodium.Aim),
        ];

    private static string Row(string type, string method, string? parameters) => parameters is null ? $"{type}.{method}" : $"{type}.{method}({parameters})";
}
