using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.EfCore;

/// <summary>
/// What encryption adds to what applications do all day: read 100 of 1,000 rows, set two encrypted properties of each, save, all by a new context.
/// Baseline: the same model unencrypted.
/// </summary>
[Question(
    "What does encryption add to reading 100 rows and updating two fields of each?",
    Note = "Ratios are to the same model unencrypted. Each call reads 100 of 1,000 rows, tracked, by a new context, gives two of their three "
        + "encrypted texts of 32 characters a new value, and saves; the query by which a transaction proves its key version is included.")]
[Micro]
[MemoryDiagnoser]
public class UpdateFewBenchmarks : PatientBenchmarks
{
    private const int Few = 100;

    private bool _isOdd;

    private protected override async Task<int> WorkAsync()
    {
        _isOdd = !_isOdd;
        var mark = _isOdd ? "b" : "a";
        await using var context = Clinic.Open();
        foreach (var patient in await context.Patients.Where(p => p.Id <= Few).ToListAsync())
        {
            patient.Ssn = Patient.Text("ssn", patient.Number, mark);
            patient.Phone = Patient.Text("phone", patient.Number, mark);
        }

        var saved = await context.SaveChangesAsync();
        return saved == Few ? saved : throw new InvalidOperationException($"{saved} rows were saved.");
    }

    private protected override string MarkOf(int number) => number <= Few && _isOdd ? "b" : "a";

    // Goes on where the pass before has ended: a value that is set to what it is would not be saved.
    private protected override async Task BeginAsync()
    {
        await using var context = Clinic.Open();
        var first = await context.Patients.AsNoTracking().SingleAsync(p => p.Id == 1);
        _isOdd = first.Ssn == Patient.Text("ssn", first.Number, "b");
    }
}
