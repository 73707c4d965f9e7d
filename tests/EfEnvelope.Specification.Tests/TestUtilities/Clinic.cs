using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>The model of the query specifications: plain and encrypted properties of all kinds, side by side.</summary>
public sealed class ClinicContext(DbContextOptions<ClinicContext> options) : DbContext(options)
{
    public DbSet<Patient> Patients => Set<Patient>();

    public DbSet<Doctor> Doctors => Set<Doctor>();

    public DbSet<Visit> Visits => Set<Visit>();

    public DbSet<Staff> Staff => Set<Staff>();

    public DbSet<Letter> Letters => Set<Letter>();

    public DbSet<ArchivedLetter> Archive => Set<ArchivedLetter>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Patient>(
            e =>
            {
                e.Property(p => p.Id).ValueGeneratedNever();
                e.ComplexProperty(p => p.Home);
                e.OwnsOne(p => p.Contact);
                e.HasOne(p => p.Doctor).WithMany(d => d.Patients).HasForeignKey(p => p.DoctorId);
                e.HasMany(p => p.Visits).WithOne(v => v.Patient).HasForeignKey(v => v.PatientId);
            });
        modelBuilder.Entity<Doctor>().Property(d => d.Id).ValueGeneratedNever();
        modelBuilder.Entity<Visit>().Property(v => v.Id).ValueGeneratedNever();
        modelBuilder.Entity<Staff>().Property(s => s.Id).ValueGeneratedNever();
        modelBuilder.Entity<Nurse>().Property(n => n.Badge).HasColumnName("Badge");
        modelBuilder.Entity<Porter>().Property(p => p.Badge).HasColumnName("Badge");
    }

    /// <summary>Fills the tables: three patients, of whom the third has as many nulls as it can.</summary>
    public void Seed()
    {
        var doctor = new Doctor { Id = 1, Name = "House", License = "license-1" };
        AddRange(
            doctor,
            new Doctor { Id = 2, Name = "Wilson", License = "license-2" },
            new Patient
            {
                Id = 1, Name = "Ada", Ssn = "ssn-1", Alias = "alias-1", Note = "note-1", Age = 36, Score = 10, Balance = 12.5m, Weight = 60.5,
                Born = new DateTime(1815, 12, 10, 0, 0, 0, DateTimeKind.Utc), Seen = new DateOnly(2024, 2, 29), IsVip = true, Consents = true,
                Marks = Marks.Red | Marks.Blue, Photo = [1, 2, 3], Thumb = [9], Tags = ["x", "y"], Token = Guid.Parse("00112233-4455-6677-8899-aabbccddeeff"),
                Home = new Home { City = "London", Street = "street-1" }, Contact = new Contact { Kind = "home", Phone = "phone-1" }, Doctor = doctor,
                Visits = { new Visit { Id = 1, Kind = "check", Finding = "finding-1" }, new Visit { Id = 2, Kind = "surgery", Finding = "finding-2", Advice = "advice-2" } },
            },
            new Patient
            {
                Id = 2, Name = "Alan", Ssn = "ssn-2", Note = "note-2", Age = 41, Score = 20, Balance = 7m, Consents = false,
                Home = new Home { City = "Cambridge", Street = "street-2" }, Doctor = doctor,
                Visits = { new Visit { Id = 3, Kind = "check", Finding = "finding-3" } },
            },
            new Patient { Id = 3, Name = "Grace", Ssn = "ssn-3", Home = new Home { City = "New York", Street = "street-3" } },
            new Nurse { Id = 1, Name = "Florence", Badge = "badge-1" },
            new Porter { Id = 2, Name = "Hans", Badge = "badge-2" });
        SaveChanges();
        ChangeTracker.Clear();
    }
}

public class Patient
{
    public int Id { get; set; }

    public string Name { get; set; } = "";

    [Encrypted]
    public string Ssn { get; set; } = "";

    [Encrypted]
    public string? Alias { get; set; }

    [Encrypted]
    public string? Note { get; set; }

    [Encrypted]
    public int Age { get; set; }

    [Encrypted]
    public int? Score { get; set; }

    [Encrypted]
    public decimal Balance { get; set; }

    [Encrypted]
    public double Weight { get; set; }

    [Encrypted]
    public DateTime Born { get; set; }

    [Encrypted]
    public DateOnly? Seen { get; set; }

    [Encrypted]
    public bool IsVip { get; set; }

    [Encrypted]
    public bool? Consents { get; set; }

    [Encrypted]
    public Marks Marks { get; set; }

    [Encrypted]
    public Guid Token { get; set; }

    [Encrypted]
    public byte[]? Photo { get; set; }

    public byte[]? Thumb { get; set; }

    [Encrypted]
    public List<string> Tags { get; set; } = [];

    public Home Home { get; set; } = null!;

    public Contact? Contact { get; set; }

    public int? DoctorId { get; set; }

    public Doctor? Doctor { get; set; }

    public List<Visit> Visits { get; } = [];
}

[Flags]
public enum Marks
{
    None = 0,
    Red = 1,
    Blue = 2,
}

public class Home
{
    public string City { get; set; } = "";

    [Encrypted]
    public string Street { get; set; } = "";
}

public class Contact
{
    public string Kind { get; set; } = "";

    [Encrypted]
    public string? Phone { get; set; }
}

public class Doctor
{
    public int Id { get; set; }

    public string Name { get; set; } = "";

    [Encrypted]
    public string License { get; set; } = "";

    public List<Patient> Patients { get; } = [];
}

public class Visit
{
    public int Id { get; set; }

    public int PatientId { get; set; }

    public Patient Patient { get; set; } = null!;

    public string Kind { get; set; } = "";

    [Encrypted]
    public string Finding { get; set; } = "";

    [Encrypted]
    public string? Advice { get; set; }
}

public abstract class Staff
{
    public int Id { get; set; }

    public string Name { get; set; } = "";
}

public class Nurse : Staff
{
    [Encrypted]
    public string Badge { get; set; } = "";
}

public class Porter : Staff
{
    [Encrypted]
    public string Badge { get; set; } = "";
}

// Letters move to the archive as they are, bytes and all, so both tables share one context.
public class Letter
{
    public int Id { get; set; }

    [Encrypted(Context = "Letters.Text")]
    public string Text { get; set; } = "";
}

public class ArchivedLetter
{
    public int Id { get; set; }

    [Encrypted(Context = "Letters.Text")]
    public string Text { get; set; } = "";
}
