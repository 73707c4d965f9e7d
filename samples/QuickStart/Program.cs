// QuickStart: encrypted properties in SQLite, with keys from the embedded KMS. Run it with
//     dotnet run --project samples/QuickStart

using EfEnvelope;
using EfEnvelope.Rotation;
using Microsoft.EntityFrameworkCore;

var folder = AppContext.BaseDirectory;

// In production the passphrase comes from a secret store or the environment, never from the source.
var passphrase = Environment.GetEnvironmentVariable("QUICKSTART_PASSPHRASE") ?? "correct horse battery staple";

// 1. Turn encryption on: after the provider, name the KMS that wraps the data keys. Everything else is [Encrypted], further down.
var options = new DbContextOptionsBuilder<ClinicContext>()
    .UseSqlite($"Data Source={Path.Combine(folder, "clinic.db")}")
    .UseEnvelopeEncryption(envelope => envelope.UseLocalKms($"Data Source={Path.Combine(folder, "kms.db")}", passphrase))
    .Options;

Step(1, "Turn encryption on: UseSqlite(…).UseEnvelopeEncryption(envelope => envelope.UseLocalKms(…))");

// 2. Load the keys, and save patients as always. The first use makes a data key, wraps it by the KMS and stores it beside the data.
Step(2, "Save two patients");
using (var db = new ClinicContext(options))
{
    db.Database.EnsureDeleted();
    db.Database.EnsureCreated();

    // When the application starts, so that nothing waits for keys later. A host does it by services.AddEnvelopeWarmUp<ClinicContext>().
    await db.Database.LoadEnvelopeKeysAsync();
    db.Patients.Add(new Patient { Ssn = "123-45-6789", Email = "Ada@example.org", Note = "allergic to penicillin", BirthDate = new DateOnly(1985, 12, 10), Visits = 3 });
    db.Patients.Add(new Patient { Ssn = "987-65-4321", Email = "grace@example.org", BirthDate = new DateOnly(1906, 12, 9) });
    await db.SaveChangesAsync();
    Console.WriteLine("saved");
}

// 3. What the table really holds: header (algorithm, key version), nonce, ciphertext, tag. Null stays null.
Step(3, "The stored bytes");
using (var db = new ClinicContext(options))
{
    foreach (var row in db.Database.SqlQueryRaw<string>(
        "SELECT 'Ssn ' || hex(Ssn) || '  Note ' || coalesce(nullif(hex(Note), ''), 'NULL') AS Value FROM Patients"))
        Console.WriteLine(Shorten(row));
}

// 4. Plain LINQ reads them back, and finds them by what has a blind index.
Step(4, "Read and search with plain LINQ");
using (var db = new ClinicContext(options))
{
    foreach (var patient in await db.Patients.Where(p => p.Visits > 0 || p.Note == null).ToListAsync())
        Console.WriteLine($"{patient.Id}: {patient.Ssn}, born {patient.BirthDate:yyyy-MM-dd}, note: {patient.Note ?? "none"}");
    var numbers = await db.Patients.Select(p => p.Ssn).ToListAsync();
    Console.WriteLine($"only the numbers: {string.Join(", ", numbers)}");
    var found = await db.Patients.SingleAsync(p => p.Email == "ADA@example.org");
    Console.WriteLine($"found by e-mail: {found.Ssn}");
}

// 5. A query that the database could only answer wrong is refused, with the way out.
Step(5, "A query that would find nothing is refused: this property has no blind index");
using (var db = new ClinicContext(options))
{
    try
    {
        await db.Patients.SingleAsync(p => p.Ssn == "123-45-6789");
        throw new InvalidOperationException("This query must not run.");
    }
    catch (EnvelopeConfigurationException e)
    {
        Console.WriteLine(e.Message);
    }
}

