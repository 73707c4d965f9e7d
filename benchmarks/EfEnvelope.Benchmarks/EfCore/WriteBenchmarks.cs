using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;

namespace EfEnvelope.Benchmarks.EfCore;

/// <summary>
/// What encryption adds to one SaveChanges of 1,000 rows, three encrypted columns and five plain ones, by a new context: new rows, or rows that are
/// there and get a new value in every column. The table is made anew before each round. Baseline: the same model unencrypted.
/// </summary>
[Question(
    "What does encryption add to inserting or updating 1,000 rows through EF Core?",
    Note = "Ratios are to the same model unencrypted. Each call is one `SaveChanges` of a new context: 1,000 new rows, or 1,000 that are there and "
        + "are written whole, three encrypted texts of 32 characters and five plain columns each. The table is made anew before, outside the time.")]
[Macro(rounds: 25, shortRounds: 6, warmups: 3)]
[MemoryDiagnoser]
public class WriteBenchmarks : PatientBenchmarks
{
    private Patient[] _patients = [];

    public enum What
    {
        Insert,
        Update,
    }

    public static IEnumerable<What> Writes => Runs.IsShort ? [What.Insert] : [What.Insert, What.Update];

    [ParamsSource(nameof(Writes))]
    public What Write { get; set; }

    [IterationSetup]
    public void Reset()
    {
        Clinic.DeletePatients();
        _patients = [.. Enumerable.Range(1, Rows).Select(n => Patient.Make(n))];
        if (Write == What.Insert)
            return;
        using var context = Clinic.Open();
        context.AddRange(_patients);
        context.SaveChanges();
        foreach (var patient in _patients)
        {
            patient.Ssn = Patient.Text("ssn", patient.Number, "b");
            patient.Phone = Patient.Text("phone", patient.Number, "b");
            patient.Note = Patient.Text("note", patient.Number, "b");
        }
    }

    private protected override async Task<int> WorkAsync()
    {
        await using var context = Clinic.Open();
        if (Write == What.Insert)
            context.AddRange(_patients);
        else
            context.UpdateRange(_patients);
        return await context.SaveChangesAsync();
    }

    private protected override string MarkOf(int number) => Write == What.Insert ? "a" : "b";

    private protected override Task FillAsync(ClinicDatabase clinic) => Task.CompletedTask;

    private protected override Task BeginAsync()
    {
        Reset();
        return Task.CompletedTask;
    }
}
