using System.ComponentModel.DataAnnotations.Schema;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.EfCore;

/// <summary>Three texts of 32 characters that the encrypted model encrypts, and five columns that stay plain, beside the key.</summary>
public sealed class Patient
{
    public int Id { get; set; }

    public string Ssn { get; set; } = "";

    public string Phone { get; set; } = "";

    public string Note { get; set; } = "";

    public string City { get; set; } = "";

    public int Visits { get; set; }

    public long Balance { get; set; }

    public double Weight { get; set; }

    public DateTime RegisteredAt { get; set; }

    [NotMapped]
    public int Number => (int)(Balance / 100);

    public static Patient Make(int number, string mark = "a")
        => new()
        {
            Ssn = Text("ssn", number, mark),
            Phone = Text("phone", number, mark),
            Note = Text("note", number, mark),
            City = "Springfield",
            Visits = number % 50,
            Balance = number * 100L,
            Weight = 50 + (number % 60),
            RegisteredAt = DateTime.UnixEpoch.AddMinutes(number),
        };

    public static string Text(string prefix, int number, string mark) => $"{prefix} {mark} {number}".PadRight(32, '.');
}

/// <summary>What is looked up: by an address, and by a number; 32 characters each.</summary>
public sealed class Account
{
    public int Id { get; set; }

    public string Email { get; set; } = "";

    public string RecordNumber { get; set; } = "";

    public string City { get; set; } = "";

    public int Visits { get; set; }

    public static Account Make(int number)
        => new() { Email = EmailOf(number), RecordNumber = RecordNumberOf(number), City = "Springfield", Visits = number % 50 };

    public static string EmailOf(int number) => $"patient-{number:D12}@example.org";

    public static string RecordNumberOf(int number) => $"record-{number:D25}";
}

public abstract class ClinicContext(DbContextOptions options) : DbContext(options)
{
    public DbSet<Patient> Patients => Set<Patient>();

    public DbSet<Account> Accounts => Set<Account>();
}

/// <summary>The baseline: nothing is encrypted, and EfEnvelope is not there.</summary>
public sealed class PlainContext(DbContextOptions<PlainContext> options) : ClinicContext(options)
{
    protected override void OnModelCreating(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Account>(account =>
        {
            account.HasIndex(a => a.Email);
            account.HasIndex(a => a.RecordNumber);
        });
}

/// <summary>The same model, encrypted.</summary>
public sealed class EncryptedContext(DbContextOptions<EncryptedContext> options) : ClinicContext(options)
{
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Patient>(patient =>
        {
            patient.Property(p => p.Ssn).IsEncrypted();
            patient.Property(p => p.Phone).IsEncrypted();
            patient.Property(p => p.Note).IsEncrypted();
        });
        modelBuilder.Entity<Account>(account =>
        {
            account.Property(a => a.Email).IsEncrypted().HasBlindIndex();
            account.Property(a => a.RecordNumber).IsEncrypted(EncryptionMode.Deterministic);
            account.HasIndex(a => a.RecordNumber);
        });
    }
}