// 6. A value is bound to its column: copied into another one, it does not open. (Copied between rows of one column, it does.)
Step(6, "A value moved to another column does not open");
using (var db = new ClinicContext(options))
{
    await db.Database.ExecuteSqlRawAsync("UPDATE Patients SET Note = (SELECT Ssn FROM Patients WHERE Id = 1) WHERE Id = 2");
    try
    {
        await db.Patients.SingleAsync(p => p.Id == 2);
        throw new InvalidOperationException("This value must not open.");
    }
    catch (EnvelopeDecryptionException e)
    {
        Console.WriteLine(e.Message);
    }

    await db.Database.ExecuteSqlRawAsync("UPDATE Patients SET Note = NULL WHERE Id = 2");
}

// 7. Rotate the key: old rows still open, new ones use the new version. No delay here, because this is the only process; by default
//    other instances get two hours to load a new version before it encrypts.
Step(7, "Rotate the key");
using (var db = new ClinicContext(options))
{
    Console.WriteLine($"new primary: {await db.Database.RotateEnvelopeKeyAsync(activationDelay: TimeSpan.Zero)}");
    db.Patients.Add(new Patient { Ssn = "555-12-3456", Email = "alan@example.org", BirthDate = new DateOnly(1912, 6, 23) });
    await db.SaveChangesAsync();
    db.ChangeTracker.Clear();
    var versions = db.Database.SqlQueryRaw<string>("SELECT substr(hex(Ssn), 3, 8) AS Value FROM Patients ORDER BY Id").ToList();
    foreach (var (patient, version) in (await db.Patients.OrderBy(p => p.Id).ToListAsync()).Zip(versions))
        Console.WriteLine($"{patient.Id}: {patient.Ssn}, stored under key version {Convert.ToInt32(version, 16)}");
}

// 8. Re-encrypt the rows that are under the old version, beside the running application: an application does this by AddEnvelopeJobs<ClinicContext>(),
//    a DBA by 'efenvelope reencrypt --execute'. The job looks once more when no other instance can write under the old version any longer.
Step(8, "Re-encrypt old rows by a job");
using (var db = new ClinicContext(options))
{
    await using var clinic = EncryptedDatabase.Open(db);
    var job = await clinic.Jobs.EnqueueAsync(await clinic.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "Patients" }));
    job = (await clinic.Jobs.RunAsync([job.Id], new RunOptions { WaitsForTime = false }))[0];
    Console.WriteLine($"{job.RowsWritten} rows rewritten; it waits: {job.Reason}");
    var status = (await clinic.Scans.GetStatusAsync()).Single(c => c.Column.Column == "Ssn");
    Console.WriteLine($"values of 'Ssn' by key version: {string.Join(", ", status.ByKeyNumber.Select(v => $"v{v.Key}: {v.Value}"))}");
    foreach (var patient in await db.Patients.OrderBy(p => p.Id).ToListAsync())
        Console.WriteLine($"{patient.Id}: {patient.Ssn}");
}

static void Step(int number, string title) => Console.WriteLine($"{Environment.NewLine}{number}. {title}");

static string Shorten(string row)
    => string.Join("  ", row.Split("  ").Select(c => c.Length > 64 ? $"{c[..64]}… ({(c.Length - c.IndexOf(' ') - 1) / 2} bytes)" : c));

/// <summary>An entity with personal data: [Encrypted] is enough, and [BlindIndex] lets it be found by equality.</summary>
public class Patient
{
    public int Id { get; set; }

    [Encrypted]
    public string Ssn { get; set; } = "";

    [Encrypted, BlindIndex(Normalization.Email)]
    public string Email { get; set; } = "";

    [Encrypted]
    public string? Note { get; set; }

    [Encrypted]
    public DateOnly BirthDate { get; set; }

    public int Visits { get; set; }
}

/// <summary>An ordinary context: nothing in it knows of encryption.</summary>
public class ClinicContext(DbContextOptions<ClinicContext> options) : DbContext(options)
{
    public DbSet<Patient> Patients => Set<Patient>();
}
