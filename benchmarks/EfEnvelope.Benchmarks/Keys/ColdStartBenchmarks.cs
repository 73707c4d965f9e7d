using BenchmarkDotNet.Attributes;
using EfEnvelope.Benchmarks.Running;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.EntityFrameworkCore.KeyStore;
using EfEnvelope.Keys;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Benchmarks.Keys;

/// <summary>
/// What a process pays that has just started, until it has the rings of all tenants of a database, 1, 1,000 or 100,000 (1 or 2,000 in a short run): each is
/// loaded when the first context of its tenant uses it, one after the other, or by 4 loaders at a time. Baseline: the rows of the same keys read by the
/// driver, one command each on a connection that is open, and nothing unwrapped. "KMS calls" must be 1 for any number of scopes.
/// </summary>
[Question(
    "What does a process pay until it has the keys of all its scopes?",
    Note = "Ratios are to reading the same key rows by the driver, one command each, with nothing unwrapped. *Rings* loads the ring of each scope "
        + "through a context that is open, *Contexts* through options and a context of its own, as an application has them. Scopes are loaded by 1 or "
        + "4 loaders at a time. *KMS calls* are those of the embedded KMS, which is open already: one for any number of scopes.")]
[Macro(3, 1)]
[MemoryDiagnoser]
public class ColdStartBenchmarks
{
    private KeyDatabase _database = null!;
    private CountingKms _kms = null!;

    public static IEnumerable<KeyDatabaseKind> Databases => Places.Databases;

    public static IEnumerable<int> Sizes => Runs.IsShort ? [1, 2_000] : [1, 1_000, 100_000];

    public static IEnumerable<int> LoadersAtATime => Runs.IsShort ? [4] : [1, 4];

    [ParamsSource(nameof(Databases))]
    public KeyDatabaseKind Database { get; set; }

    [ParamsSource(nameof(Sizes))]
    public int Scopes { get; set; }

    [ParamsSource(nameof(LoadersAtATime))]
    public int Loaders { get; set; }

    private string Parameters => $"Database={Database}, Scopes={Scopes}, Loaders={Loaders}";

    [GlobalSetup]
    public void Setup() => _database = KeyDatabase.Get(Database, Scopes);

    // A process that has its model and has asked for no key: what EF Core does once, at its first context, is not the question.
    [IterationSetup]
    public void Start()
    {
        _kms = new CountingKms();
        using var context = _database.NewContext(_kms, 0);
        _ = context.Model;
    }

    [Benchmark(Baseline = true)]
    public async Task RowsAlone()
        => await LoadAsync(
            async (tenants, next) =>
            {
                await using var connection = _database.NewConnection();
                await connection.OpenAsync();
                await using var command = connection.CreateCommand();
                command.CommandText = $"SELECT * FROM \"{EnvelopeTables.Keys}\" WHERE \"Scope\" = @scope";
                var scope = command.CreateParameter();
                scope.ParameterName = "scope";
                command.Parameters.Add(scope);
                for (var tenant = next(); tenant < tenants; tenant = next())
                {
                    scope.Value = KeyDatabase.ScopeOf(tenant);
                    await using var reader = await command.ExecuteReaderAsync();
                    if (!await reader.ReadAsync())
                        throw new InvalidOperationException("A key is missing.");
                }
            });

    /// <summary>The rings alone, each loader through one context that is open.</summary>
    [Benchmark]
    public async Task Rings()
    {
        using var rings = new KeyRingCache([_kms], new EnvelopeOptions(), TimeProvider.System, NullLogger.Instance);
        await LoadAsync(
            async (tenants, next) =>
            {
                await using var context = _database.NewContext(_kms, 0);
                await context.Database.OpenConnectionAsync();
                var connection = new KeyStoreConnection(context);
                var store = new EfKeyStore(connection);
                for (var tenant = next(); tenant < tenants; tenant = next())
                    _ = (await rings.GetSlot(connection.Identity, new KeyScope(KeyDatabase.ScopeOf(tenant))).GetAsync(store, RingUse.Read, default)).Primary;
            });
        RecordCalls(rings.Rings.Count);
        Metrics.Record(this, Parameters, "KMS calls", _kms.Calls);
    }

    /// <summary>As an application does it: options and a context for each tenant, which opens its connection and loads its ring.</summary>
    [Benchmark]
    [FullOnly]
    public async Task Contexts()
    {
        await LoadAsync(
            async (tenants, next) =>
            {
                for (var tenant = next(); tenant < tenants; tenant = next())
                {
                    await using var context = _database.NewContext(_kms, tenant);
                    await context.Database.OpenConnectionAsync();
                    _ = (await EnvelopeSession.Of(context).LoadRingAsync(RingUse.Read, default)).Primary;
                }
            });
        RecordCalls(Scopes);
        Metrics.Record(this, Parameters, "KMS calls", _kms.Calls);
    }

    private void RecordCalls(int rings)
    {
        if (rings != Scopes || _kms.Calls != 1)
            throw new InvalidOperationException($"{rings} rings of {Scopes} were loaded by {_kms.Calls} KMS calls.");
    }

    private Task LoadAsync(Func<int, Func<int>, Task> load)
    {
        var last = -1;
        return Task.WhenAll(Enumerable.Range(0, Loaders).Select(_ => Task.Run(() => load(Scopes, () => Interlocked.Increment(ref last)))));
    }
}
