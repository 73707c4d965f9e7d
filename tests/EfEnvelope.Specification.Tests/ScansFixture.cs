using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Specification;

/// <summary>The base of the specifications of scans: a table with a column of every sort, and hands to damage it past EF Core.</summary>
public abstract class ScansFixture(TestDatabase database) : EnvelopeSpecification(database)
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using var db = OpenContext();
        await db.Database.EnsureCreatedAsync();
        if (PastChecks.Length == 0)
            await SqlAsync("ALTER TABLE [People] DROP CONSTRAINT [CK_People_Ssn_BlindIndex]");
    }

    /// <summary>Gets what comes before a statement that breaks the table's check of blind indexes; empty where the check can be dropped.</summary>
    protected virtual string PastChecks => "";

    protected PersonContext OpenContext() => new(Options<PersonContext>());

    protected EncryptedDatabase OpenDatabase(Action<EnvelopeOptionsBuilder>? configure = null) => EncryptedDatabase.Open(Options<PersonContext>(configure));

    protected async Task SaveAsync(params string[] names)
    {
        await using var db = OpenContext();
        db.AddRange(names.Select(Person.Of));
        await db.SaveChangesAsync();
    }

    protected async Task RotateAsync(bool includeSearch = false)
    {
        await using var db = OpenContext();
        await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch);
    }

    /// <summary>Runs SQL in which names stand in brackets.</summary>
    protected Task<List<object?>> SqlAsync(string sql, params (string Name, object Value)[] parameters)
    {
        var quoted = Database.Quote("x");
        return Database.QueryAsync(sql.Replace('[', quoted[0]).Replace(']', quoted[^1]), parameters);
    }

    /// <summary>Sets a column of a row to bytes or text.</summary>
    protected Task SetAsync(int id, string column, object? value)
        => value is null
            ? SqlAsync($"{PastChecks}UPDATE [People] SET [{column}] = NULL WHERE [Id] = {id}")
            : SqlAsync($"{PastChecks}UPDATE [People] SET [{column}] = @value WHERE [Id] = {id}", ("@value", value));

    protected async Task<T> ReadAsync<T>(int id, string column) => (T)(await SqlAsync($"SELECT [{column}] FROM [People] WHERE [Id] = {id}"))[0]!;

    protected Task SetKeyAsync(int version, string column, string? value)
        => SqlAsync($"UPDATE [__EnvelopeKeys] SET [{column}] = {(value is null ? "NULL" : $"'{value}'")} WHERE [Version] = {version} AND {Database.OfApplications}");

    protected Task AllowPlaintextAsync()
        => SqlAsync("UPDATE [__EnvelopeMap] SET [Definition] = '{\"storage\":\"text\",\"allowsPlaintext\":true}' WHERE [ColumnName] = 'Note'");

    protected Task AllowMissingIndexAsync()
        => SqlAsync("UPDATE [__EnvelopeMap] SET [Definition] = REPLACE([Definition], '\"AllowsMissing\":false', '\"AllowsMissing\":true') WHERE [ColumnName] = 'Ssn_BlindIndex'");

    protected Task AddMapRowAsync(string table, string column)
        => SqlAsync($"INSERT INTO [__EnvelopeMap] ([TableSchema], [TableName], [ColumnName], [Field], [Mode], [PlaintextType], [Definition]) VALUES ('', '{table}', '{column}', 'x', 'randomized', 'string', '{{\"unchecked\":true}}')");

    public sealed class PersonContext(DbContextOptions<PersonContext> options) : DbContext(options)
    {
        public DbSet<Person> People => Set<Person>();

        protected override void OnModelCreating(ModelBuilder modelBuilder)
            => modelBuilder.Entity<Person>(
                person =>
                {
                    // So that it can be damaged.
                    person.Property(p => p.Id).ValueGeneratedNever();
                    person.Property(p => p.Name).IsEncrypted().AllowUncheckedWrites();
                    person.Property(p => p.Nick).IsEncrypted().AllowUncheckedWrites();
                    person.Property(p => p.Note).IsEncrypted(storage: EncryptedStorage.Text).AllowUncheckedWrites();
                    person.Property(p => p.Born).IsEncrypted().AllowUncheckedWrites();
                    person.Property(p => p.Ssn).IsEncrypted().AllowUncheckedWrites().HasBlindIndex(isUnique: true);
                    person.Property(p => p.Code).IsEncrypted(EncryptionMode.Deterministic).AllowUncheckedWrites().HasMaxLength(50);
                    person.HasIndex(p => p.Code);
                });
    }

    public sealed class Person
    {
        public int Id { get; set; }

        public string? Plain { get; set; }

        public string Name { get; set; } = "";

        public string? Nick { get; set; }

        public string? Note { get; set; }

        public DateOnly Born { get; set; }

        public string? Ssn { get; set; }

        public string? Code { get; set; }

        /// <summary>Makes one by its number and name, such as <c>7 ada</c>: five values, one of them with a blind index.</summary>
        public static Person Of(string name)
            => new()
            {
                Id = int.Parse(name.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture),
                Plain = "in clear text",
                Name = name,
                Note = $"note of {name}",
                Born = new DateOnly(1815, 12, 10),
                Ssn = $"ssn of {name}",
                Code = "code",
            };
    }
}
