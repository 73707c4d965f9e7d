using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>The model of the search specifications: deterministic columns and blind indexes of all kinds.</summary>
public sealed class RegistryContext(DbContextOptions<RegistryContext> options) : DbContext(options)
{
    public DbSet<Person> People => Set<Person>();

    public DbSet<Team> Teams => Set<Team>();

    public DbSet<Order> Orders => Set<Order>();

    public DbSet<Memo> Memos => Set<Memo>();

    public DbSet<Worker> Workers => Set<Worker>();

    /// <summary>Gets or sets whose memos are seen.</summary>
    public string Owner { get; set; } = "o-1";

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Person>(
            e =>
            {
                e.Property(p => p.Id).ValueGeneratedNever();
                e.HasIndex(p => p.Record).IsUnique();
                e.HasIndex(p => p.Phone);
                e.ComplexProperty(p => p.Home);
                e.OwnsOne(p => p.Contact);
                e.HasBlindIndex(p => new { p.Last, p.Town }, [Normalization.CaseInsensitive, Normalization.Exact]);
                e.HasOne(p => p.Team).WithMany(t => t.People).HasForeignKey(p => p.TeamId);
                e.HasMany(p => p.Orders).WithOne(o => o.Person).HasForeignKey(o => o.PersonId);
            });
        modelBuilder.Entity<Team>().Property(t => t.Id).ValueGeneratedNever();
        modelBuilder.Entity<Order>().Property(o => o.Id).ValueGeneratedNever();
        modelBuilder.Entity<Memo>(
            e =>
            {
                e.Property(m => m.Id).ValueGeneratedNever();
                e.HasQueryFilter(m => m.Owner == Owner && m.Topic != "secret");
            });
        modelBuilder.Entity<Worker>().Property(w => w.Id).ValueGeneratedNever();
        modelBuilder.Entity<Driver>().Property(d => d.Badge).HasColumnName("Badge").IsEncrypted(context: "Workers.Badge").HasBlindIndex();
        modelBuilder.Entity<Cook>().Property(c => c.Badge).HasColumnName("Badge").IsEncrypted(context: "Workers.Badge").HasBlindIndex();
    }

    public void Seed()
    {
        AddRange(
            new Team { Id = 1, Name = "red", LeadRecord = "r-1", Hotline = "t-1", Motto = "m-1" },
            new Team { Id = 2, Name = "blue", LeadRecord = "r-3", Hotline = "t-9", Motto = "m-2" },
            new Team { Id = 3, Name = "grey", LeadRecord = null, Hotline = null, Motto = "m-1" },
            new Person
            {
                Id = 1, Name = "Ada", Record = "r-1", Code = "c-1", Level = 3, Token = Guid.Parse("00112233-4455-6677-8899-aabbccddeeff"), Born = new DateOnly(1815, 12, 10),
                Grade = Grade.A, Active = true, Key = [1, 2], Phone = "t-1", Email = "Ada@Example.org", Nick = "Ada", Card = "4111 1111 1111 1234", Zip = "12345",
                Balance = 1.50m, Seen = new DateTime(2024, 1, 1, 0, 0, 0, DateTimeKind.Utc), Last = "Lovelace", Town = "London", Note = "n-1",
                Home = new Residence { City = "London", Street = "s-1" }, Contact = new Reach { Kind = "home", Fax = "f-1" }, TeamId = 1,
                Orders = { new Order { Id = 1, Sku = "k-1", Label = "l-1" }, new Order { Id = 2, Sku = "k-2", Label = null } },
            },
            new Person
            {
                Id = 2, Name = "Alan", Record = "r-2", Code = "c-1", Level = 5, Grade = Grade.B, Phone = "t-2", Email = "alan@example.org", Nick = "ALAN",
                Card = "4222-2222-2222-1234", Zip = "12399", Balance = 1.5m, Seen = new DateTime(2024, 1, 1, 0, 0, 0, DateTimeKind.Utc), Last = "Turing", Town = "London", Note = "n-2",
                Home = new Residence { City = "Wilmslow", Street = "s-2" }, Contact = new Reach { Kind = "work", Fax = "f-2" }, TeamId = 1,
                Orders = { new Order { Id = 3, Sku = "k-1", Label = "l-3" } },
            },
            new Person
            {
                Id = 3, Name = "Grace", Record = "r-3", Code = null, Level = 3, Grade = Grade.A, Active = true, Phone = "t-9", Email = null, Nick = null, Card = "5555", Zip = "99999",
                Last = "Hopper", Town = "New York", Note = "n-1", Home = new Residence { City = "New York", Street = "s-1" }, TeamId = 2,
            },
            new Person
            {
                Id = 4, Name = "Edsger", Record = "r-4", Code = "c-4", Level = 7, Grade = Grade.B, Phone = "t-4", Email = " EDSGER@example.org ", Nick = "edsger", Card = "12", Zip = "12",
                Balance = 0m, Last = "dijkstra", Town = null, Note = "n-4", Home = new Residence { City = "Austin", Street = "s-4" }, Contact = new Reach { Kind = "home", Fax = null },
                Orders = { new Order { Id = 4, Sku = "k-4", Label = "l-1" } },
            },
            new Person
            {
                Id = 5, Name = "Barbara", Record = "r-5", Code = "", Level = 9, Grade = Grade.B, Phone = "t-5", Email = "", Nick = "  ", Card = "", Zip = "123", Balance = -1m,
                Last = "Liskov", Town = "Boston", Note = "n-5", Home = new Residence { City = "Boston", Street = "s-5" }, TeamId = 2,
            },
            new Person
            {
                Id = 6, Name = "c-1", Record = "r-6", Code = "C-1", Level = -1, Grade = Grade.B, Phone = "T-1", Email = "don@example.org", Nick = "stra\u00DFe", Card = "1234", Zip = "12 345",
                Last = "LOVELACE", Town = "London", Note = "n-6", Home = new Residence { City = "Stanford", Street = "S-1" },
            },
            new Memo { Id = 1, Owner = "o-1", Topic = "plain", Text = "x" },
            new Memo { Id = 2, Owner = "o-2", Topic = "plain", Text = "y" },
            new Memo { Id = 3, Owner = "o-1", Topic = "secret", Text = "z" },
            new Driver { Id = 1, Name = "d", Badge = "b-1" },
            new Cook { Id = 2, Name = "c", Badge = "b-1" },
            new Cook { Id = 3, Name = "e", Badge = "b-3" });
        SaveChanges();
        ChangeTracker.Clear();
    }
}

