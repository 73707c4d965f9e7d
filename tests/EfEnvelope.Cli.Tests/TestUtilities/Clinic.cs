using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Cli.TestUtilities;

public sealed class Patient
{
    public int Id { get; set; }

    public string Name { get; set; } = "";

    [Encrypted]
    public string? Ssn { get; set; }

    [Encrypted, BlindIndex(Normalization.Email)]
    public string? Email { get; set; }
}

/// <summary>A table in clear text, as a database has it before it is adopted.</summary>
public sealed class Contact
{
    public int Id { get; set; }

    public string? Phone { get; set; }

    public string? Note { get; set; }
}

public sealed class ClinicContext(DbContextOptions<ClinicContext> options) : DbContext(options)
{
    public DbSet<Patient> Patients => Set<Patient>();

    public DbSet<Contact> Contacts => Set<Contact>();
}
