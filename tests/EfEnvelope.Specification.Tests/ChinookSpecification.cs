using System.Buffers.Binary;
using System.ComponentModel.DataAnnotations;
using System.ComponentModel.DataAnnotations.Schema;
using System.Globalization;
using System.Text;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>
/// The people of the Chinook sample database, read in clear text past EF Core, kept encrypted, and looked for in everything the server stores.
/// </summary>
public abstract class ChinookSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    public static IReadOnlyList<string> CustomerColumns { get; } =
    [
        "CustomerId", "FirstName", "LastName", "Company", "Address", "City", "State", "Country", "PostalCode", "Phone", "Fax", "Email", "SupportRepId",
    ];

    public static IReadOnlyList<string> EmployeeColumns { get; } =
    [
        "EmployeeId", "LastName", "FirstName", "Title", "ReportsTo", "BirthDate", "HireDate", "Address", "City", "State", "Country", "PostalCode",
        "Phone", "Fax", "Email",
    ];

    /// <summary>Reads all rows of an original table, in the order of its key and with the columns in the order given.</summary>
    protected abstract Task<List<object?[]>> ReadOriginalsAsync(string table, IReadOnlyList<string> columns);

    /// <summary>Returns every byte that the server keeps of the encrypted database.</summary>
    protected abstract Task<byte[]> DumpAsync();

    [Fact]
    public async Task Every_customer_and_employee_reads_back_as_it_was()
    {
        var (customers, employees) = await CopyAsync();

        await using var context = new ChinookContext(Options<ChinookContext>());
        var storedCustomers = await context.Customers.OrderBy(c => c.CustomerId).ToListAsync();
        var storedEmployees = await context.Employees.OrderBy(e => e.EmployeeId).ToListAsync();

        Assert.Equal(59, storedCustomers.Count);
        Assert.Equal(8, storedEmployees.Count);
        Assert.Equal(customers.Select(c => c.ToRow()), storedCustomers.Select(c => c.ToRow()));
        Assert.Equal(employees.Select(e => e.ToRow()), storedEmployees.Select(e => e.ToRow()));
        Assert.Contains(storedCustomers, c => c.City == "São José dos Campos");
        Assert.Contains(storedCustomers, c => c.Fax is null);
        Assert.Contains(storedEmployees, e => e.BirthDate == new DateTime(1962, 2, 18));
        Assert.Equal(storedEmployees[0].FirstName, storedEmployees[1].Manager!.FirstName);
    }

    [Fact]
    public async Task Plain_columns_beside_the_encrypted_ones_are_still_searched_and_joined_by_the_database()
    {
        await CopyAsync();

        await using var context = new ChinookContext(Options<ChinookContext>());
        var perAgent = await context.Customers.Where(c => c.SupportRepId == 3)
            .Select(c => new { c.Email, Agent = c.SupportRep!.Email }).ToListAsync();

        Assert.Equal(21, perAgent.Count);
        Assert.All(perAgent, row => Assert.Equal("jane@chinookcorp.com", row.Agent));
    }

    [Fact]
    public async Task No_personal_value_is_found_in_anything_the_server_keeps()
    {
        await using (var empty = new ChinookContext(Options<ChinookContext>()))
            await empty.Database.EnsureCreatedAsync();
        var metadata = await DumpAsync();
        var (customers, employees) = await CopyAsync();
        var values = FindLongValues(customers, employees);
        Assert.InRange(values.Count, 350, 700);

        // Words that the schema itself holds prove nothing when they are found: none of the originals may be one, or it is listed here.
        string[] wordsOfTheSchema = [];
        Assert.Equal(wordsOfTheSchema, values.Where(v => IsIn(metadata, v)).Order(StringComparer.Ordinal));

        var dump = await DumpAsync();
        Assert.True(dump.Length > metadata.Length);
        Assert.Empty(values.Except(wordsOfTheSchema).Where(v => IsIn(dump, v)));
        Assert.Empty(employees.SelectMany(e => new[] { e.BirthDate, e.HireDate }).OfType<DateTime>().Where(d => IsIn(dump, d)));
    }

    [Fact]
    public async Task The_search_finds_what_is_planted_in_a_plain_column()
    {
        var (customers, employees) = await CopyAsync();
        var values = FindLongValues(customers, employees);
        await using (var context = new ChinookContext(Options<ChinookContext>()))
        {
            var luis = await context.Customers.SingleAsync(c => c.CustomerId == 1);
            luis.Remark = $"Moved from {luis.City}.";
            luis.Scan = Encoding.Unicode.GetBytes(luis.Email);
            luis.Seen = employees[0].BirthDate;
            await context.SaveChangesAsync();
        }

        var dump = await DumpAsync();

        Assert.Equal(["São José dos Campos", "luisg@embraer.com.br"], values.Where(v => IsIn(dump, v)));
        Assert.Contains(employees, e => e.BirthDate is { } date && IsIn(dump, date));
    }

    private async Task<(List<Customer> Customers, List<Employee> Employees)> CopyAsync()
    {
        var employees = (await ReadOriginalsAsync("Employee", EmployeeColumns)).Select(Employee.FromRow).ToList();
        var customers = (await ReadOriginalsAsync("Customer", CustomerColumns)).Select(Customer.FromRow).ToList();
        await using var context = new ChinookContext(Options<ChinookContext>());
        await context.Database.EnsureCreatedAsync();
        context.AddRange(employees);
        context.AddRange(customers);
        await context.SaveChangesAsync();
        return (customers, employees);
    }

    private static List<string> FindLongValues(List<Customer> customers, List<Employee> employees)
        => customers.SelectMany(c => c.ToRow().Skip(1)).Concat(employees.SelectMany(e => e.ToRow().Skip(1)))
            .OfType<string>().Where(v => v.Length > 5 && !IsInDumpsByChance(v)).Distinct().ToList();

    // A dump prints random bytes as hexadecimal digits, among which a postal code of six digits is found every few runs.
    private static bool IsInDumpsByChance(string value) => value.Length < 10 && value.All(char.IsAsciiHexDigitLower);

    // As text, as UTF-16, and both as a dump prints binary columns.
    private static bool IsIn(byte[] dump, string value)
        => new[] { Encoding.UTF8, Encoding.Unicode, Encoding.BigEndianUnicode }.Select(e => e.GetBytes(value))
            .Any(bytes => dump.AsSpan().IndexOf(bytes) >= 0 || dump.AsSpan().IndexOf(ToHex(bytes)) >= 0);

    private static bool IsIn(byte[] dump, DateTime value)
    {
        var (little, big) = (new byte[8], new byte[8]);
        BinaryPrimitives.WriteInt64LittleEndian(little, value.Ticks);
        BinaryPrimitives.WriteInt64BigEndian(big, value.Ticks);
        return IsIn(dump, value.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture))
            || new[] { little, big }.Any(bytes => dump.AsSpan().IndexOf(bytes) >= 0 || dump.AsSpan().IndexOf(ToHex(bytes)) >= 0);
    }

    private static byte[] ToHex(byte[] bytes) => Encoding.ASCII.GetBytes(Convert.ToHexStringLower(bytes));

    public sealed class ChinookContext(DbContextOptions<ChinookContext> options) : DbContext(options)
    {
        public DbSet<Customer> Customers => Set<Customer>();

        public DbSet<Employee> Employees => Set<Employee>();

        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            modelBuilder.Entity<Customer>().Property(c => c.CustomerId).ValueGeneratedNever();
            modelBuilder.Entity<Employee>().Property(e => e.EmployeeId).ValueGeneratedNever();
        }
    }

    public sealed class Customer
    {
        public int CustomerId { get; init; }

        [Encrypted, MaxLength(40)]
        public required string FirstName { get; init; }

        [Encrypted, MaxLength(20)]
        public required string LastName { get; init; }

        [Encrypted, MaxLength(80)]
        public string? Company { get; init; }

        [Encrypted, MaxLength(70)]
        public string? Address { get; init; }

        [Encrypted, MaxLength(40)]
        public string? City { get; init; }

        [Encrypted, MaxLength(40)]
        public string? State { get; init; }

        [Encrypted, MaxLength(40)]
        public string? Country { get; init; }

        [Encrypted, MaxLength(10)]
        public string? PostalCode { get; init; }

        [Encrypted, MaxLength(24)]
        public string? Phone { get; init; }

        [Encrypted, MaxLength(24)]
        public string? Fax { get; init; }

        [Encrypted, MaxLength(60)]
        public required string Email { get; init; }

        public int? SupportRepId { get; init; }

        public Employee? SupportRep { get; init; }

        public string? Remark { get; set; }

        public byte[]? Scan { get; set; }

        [Column(TypeName = "date")]
        public DateTime? Seen { get; set; }

        public static Customer FromRow(object?[] row)
            => new()
            {
                CustomerId = Convert.ToInt32(row[0], CultureInfo.InvariantCulture),
                FirstName = (string)row[1]!,
                LastName = (string)row[2]!,
                Company = (string?)row[3],
                Address = (string?)row[4],
                City = (string?)row[5],
                State = (string?)row[6],
                Country = (string?)row[7],
                PostalCode = (string?)row[8],
                Phone = (string?)row[9],
                Fax = (string?)row[10],
                Email = (string)row[11]!,
                SupportRepId = row[12] is null ? null : Convert.ToInt32(row[12], CultureInfo.InvariantCulture),
            };

        public object?[] ToRow()
            => [CustomerId, FirstName, LastName, Company, Address, City, State, Country, PostalCode, Phone, Fax, Email, SupportRepId];
    }

    public sealed class Employee
    {
        public int EmployeeId { get; init; }

        [Encrypted, MaxLength(20)]
        public required string LastName { get; init; }

        [Encrypted, MaxLength(20)]
        public required string FirstName { get; init; }

        [Encrypted, MaxLength(30)]
        public string? Title { get; init; }

        [ForeignKey(nameof(Manager))]
        public int? ReportsTo { get; init; }

        public Employee? Manager { get; init; }

        [Encrypted]
        public DateTime? BirthDate { get; init; }

        [Encrypted]
        public DateTime? HireDate { get; init; }

        [Encrypted, MaxLength(70)]
        public string? Address { get; init; }

        [Encrypted, MaxLength(40)]
        public string? City { get; init; }

        [Encrypted, MaxLength(40)]
        public string? State { get; init; }

        [Encrypted, MaxLength(40)]
        public string? Country { get; init; }

        [Encrypted, MaxLength(10)]
        public string? PostalCode { get; init; }

        [Encrypted, MaxLength(24)]
        public string? Phone { get; init; }

        [Encrypted, MaxLength(24)]
        public string? Fax { get; init; }

        [Encrypted, MaxLength(60)]
        public string? Email { get; init; }

        public static Employee FromRow(object?[] row)
            => new()
            {
                EmployeeId = Convert.ToInt32(row[0], CultureInfo.InvariantCulture),
                LastName = (string)row[1]!,
                FirstName = (string)row[2]!,
                Title = (string?)row[3],
                ReportsTo = row[4] is null ? null : Convert.ToInt32(row[4], CultureInfo.InvariantCulture),
                BirthDate = ToDate(row[5]),
                HireDate = ToDate(row[6]),
                Address = (string?)row[7],
                City = (string?)row[8],
                State = (string?)row[9],
                Country = (string?)row[10],
                PostalCode = (string?)row[11],
                Phone = (string?)row[12],
                Fax = (string?)row[13],
                Email = (string?)row[14],
            };

        public object?[] ToRow()
            =>
            [
                EmployeeId, LastName, FirstName, Title, ReportsTo, BirthDate, HireDate, Address, City, State, Country, PostalCode, Phone, Fax, Email,
            ];

        private static DateTime? ToDate(object? value)
            => value is null ? null : Convert.ToDateTime(value, CultureInfo.InvariantCulture);
    }
}
