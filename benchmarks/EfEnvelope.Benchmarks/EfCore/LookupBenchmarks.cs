using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.EfCore;

/// <summary>
/// What encryption adds to finding one of 100,000 rows (5,000 in a short run) by an equal value, random among those that are there, by a new context and
/// untracked: by the blind index of a value that is encrypted under a random nonce, and by a deterministic one. Two encrypted columns of the row that was
/// found are opened, by the platform engine. Baseline: an indexed column of the same model unencrypted.
/// </summary>
[Question(
    "What does encryption add to finding one row by an equal value?",
    Note = "Ratios are to an indexed text of the same model unencrypted. Each call finds one of 100,000 rows (5,000 in a short run) by a new "
        + "context, untracked, by a value of 32 characters that is there: by the blind index of a randomized one, or by a deterministic one. "
        + "Both open the two encrypted columns of the row that is found, with the platform engine.")]
[Micro]
[MemoryDiagnoser]
public class LookupBenchmarks
{
    // The first byte of a deterministic envelope.
    private const byte Deterministic = 0xFA;
    private const byte Randomized = 0xF9;

    private static readonly int Rows = Runs.IsShort ? 5_000 : 100_000;

    private ClinicDatabase _clinic = null!;
    private int[] _numbers = [];
    private int _next;

    public static IEnumerable<Database> Databases => ClinicDatabase.Available;

    [ParamsSource(nameof(Databases))]
    public Database Database { get; set; }

    [GlobalSetup(Target = nameof(Plain))]
    public Task SetupPlain() => SetupAsync(Engine.Plain);

    [GlobalSetup(Targets = [nameof(BlindIndex), nameof(DeterministicValue)])]
    public Task SetupEncrypted() => SetupAsync(Engine.Platform);

    [Benchmark(Baseline = true)]
    public Task<Account> Plain() => ByEmailAsync(Next());

    [Benchmark]
    public Task<Account> BlindIndex() => ByEmailAsync(Next());

    [Benchmark]
    public Task<Account> DeterministicValue() => ByRecordNumberAsync(Next());

    private int Next() => _numbers[_next = (_next + 1) % _numbers.Length];

    private async Task<Account> ByEmailAsync(int number)
    {
        await using var context = _clinic.Open();
        var email = Account.EmailOf(number);
        return await context.Accounts.AsNoTracking().SingleAsync(a => a.Email == email);
    }

    private async Task<Account> ByRecordNumberAsync(int number)
    {
        await using var context = _clinic.Open();
        var recordNumber = Account.RecordNumberOf(number);
        return await context.Accounts.AsNoTracking().SingleAsync(a => a.RecordNumber == recordNumber);
    }

    private async Task SetupAsync(Engine engine)
    {
        _numbers = [.. Enumerable.Range(1, Rows)];
        RandomNumberGenerator.Shuffle<int>(_numbers);
        _clinic = await ClinicDatabase.GetAsync(
            Database,
            engine,
            async clinic =>
            {
                await clinic.FillAsync(Rows, Account.Make);
                await clinic.AnalyzeAsync();
            });
        var (number, other) = (_numbers[0], _numbers[1]);
        var (byEmail, byRecordNumber) = (await ByEmailAsync(number), await ByRecordNumberAsync(other));
        if (byEmail.RecordNumber != Account.RecordNumberOf(number) || byRecordNumber.Email != Account.EmailOf(other))
            throw new InvalidOperationException("The accounts are not those that were saved.");
        await _clinic.ProveAsync("Accounts", "Email", byEmail.Id, byEmail.Email, Randomized);
        await _clinic.ProveAsync("Accounts", "RecordNumber", byEmail.Id, byEmail.RecordNumber, Deterministic);
    }
}
