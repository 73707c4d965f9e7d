using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.EfCore;

/// <summary>What those have in common that ask the same of the plain model, which is the baseline row, and of the encrypted one under either engine.</summary>
public abstract class PatientBenchmarks
{
    private protected const int Rows = 1_000;

    // The first byte of an envelope under a random nonce.
    private const byte Randomized = 0xF9;

    private protected ClinicDatabase Clinic { get; private set; } = null!;

    public static IEnumerable<Database> Databases => ClinicDatabase.Available;

    [ParamsSource(nameof(Databases))]
    public Database Database { get; set; }

    [GlobalSetup(Target = nameof(Plain))]
    public Task SetupPlain() => SetupAsync(Engine.Plain);

    [GlobalSetup(Target = nameof(Platform))]
    public Task SetupPlatform() => SetupAsync(Engine.Platform);

    [GlobalSetup(Target = nameof(Sodium))]
    public Task SetupSodium() => SetupAsync(Engine.Sodium);

    [Benchmark(Baseline = true)]
    public Task<int> Plain() => WorkAsync();

    [Benchmark]
    public Task<int> Platform() => WorkAsync();

    [Benchmark]
    public Task<int> Sodium() => WorkAsync();

    /// <summary>Does what is measured, as one web request would.</summary>
    /// <returns>How many rows that were.</returns>
    private protected abstract Task<int> WorkAsync();

    /// <summary>Finds the mark that the texts of a patient have after the work was done once.</summary>
    private protected abstract string MarkOf(int number);

    /// <summary>Makes the rows that the work needs, for all passes.</summary>
    private protected virtual Task FillAsync(ClinicDatabase clinic) => clinic.FillAsync(Rows, n => Patient.Make(n));

    /// <summary>Sees to what a pass needs, whatever the one before has left.</summary>
    private protected virtual Task BeginAsync() => Task.CompletedTask;

    private async Task SetupAsync(Engine engine)
    {
        Clinic = await ClinicDatabase.GetAsync(Database, engine, FillAsync);
        await BeginAsync();
        await WorkAsync();
        await using var context = Clinic.Open();
        var patients = await context.Patients.AsNoTracking().OrderBy(p => p.Id).ToListAsync();
        if (patients.Count != Rows || patients.Exists(p => p.Ssn != Patient.Text("ssn", p.Number, MarkOf(p.Number))))
            throw new InvalidOperationException("The patients are not those that were saved.");
        await Clinic.ProveAsync("Patients", "Ssn", patients[0].Id, patients[0].Ssn, Randomized);
    }
}
