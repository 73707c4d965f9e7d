using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>A table with a column of every kind that a job rewrites.</summary>
public sealed class RegistrationContext(DbContextOptions<RegistrationContext> options) : DbContext(options)
{
    public DbSet<Registration> Registrations => Set<Registration>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Registration>(
            r =>
            {
                r.Property(x => x.Id).ValueGeneratedNever();
                r.Property(x => x.Note).IsEncrypted();
                r.Property(x => x.Born).IsEncrypted();
                r.Property(x => x.Email).IsEncrypted().HasBlindIndex(Normalization.Email);
                r.Property(x => x.Number).IsEncrypted().HasBlindIndex(isUnique: true);
                r.Property(x => x.Code).IsEncrypted(EncryptionMode.Deterministic);
                r.Property(x => x.Badge).IsEncrypted(EncryptionMode.Deterministic);
                r.HasIndex(x => x.Badge).IsUnique();

                // Without a check, so that a job could decrypt it.
                r.Property(x => x.Memo).IsEncrypted(storage: EncryptedStorage.Text).AllowUncheckedWrites();
                r.HasBlindIndex(x => new { x.Email, x.Born });
            });
}

public sealed class Registration
{
    public int Id { get; set; }

    public string? Note { get; set; }

    public DateOnly Born { get; set; }

    public string Email { get; set; } = "";

    public string Number { get; set; } = "";

    public string Code { get; set; } = "";

    public string Badge { get; set; } = "";

    public string? Memo { get; set; }

    public int Plain { get; set; }

    public static Registration Of(int id)
        => new()
        {
            Id = id,
            Note = id % 5 == 0 ? null : $"note {id}",
            Born = new DateOnly(1950, 1, 1).AddDays(id),
            Email = $"person{id}@example.org",
            Number = $"N-{id}",
            Code = $"code {id % 7}",
            Badge = $"B-{id}",
            Memo = id % 3 == 0 ? null : $"memo {id} with an umlaut ü",
        };

    public string Describe() => $"{Id}|{Note}|{Born:O}|{Email}|{Number}|{Code}|{Badge}|{Memo}|{Plain}";
}
