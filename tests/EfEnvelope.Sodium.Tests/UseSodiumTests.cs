using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Sodium.Tests;

/// <summary><c>UseSodium()</c> as an application calls it, on SQLite with the embedded KMS.</summary>
public sealed class UseSodiumTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("efenvelope-sodium-").FullName;

    [Fact]
    public async Task Rows_of_one_engine_are_read_and_changed_by_the_other()
    {
        await using (var db = Open(sodium: true))
        {
            await db.Database.EnsureCreatedAsync(Token);
            db.Add(new Patient { Ssn = "078-05-1120", Note = "by sodium" });
            await db.SaveChangesAsync(Token);
            Assert.True(SodiumGcmEngine.Instance.Keys > 0);
        }

        await using (var db = Open(sodium: false))
        {
            var patient = await db.Patients.SingleAsync(p => p.Ssn == "078-05-1120", Token);
            Assert.Equal("by sodium", patient.Note);
            patient.Note = "by the platform";
            await db.SaveChangesAsync(Token);
        }

        await using (var db = Open(sodium: true))
            Assert.Equal("by the platform", (await db.Patients.SingleAsync(p => p.Ssn == "078-05-1120", Token)).Note);
    }

    [Fact]
    public async Task Job_re_encrypts_with_it_what_the_platform_wrote()
    {
        await using (var db = Open(sodium: false))
        {
            await db.Database.EnsureCreatedAsync(Token);
            db.AddRange(Enumerable.Range(0, 500).Select(i => new Patient { Ssn = $"{i:000-00-0000}", Note = $"note {i}" }));
            await db.SaveChangesAsync(Token);
        }

        await using (var database = EncryptedDatabase.Open(Options(sodium: true)))
        {
            await database.Keys.RotateAsync(new KeyScope("default"), TimeSpan.FromSeconds(1), includeSearch: false, Token);
            var job = await database.Jobs.EnqueueAsync(await database.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "Patients" }, Token), Token);
            await database.Jobs.RunAsync([job.Id], cancellationToken: Token);
            Assert.Equal(500, (await database.Jobs.GetAsync(job.Id, Token)).RowsWritten);
        }

        await using (var db = Open(sodium: false))
            Assert.Equal(Enumerable.Range(0, 500).Select(i => $"note {i}").Order(), (await db.Patients.Select(p => p.Note).ToListAsync(Token)).Order());
    }

    [Fact]
    public void Processor_without_aes_instructions_is_told_at_start_up()
    {
        var error = Assert.Throws<EnvelopeConfigurationException>(
            () => SodiumEnvelopeOptionsBuilderExtensions.Require(() => throw new PlatformNotSupportedException()));
        Assert.Contains("AES instructions", error.Message, StringComparison.Ordinal);
        Assert.Contains("the stored bytes are the same", error.Message, StringComparison.Ordinal);
    }

    // NSec hides the failure to load in an exception that it also throws where the processor lacks the instructions.
    [Fact]
    public void Native_library_that_does_not_load_is_told_at_start_up()
    {
        foreach (var failure in new Exception[] { new DllNotFoundException(), new PlatformNotSupportedException("?", new DllNotFoundException()), new TypeInitializationException("?", null) })
        {
            Assert.Contains(
                "libsodium could not be loaded",
                Assert.Throws<EnvelopeConfigurationException>(() => SodiumEnvelopeOptionsBuilderExtensions.Require(() => throw failure)).Message,
                StringComparison.Ordinal);
        }
    }

    public void Dispose()
    {
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private ClinicContext Open(bool sodium) => new(Options(sodium));

    private DbContextOptions<ClinicContext> Options(bool sodium)
        => new DbContextOptionsBuilder<ClinicContext>()
            .UseSqlite($"Data Source={Path.Combine(_folder, "clinic.db")}")
            .UseEnvelopeEncryption(envelope =>
            {
                // The job waits until every instance has read its ring anew.
                envelope.UseLocalKms($"Data Source={Path.Combine(_folder, "kms.db")}", "correct horse battery staple")
                    .Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(1) });
                if (sodium)
                    envelope.UseSodium();
            })
            .Options;

    private sealed class ClinicContext(DbContextOptions<ClinicContext> options) : DbContext(options)
    {
        public DbSet<Patient> Patients => Set<Patient>();
    }

    private sealed class Patient
    {
        public int Id { get; set; }

        [Encrypted, BlindIndex]
        public string Ssn { get; set; } = "";

        [Encrypted]
        public string Note { get; set; } = "";
    }
}
