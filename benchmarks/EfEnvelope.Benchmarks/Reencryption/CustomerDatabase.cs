using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Keys;
using EfEnvelope.Kms.Local;
using EfEnvelope.Rotation;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>A database of its own, whose rows are all under key version 1 while version 2 is the one that encrypts.</summary>
internal abstract class CustomerDatabase(int rows) : IAsyncDisposable
{
    /// <summary>How an envelope begins that was sealed at random under version 2: algorithm, and the number of the key version.</summary>
    private const string NewHeader = "f900000002";
    private const int Samples = 500;

    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(200);

    private string? _folder;
    private LocalKmsSeal? _seal;

    public long Rows => rows;

    protected int SeedRows => Math.Min(rows, Customer.Seeds);

    protected string Folder => _folder ??= Directory.CreateTempSubdirectory("efenvelope-reencryption-").FullName;

    /// <summary>Gets the number of rows: EFENVELOPE_BENCHMARK_ROWS, or as many as the run has.</summary>
    public static int CountRows(int full, int inShortRun)
        => Environment.GetEnvironmentVariable("EFENVELOPE_BENCHMARK_ROWS") is { Length: > 0 } text
            ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture)
            : Runs.IsShort ? inShortRun : full;

    /// <summary>Makes options as an application has them.</summary>
    public DbContextOptions<CustomerContext> Options(Engine engine) => Options(engine, o => o);

    /// <summary>Makes the database, its rows, and the key version that they are to come under.</summary>
    public async Task CreateAsync()
    {
        await CreateDatabaseAsync();

        // A job ends when nobody can write under the former version any longer. That is decided by the interval that is configured when the key is rotated, so
        // the one who rotates has a short one. Whoever is measured has the defaults, and reads the keys for the first time after that.
        var hasty = Options(Engine.Platform, o => o with { RefreshInterval = Settling, ActivationDelay = TimeSpan.Zero });
        await using (var db = new CustomerContext(hasty))
        {
            await db.Database.EnsureCreatedAsync();
            db.AddRange(Enumerable.Range(1, SeedRows).Select(i => Customer.Of(i)));
            await db.SaveChangesAsync();
        }

        await using (var database = EncryptedDatabase.Open(hasty))
        {
            var version = await database.Keys.RotateAsync(new KeyScope("default"), TimeSpan.Zero);
            Require(version.Number == 2, "the key was not rotated to version 2");
        }

        await Task.Delay(2 * Settling);
        await KeepTemplateAsync();
        await RestoreAsync();
        Require(await CountAsync(NewHeader) == 0, "rows are under the new key version from the beginning");
        await ProveSamplesAsync(Engine.Platform);
    }

    /// <summary>Makes all rows what they were at first, stored as tightly as at first.</summary>
    public abstract Task RestoreAsync();

    /// <summary>Throws unless every value is under the new version, and samples open to what they were.</summary>
    public async Task ProveAsync()
    {
        var count = await CountAsync(NewHeader);
        Require(count == Rows, $"only {count} of {Rows} rows are under the new key version");
        await ProveSamplesAsync(Engine.Platform);
    }

    /// <summary>Throws unless every row holds the constants.</summary>
    public async Task ProveConstantsAsync()
    {
        var count = await CountAsync("f9f9f9f9f9f9f9f9"[..NewHeader.Length]);
        Require(count == Rows, $"only {count} of {Rows} rows hold the constants");
    }

    public static void Require(bool holds, string otherwise)
    {
        if (!holds)
            throw new InvalidOperationException($"The benchmark does not do what it says: {otherwise}.");
    }

    public virtual ValueTask DisposeAsync()
    {
        if (_folder is not null)
            Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    protected abstract Task CreateDatabaseAsync();

    /// <summary>Multiplies the rows that are there, and keeps a copy.</summary>
    protected abstract Task KeepTemplateAsync();

    protected abstract void UseProvider(DbContextOptionsBuilder options);

    /// <summary>Counts the rows that have the same first bytes in all three columns.</summary>
    protected abstract Task<long> CountAsync(string header);

    private async Task ProveSamplesAsync(Engine engine)
    {
        await using var db = new CustomerContext(Options(engine));
        var step = Math.Max(1, Rows / Samples);
        var samples = await db.Customers.AsNoTracking().Where(c => c.Id % step == 0).ToListAsync();
        Require(samples.Count >= Math.Min(Rows, Samples) && samples.All(c => c.ReadsAs(Customer.Of(c.Id))), "values do not open to what they were");
    }

    private DbContextOptions<CustomerContext> Options(Engine engine, Func<EnvelopeOptions, EnvelopeOptions> configure)
    {
        var options = new DbContextOptionsBuilder<CustomerContext>();
        options.ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));
        UseProvider(options);
        var seal = _seal ??= LocalKmsSeal.CreateKeyFile(Path.Combine(Folder, "kms.key"));
        return options.UseEnvelopeEncryption(e => e.UseLocalKms($"Data Source={Path.Combine(Folder, "kms.db")}", seal).UseEngine(engine).Configure(configure)).Options;
    }
}
