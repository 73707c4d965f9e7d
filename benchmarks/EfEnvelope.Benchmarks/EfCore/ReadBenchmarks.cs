using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.EfCore;

/// <summary>
/// What encryption adds to reading 1,000 rows with three encrypted columns and five plain ones by a new context: entities that are not tracked,
/// entities that are, or one encrypted column alone (not in a short run). Baseline: the same model unencrypted.
/// </summary>
[Question(
    "What does encryption add to reading 1,000 rows through EF Core?",
    Note = "Ratios are to the same model unencrypted. Each row has three encrypted texts of 32 characters and five plain columns beside its key, "
        + "and each call reads all rows by a new context: entities that are not tracked, entities that are, or one encrypted column alone, which "
        + "a short run leaves out. Keys are in memory, as in an application that has used them before.")]
[Micro]
[MemoryDiagnoser]
public class ReadBenchmarks : PatientBenchmarks
{
    public enum What
    {
        Untracked,
        Tracked,
        OneColumn,
    }

    public static IEnumerable<What> Reads => Runs.IsShort ? [What.Untracked, What.Tracked] : [What.Untracked, What.Tracked, What.OneColumn];

    [ParamsSource(nameof(Reads))]
    public What Read { get; set; }

    private protected override async Task<int> WorkAsync()
    {
        await using var context = Clinic.Open();
        return Read switch
        {
            What.Untracked => (await context.Patients.AsNoTracking().ToListAsync()).Count,
            What.Tracked => (await context.Patients.ToListAsync()).Count,
            _ => (await context.Patients.Select(p => p.Ssn).ToListAsync()).Count,
        };
    }

    private protected override string MarkOf(int number) => "a";
}
