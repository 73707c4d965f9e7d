using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>A row with three encrypted values of 32 characters beside plain ones.</summary>
public sealed class Customer
{
    /// <summary>How many rows have values of their own; the rows beyond repeat their envelopes.</summary>
    public const int Seeds = 1_000;

    public long Id { get; set; }

    [Encrypted]
    public string Ssn { get; set; } = "";

    [Encrypted]
    public string Card { get; set; } = "";

    [Encrypted]
    public string Phone { get; set; } = "";

    public string City { get; set; } = "";

    public string Street { get; set; } = "";

    public string Remark { get; set; } = "";

    public int Visits { get; set; }

    public DateTime Since { get; set; }

    public static IReadOnlyList<string> EncryptedColumns { get; } = [nameof(Ssn), nameof(Card), nameof(Phone)];

    /// <summary>Gets all columns but the key.</summary>
    public static IReadOnlyList<string> Columns { get; }
        = [.. EncryptedColumns, nameof(City), nameof(Street), nameof(Remark), nameof(Visits), nameof(Since)];

    /// <summary>Makes a row as the row of this key is to read, whatever was done to its envelopes.</summary>
    public static Customer Of(long id)
    {
        var seed = ((id - 1) % Seeds) + 1;
        return new Customer
        {
            Id = id,
            Ssn = Text(nameof(Ssn), seed),
            Card = Text(nameof(Card), seed),
            Phone = Text(nameof(Phone), seed),
            City = $"City {seed % 500:D8}",
            Street = $"{seed:D5} Long Street North",
            Remark = new string((char)('a' + (seed % 26)), 70),
            Visits = (int)(seed % 100),
            Since = new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddMinutes(seed),
        };
    }

    public bool ReadsAs(Customer other) => (Id, Ssn, Card, Phone, City) == (other.Id, other.Ssn, other.Card, other.Phone, other.City);

    private static string Text(string column, long seed) => $"{column}{seed:D9}".PadRight(32, 'x');
}

public sealed class CustomerContext(DbContextOptions<CustomerContext> options) : DbContext(options)
{
    public DbSet<Customer> Customers => Set<Customer>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
        => modelBuilder.Entity<Customer>(e =>
        {
            e.ToTable("Customers");
            e.Property(c => c.Id).ValueGeneratedNever();
        });
}