public class Person
{
    public int Id { get; set; }

    public string Name { get; set; } = "";

    [Encrypted(EncryptionMode.Deterministic, Context = "Registry.Record")]
    public string Record { get; set; } = "";

    [Encrypted(EncryptionMode.Deterministic)]
    public string? Code { get; set; }

    [Encrypted(EncryptionMode.Deterministic)]
    public int Level { get; set; }

    [Encrypted(EncryptionMode.Deterministic)]
    public Guid? Token { get; set; }

    [Encrypted(EncryptionMode.Deterministic)]
    public DateOnly? Born { get; set; }

    [Encrypted(EncryptionMode.Deterministic)]
    public Grade Grade { get; set; }

    [Encrypted(EncryptionMode.Deterministic)]
    public bool Active { get; set; }

    [Encrypted(EncryptionMode.Deterministic)]
    public byte[]? Key { get; set; }

    [Encrypted(Context = "Registry.Phone"), BlindIndex]
    public string Phone { get; set; } = "";

    [Encrypted, BlindIndex(Normalization.Email)]
    public string? Email { get; set; }

    [Encrypted, BlindIndex(Normalization.CaseInsensitive)]
    public string? Nick { get; set; }

    [Encrypted, BlindIndex(Normalization.DigitsOnly), BlindIndex(Normalization.DigitsOnly, Projection = BlindIndexProjection.Last, Characters = 4)]
    public string Card { get; set; } = "";

    [Encrypted, BlindIndex(Projection = BlindIndexProjection.First, Characters = 3)]
    public string Zip { get; set; } = "";

    [Encrypted, BlindIndex]
    public decimal? Balance { get; set; }

    [Encrypted, BlindIndex]
    public DateTime Seen { get; set; }

    [Encrypted]
    public string Last { get; set; } = "";

    [Encrypted]
    public string? Town { get; set; }

    [Encrypted]
    public string Note { get; set; } = "";

    public Residence Home { get; set; } = null!;

    public Reach? Contact { get; set; }

    public int? TeamId { get; set; }

    public Team? Team { get; set; }

    public List<Order> Orders { get; } = [];
}

public enum Grade
{
    A,
    B,
}

public class Residence
{
    public string City { get; set; } = "";

    [Encrypted(EncryptionMode.Deterministic)]
    public string Street { get; set; } = "";
}

public class Reach
{
    public string Kind { get; set; } = "";

    [Encrypted, BlindIndex]
    public string? Fax { get; set; }
}

public class Team
{
    public int Id { get; set; }

    public string Name { get; set; } = "";

    // What a person's record is compared with.
    [Encrypted(EncryptionMode.Deterministic, Context = "Registry.Record")]
    public string? LeadRecord { get; set; }

    [Encrypted(Context = "Registry.Phone"), BlindIndex]
    public string? Hotline { get; set; }

    [Encrypted(EncryptionMode.Deterministic)]
    public string Motto { get; set; } = "";

    public List<Person> People { get; } = [];
}

public class Order
{
    public int Id { get; set; }

    public int PersonId { get; set; }

    public Person Person { get; set; } = null!;

    [Encrypted(EncryptionMode.Deterministic)]
    public string Sku { get; set; } = "";

    [Encrypted, BlindIndex]
    public string? Label { get; set; }
}

public class Memo
{
    public int Id { get; set; }

    [Encrypted(EncryptionMode.Deterministic)]
    public string Owner { get; set; } = "";

    [Encrypted, BlindIndex]
    public string Topic { get; set; } = "";

    [Encrypted]
    public string Text { get; set; } = "";
}

public abstract class Worker
{
    public int Id { get; set; }

    public string Name { get; set; } = "";
}

public class Driver : Worker
{
    public string Badge { get; set; } = "";
}

public class Cook : Worker
{
    public string Badge { get; set; } = "";
}
