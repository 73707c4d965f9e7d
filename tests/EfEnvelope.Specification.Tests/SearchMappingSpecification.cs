using System.ComponentModel.DataAnnotations.Schema;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Equality finds the right rows however a type is mapped: hierarchies, tables that are split or shared, views, compound indexes over what is alike.</summary>
public abstract class SearchMappingSpecification(TestDatabase database) : AdHocSpecification(database)
{
    [Theory]
    [InlineData("TPH")]
    [InlineData("TPT")]
    [InlineData("TPC")]
    public async Task Properties_of_all_types_of_a_hierarchy_are_found(string strategy)
    {
        await CreateAsync(b => BuildHierarchy(b, strategy));
        await SaveAsync(
            new Animal { Id = 1, Tag = "t-1", Nick = "n-1" }, new Dog { Id = 2, Tag = "t-2", Nick = "n-2", Chip = "c-2" },
            new Puppy { Id = 3, Tag = "t-1", Nick = "n-1", Chip = "c-3", Toy = "y-3" }, new Cat { Id = 4, Purr = "p-4" });

        await using var db = Open();
        await AssertFoundAsync([1, 3], db.Set<Animal>().Where(a => a.Tag == "t-1"));
        await AssertFoundAsync([2, 4], db.Set<Animal>().Where(a => a.Tag != "t-1"));
        await AssertFoundAsync([1, 3], db.Set<Animal>().Where(a => a.Nick == "n-1"));
        await AssertFoundAsync([2, 4], db.Set<Animal>().Where(a => a.Nick != "n-1"));
        await AssertFoundAsync([3], db.Set<Animal>().OfType<Dog>().Where(d => d.Nick == "n-1"));
        await AssertFoundAsync([2], db.Set<Animal>().Where(a => ((Dog)a).Chip == "c-2"));
        await AssertFoundAsync([1, 3, 4], db.Set<Animal>().Where(a => ((Dog)a).Chip != "c-2"));
        await AssertFoundAsync([3], db.Set<Animal>().Where(a => new[] { "y-3", "y-9" }.Contains(((Puppy)a).Toy)));
        await AssertFoundAsync([3], db.Set<Animal>().OrderBy(a => a.Id).Skip(1).Take(3).Where(a => a.Nick == "n-1" && ((Dog)a).Chip == "c-3"));
        await AssertFoundAsync([3], db.Set<Animal>().Distinct().Where(a => a.Tag == "t-1" && ((Dog)a).Chip == "c-3"));
        await AssertFoundAsync([1, 3], db.Set<Animal>().Where(a => db.Set<Dog>().Any(d => d.Nick == a.Nick && d.Chip == "c-3")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Column_that_an_optional_part_shares_with_its_owner_is_found_through_both(bool deterministic)
    {
        await CreateAsync(
            b => b.Entity<House>(
                e =>
                {
                    Mark(e.Property(h => h.Code).HasColumnName("Code"));
                    e.OwnsOne(
                        h => h.Garage,
                        g =>
                        {
                            Mark(g.Property(x => x.Code).HasColumnName("Code"));
                            g.Property(x => x.Colour).HasColumnName("Colour");
                        });
                }));
        await SaveAsync(
            new House { Id = 1, Code = "c-1", Garage = new Garage { Code = "c-1", Colour = "red" } }, new House { Id = 2, Code = "c-1" }, new House { Id = 3, Code = "c-3" });

        await using var db = Open();
        await AssertFoundAsync([1, 2], db.Set<House>().Where(h => h.Code == "c-1"));
        await AssertFoundAsync([1], db.Set<House>().Where(h => h.Garage!.Code == "c-1"));
        await AssertFoundAsync([2, 3], db.Set<House>().Where(h => h.Garage!.Code != "c-1"));

        void Mark(Microsoft.EntityFrameworkCore.Metadata.Builders.PropertyBuilder<string?> property)
        {
            property.IsEncrypted(deterministic ? EncryptionMode.Deterministic : EncryptionMode.Randomized, context: "Houses.Code");
            if (!deterministic)
                property.HasBlindIndex();
        }
    }

    [Theory]
    [InlineData("TPH")]
    [InlineData("TPT")]
    [InlineData("TPC")]
    public async Task A_compound_index_of_a_derived_type_concerns_no_other_type(string strategy)
    {
        var create = CreateAsync(
            b =>
            {
                BuildHierarchy(b, strategy);
                b.Entity<Cat>().HasBlindIndex(c => new { c.Owner, c.Town });
            });
        if (strategy == "TPT")
        {
            // What it is computed from lies in two tables, so the model is refused.
            Assert.Contains("'Cat.Owner' and 'Cat.Town'", (await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => create)).Message);
            return;
        }

        await create;
        await SaveAsync(new Animal { Id = 1, Owner = "o-1" }, new Dog { Id = 2, Owner = "o-1" }, new Cat { Id = 3, Owner = "o-1", Town = "w-1" }, new Cat { Id = 4, Owner = "o-1" });

        await using var db = Open();
        (await db.Set<Dog>().SingleAsync()).Owner = "o-2";
        (await db.Set<Cat>().SingleAsync(c => c.Id == 3)).Owner = "o-3";
        db.Remove(await db.Set<Animal>().SingleAsync(a => a.Id == 1));
        await db.SaveChangesAsync();
        Assert.Equal(["o-2", "o-3", "o-1"], (await db.Set<Animal>().AsNoTracking().OrderBy(a => a.Id).ToListAsync()).Select(a => a.Owner));
        await AssertFoundAsync([3], db.Set<Cat>().Where(c => c.Owner == "o-3" && c.Town == "w-1"));
    }

    [Fact]
    public async Task A_compound_index_tells_columns_of_one_context_apart()
    {
        await CreateAsync(b => b.Entity<Pair>().HasBlindIndex(p => new { p.First, p.Second }));
        await SaveAsync(
            new Pair { Id = 1, First = "a", Second = "b" }, new Pair { Id = 2, First = "b", Second = "a" }, new Pair { Id = 3, First = "a", Second = "a" });

        await using var db = Open();
        await AssertFoundAsync([1], db.Set<Pair>().Where(p => p.First == "a" && p.Second == "b"));
        await AssertFoundAsync([1], db.Set<Pair>().Where(p => p.Second == "b" && p.First == "a"));
        await AssertFoundAsync([3], db.Set<Pair>().Where(p => p.First == "a" && p.Second == "a"));
        await AssertFoundAsync([2, 2], db.Set<Pair>().Concat(db.Set<Pair>()).Where(p => p.First == "b" && p.Second == "a"));
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => db.Set<Pair>().Where(p => p.First == "a" && p.Id > 0).ToListAsync());
        Assert.Contains("together", e.Message);
    }

    [Fact]
    public async Task A_blind_index_stands_in_the_table_of_its_property()
    {
        await CreateAsync(b => b.Entity<Split>().ToTable("Split").SplitToTable("SplitDetails", t => t.Property(s => s.Email)));
        await SaveAsync(new Split { Id = 1, Email = "e-1", Phone = "t-1" }, new Split { Id = 2, Email = "e-2", Phone = "t-2" }, new Split { Id = 3 });

        Assert.Equal(2, (await ReadStoredAsync("SplitDetails", "Email_BlindIndex")).OfType<byte[]>().Count());
        await using var db = Open();
        await AssertFoundAsync([1], db.Set<Split>().Where(s => s.Email == "e-1"));
        await AssertFoundAsync([2, 3], db.Set<Split>().Where(s => s.Email != "e-1"));
        await AssertFoundAsync([2], db.Set<Split>().OrderBy(s => s.Id).Take(2).Where(s => s.Email == "e-2" && s.Phone == "t-2"));
    }

    [Fact]
    public async Task Types_that_share_a_row_share_a_blind_index()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Customer>(
                    e =>
                    {
                        e.ToTable("Customers").Property(c => c.Mail).HasColumnName("Mail").IsEncrypted(context: "Customers.Mail").HasBlindIndex();
                        e.HasOne(c => c.Details).WithOne().HasForeignKey<Details>(d => d.Id);
                        e.Navigation(c => c.Details).IsRequired();
                    });
                b.Entity<Details>().ToTable("Customers").Property(d => d.Mail).HasColumnName("Mail").IsEncrypted(context: "Customers.Mail").HasBlindIndex();
            });
        await SaveAsync(
            new Customer { Id = 1, Mail = "m-1", Details = new Details { Id = 1, Mail = "m-1", More = "x" } },
            new Customer { Id = 2, Mail = "m-2", Details = new Details { Id = 2, Mail = "m-2", More = "y" } });

        await using var db = Open();
        await AssertFoundAsync([1], db.Set<Customer>().Where(c => c.Mail == "m-1"));
        await AssertFoundAsync([1], db.Set<Details>().Where(d => d.Mail == "m-1"));
        await AssertFoundAsync([1], db.Set<Customer>().Where(c => c.Details.Mail == "m-1"));
    }

    [Fact]
    public async Task A_view_and_its_table_are_found_together()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Row>().ToTable("Rows").Property(r => r.Mail).IsEncrypted(context: "Rows.Mail").HasBlindIndex();
                b.Entity<ViewRow>(
                    e =>
                    {
                        e.HasNoKey().ToView("RowView");
                        e.Property(r => r.Mail).IsEncrypted(context: "Rows.Mail").HasBlindIndex();
                    });
            });
        await Database.QueryAsync($"CREATE VIEW {Database.Quote("RowView")} AS SELECT * FROM {Database.Quote("Rows")}");
        await SaveAsync(new Row { Id = 1, Mail = "m-1" }, new Row { Id = 2, Mail = "m-2" });

        await using var db = Open();
        Assert.Equal([1], await db.Set<ViewRow>().Where(r => r.Mail == "m-1").Select(r => r.Id).ToListAsync());
        Assert.Equal([1, 2], await db.Set<ViewRow>().Join(db.Set<Row>(), r => r.Mail, r => r.Mail, (v, r) => v.Id).OrderBy(id => id).ToListAsync());
        Assert.Equal(
            [1, 1],
            await db.Set<ViewRow>().Select(r => new { r.Id, r.Mail }).Concat(db.Set<Row>().Select(r => new { r.Id, r.Mail })).Where(r => r.Mail == "m-1").Select(r => r.Id).ToListAsync());
    }

    [Fact]
    public async Task A_first_part_of_one_type_does_not_concern_another_of_the_same_interface()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Address>().Property(a => a.Zip).IsEncrypted().HasBlindIndex(projection: BlindIndexProjection.First, characters: 3);
                b.Entity<Depot>();
            });
        await SaveAsync(new Address { Id = 1, Zip = "12345" }, new Depot { Id = 1, Zip = "12345" });

        await using var db = Open();
        Assert.Equal([1], await WithZip(db.Set<Address>(), "123").Select(a => a.Id).ToListAsync());
        Assert.Equal([1], await WithZip(db.Set<Depot>(), "1").Select(d => d.Id).ToListAsync());
        Assert.Equal([1], await db.Set<Depot>().Where(d => ((IHasZip)d).Zip.StartsWith("1")).Select(d => d.Id).ToListAsync());
    }

    private static void BuildHierarchy(ModelBuilder b, string strategy)
    {
        var animal = b.Entity<Animal>();
        b.Entity<Dog>();
        b.Entity<Puppy>();
        b.Entity<Cat>();
        _ = strategy switch
        {
            "TPT" => animal.UseTptMappingStrategy(),
            "TPC" => animal.UseTpcMappingStrategy(),
            _ => animal.UseTphMappingStrategy(),
        };
        animal.Property(a => a.Id).ValueGeneratedNever();
    }

    private static IQueryable<T> WithZip<T>(IQueryable<T> all, string start)
        where T : IHasZip
        => all.Where(a => a.Zip.StartsWith(start));

    private static async Task AssertFoundAsync<T>(int[] expected, IQueryable<T> query)
        where T : class
        => Assert.Equal(expected, (await query.Select(e => EF.Property<int>(e, "Id")).ToListAsync()).Order());

    private class Animal
    {
        public int Id { get; set; }

        [Encrypted(EncryptionMode.Deterministic)]
        public string? Tag { get; set; }

        [Encrypted, BlindIndex]
        public string? Nick { get; set; }

        [Encrypted]
        public string? Owner { get; set; }
    }

    private class Dog : Animal
    {
        [Encrypted, BlindIndex]
        public string? Chip { get; set; }
    }

    private sealed class Puppy : Dog
    {
        [Encrypted, BlindIndex]
        public string? Toy { get; set; }
    }

    private sealed class Cat : Animal
    {
        [Encrypted, BlindIndex]
        public string? Purr { get; set; }

        [Encrypted]
        public string? Town { get; set; }
    }

    private sealed class Pair
    {
        [DatabaseGenerated(DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        [Encrypted(Context = "Pair.Value")]
        public string? First { get; set; }

        [Encrypted(Context = "Pair.Value")]
        public string? Second { get; set; }
    }

    private sealed class Split
    {
        [DatabaseGenerated(DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        [Encrypted, BlindIndex]
        public string? Email { get; set; }

        [Encrypted, BlindIndex]
        public string? Phone { get; set; }
    }

    private sealed class House
    {
        [DatabaseGenerated(DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        public string? Code { get; set; }

        public Garage? Garage { get; set; }
    }

    private sealed class Garage
    {
        public string? Code { get; set; }

        public string? Colour { get; set; }
    }

    private sealed class Customer
    {
        [DatabaseGenerated(DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        public string? Mail { get; set; }

        public Details Details { get; set; } = null!;
    }

    private sealed class Details
    {
        public int Id { get; set; }

        public string? Mail { get; set; }

        public string More { get; set; } = "";
    }

    private sealed class Row
    {
        [DatabaseGenerated(DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        public string? Mail { get; set; }
    }

    private sealed class ViewRow
    {
        public int Id { get; set; }

        public string? Mail { get; set; }
    }

    private interface IHasZip
    {
        string Zip { get; }
    }

    private sealed class Address : IHasZip
    {
        [DatabaseGenerated(DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        public string Zip { get; set; } = "";
    }

    private sealed class Depot : IHasZip
    {
        [DatabaseGenerated(DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        public string Zip { get; set; } = "";
    }
}
