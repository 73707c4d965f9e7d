using System.ComponentModel.DataAnnotations.Schema;
using System.Text.Json;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>However a type is mapped, what a unique index compares has a second column and a second index, and both are kept right.</summary>
public abstract class UniqueMappingSpecification(TestDatabase database) : AdHocSpecification(database)
{
    [Theory]
    [InlineData("TPH")]
    [InlineData("TPT")]
    [InlineData("TPC")]
    public async Task Every_type_of_a_hierarchy_has_its_second_columns(string strategy)
    {
        await CreateAsync(
            b =>
            {
                var animal = b.Entity<Animal>();
                _ = strategy switch { "TPT" => animal.UseTptMappingStrategy(), "TPC" => animal.UseTpcMappingStrategy(), _ => animal.UseTphMappingStrategy() };
                animal.Property(a => a.Id).ValueGeneratedNever();
                animal.Property(a => a.Tag).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(50);
                animal.HasIndex(a => a.Tag).IsUnique();
                animal.Property(a => a.Nick).IsEncrypted().HasBlindIndex(isUnique: true);
                b.Entity<Dog>().Property(d => d.Chip).IsEncrypted().HasBlindIndex(isUnique: true);

                // In one table they share their column; unique it is then for both, although one alone asks for that.
                b.Entity<Dog>().Property(d => d.Name).IsEncrypted(EncryptionMode.Deterministic, context: "names").HasMaxLength(50).HasColumnName("Name");
                b.Entity<Dog>().HasIndex(d => d.Name).IsUnique();
                b.Entity<Cat>().Property(c => c.Name).IsEncrypted(EncryptionMode.Deterministic, context: "names").HasMaxLength(50).HasColumnName("Name");
            });
        await SaveAsync(new Animal { Id = 1, Tag = "t-1", Nick = "n-1" }, new Dog { Id = 2, Tag = "t-2", Nick = "n-2", Chip = "c-2", Name = "d-2" });
        await RotateAsync();
        await SaveAsync(new Dog { Id = 3, Tag = "t-3", Nick = "n-3", Chip = "c-3", Name = "d-3" }, new Cat { Id = 4, Tag = "t-4", Nick = "n-4", Name = "d-4" });

        var (tables, dogs, cats) = strategy switch
        {
            "TPH" => (["Animal"], "Animal", "Animal"),
            "TPT" => (["Animal"], "Dog", "Cat"),
            _ => (new[] { "Animal", "Dog", "Cat" }, "Dog", "Cat"),
        };
        Assert.Equal([3, 4], await FilledAsync("Tag_Next", tables));
        Assert.Equal([3, 4], await FilledAsync("Nick_BlindIndex_Next", tables));
        Assert.Equal([3], await FilledAsync("Chip_BlindIndex_Next", dogs));
        Assert.Equal(strategy == "TPH" ? [3, 4] : [3], await FilledAsync("Name_Next", dogs));
        await using var db = Open();
        Assert.Equal(strategy == "TPH", db.Model.FindEntityType(typeof(Cat))!.FindProperty("Name_Next") is not null);
        Assert.Equal(4, (await db.Set<Animal>().SingleAsync(a => a.Tag == "t-4" && a.Nick == "n-4")).Id);
        Assert.Equal([1, 2, 3, 4], (await db.Set<Animal>().ToListAsync()).Select(a => a.Id).Order());
        Assert.Equal(1, await db.Set<Dog>().Where(d => d.Id == 2).ExecuteUpdateAsync(s => s.SetProperty(d => d.Name, "d-0").SetProperty(d => d.Chip, "c-0")));
        Assert.Equal([2, 3], (await FilledAsync("Name_Next", dogs)).Except([4]));
        Assert.Equal([2, 3], await FilledAsync("Chip_BlindIndex_Next", dogs));
        await RefuseDuplicateAsync(new Dog { Id = 5, Tag = "t-5", Nick = "n-5", Chip = "c-3" });
        await RefuseDuplicateAsync(new Dog { Id = 5, Tag = "t-5", Nick = "n-5", Name = "d-3" });
        if (strategy != "TPC")
            await RefuseDuplicateAsync(new Cat { Id = 5, Tag = "t-3", Nick = "n-5" });
        if (strategy == "TPH")
            await RefuseDuplicateAsync(new Cat { Id = 5, Tag = "t-5", Nick = "n-5", Name = "d-3" });
    }

    [Fact]
    public async Task Second_columns_of_split_and_owned_types_stand_beside_the_first()
    {
        await CreateAsync(
            b => b.Entity<Customer>(
                customer =>
                {
                    customer.Property(c => c.Id).ValueGeneratedNever();
                    customer.Property(c => c.Mail).IsEncrypted().HasBlindIndex(isUnique: true);
                    customer.Property(c => c.Card).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(50);
                    customer.HasIndex(c => c.Card).IsUnique();
                    customer.ToTable("Customers").SplitToTable(
                        "Details",
                        d =>
                        {
                            d.Property(c => c.Mail);
                            d.Property(c => c.Card).HasColumnName("CardNumber");
                        });
                    customer.OwnsOne(
                        c => c.Home,
                        home =>
                        {
                            home.Property(h => h.Door).IsEncrypted().HasBlindIndex(isUnique: true);
                            home.Property(h => h.Gate).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(50);
                            home.HasIndex(h => h.Gate).IsUnique();
                        });
                    customer.OwnsMany(
                        c => c.Others,
                        other =>
                        {
                            other.ToTable("Others").Property(o => o.Gate).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(50);
                            other.Property(o => o.Door).HasMaxLength(50);
                            other.HasKey("CustomerId", nameof(Address.Door));
                            other.HasIndex(o => o.Gate).IsUnique();
                        });
                }));
        await SaveAsync(Customer.Of(1));
        await RotateAsync();
        await SaveAsync(Customer.Of(2));

        foreach (var (table, column) in new[]
        {
            ("Details", "Mail_BlindIndex_Next"), ("Details", "CardNumber_Next"), ("Customers", "Home_Door_BlindIndex_Next"), ("Customers", "Home_Gate_Next"),
        })
            Assert.Equal([2], await FilledAsync(column, table));
        Assert.Equal(
            [2],
            (await Database.QueryAsync($"SELECT {Database.Quote("CustomerId")} FROM {Database.Quote("Others")} WHERE {Database.Quote("Gate_Next")} IS NOT NULL"))
            .Select(id => Convert.ToInt32(id, null)));
        await using (var db = Open())
        {
            var customer = await db.Set<Customer>().SingleAsync(c => c.Mail == "m-1" && c.Card == "c-1" && c.Home!.Door == "d-1" && c.Home.Gate == "g-1");
            (customer.Mail, customer.Card, customer.Home!.Door, customer.Home.Gate) = ("m-3", "c-3", "d-3", "g-3");
            await db.SaveChangesAsync();
        }

        Assert.Equal([1, 2], await FilledAsync("CardNumber_Next", "Details"));
        Assert.Equal([1, 2], await FilledAsync("Home_Door_BlindIndex_Next", "Customers"));
    }

    [Fact]
    public async Task Types_that_share_a_row_share_its_second_columns()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Account>(
                    e =>
                    {
                        e.ToTable("Accounts").Property(a => a.Id).ValueGeneratedNever();
                        e.Property(a => a.Mail).HasColumnName("Mail").IsEncrypted(EncryptionMode.Deterministic, context: "Accounts.Mail").HasMaxLength(50);
                        e.Property(a => a.Name).HasColumnName("Name").IsEncrypted(context: "Accounts.Name").HasBlindIndex(isUnique: true);
                        e.HasIndex(a => a.Mail).IsUnique();
                        e.HasOne(a => a.Profile).WithOne().HasForeignKey<Profile>(p => p.Id);
                        e.Navigation(a => a.Profile).IsRequired();
                    });
                b.Entity<Profile>(
                    e =>
                    {
                        e.ToTable("Accounts").Property(p => p.Mail).HasColumnName("Mail").IsEncrypted(EncryptionMode.Deterministic, context: "Accounts.Mail").HasMaxLength(50);
                        e.Property(p => p.Name).HasColumnName("Name").IsEncrypted(context: "Accounts.Name").HasBlindIndex(isUnique: true);
                    });
            });
        await RotateAsync();
        await SaveAsync(new Account { Id = 1, Mail = "m-1", Name = "n-1", Profile = new Profile { Id = 1, Mail = "m-1", Name = "n-1" } });

        Assert.Equal([1], await FilledAsync("Mail_Next", "Accounts"));
        Assert.Equal([1], await FilledAsync("Name_BlindIndex_Next", "Accounts"));
        await using var db = Open();
        Assert.Equal(1, (await db.Set<Profile>().SingleAsync(p => p.Mail == "m-1" && p.Name == "n-1")).Id);
        Assert.Equal(1, await db.Set<Account>().ExecuteUpdateAsync(s => s.SetProperty(a => a.Mail, "m-2").SetProperty(a => a.Name, "n-2")));
        Assert.Equal(1, (await db.Set<Account>().SingleAsync(a => a.Mail == "m-2" && a.Name == "n-2")).Id);
    }

    [Fact]
    public async Task Indexes_are_copied_as_they_were_asked_for()
    {
        var (id, code) = (Database.Quote("Id"), Database.Quote("Code"));
        await CreateAsync(
            b => b.Entity<Thing>(
                thing =>
                {
                    thing.Property(t => t.Id).ValueGeneratedNever();
                    thing.Property(t => t.Code).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text).HasMaxLength(50);
                    thing.Property(t => t.Label).IsEncrypted().HasBlindIndex();
                    thing.HasIndex(t => t.Code, "Codes").IsUnique().HasFilter($"{id} > 1 AND {code} IS NOT NULL");
                    thing.HasIndex(t => new { t.Id, t.Code, t.Label }).IsUnique().IsDescending(false, true, false).HasDatabaseName("All");
                    thing.HasIndex(t => new { t.Label, t.Id });
                }));

        await using (var db = Open())
        {
            var type = db.GetService<IDesignTimeModel>().Model.FindEntityType(typeof(Thing))!;
            Assert.Equal(
                [
                    "All: Id, Code, Label_BlindIndex; unique",
                    "All_Next: Id, Code_Next, Label_BlindIndex_Next; unique",
                    "Codes: Code; unique",
                    "Codes_Next: Code_Next; unique",
                    "IX_Thing_Label_BlindIndex_Id: Label_BlindIndex, Id; not",
                ],
                type.GetIndexes().Select(i => $"{i.GetDatabaseName()}: {string.Join(", ", i.Properties.Select(p => p.GetColumnName()))}; {(i.IsUnique ? "unique" : "not")}").Order(StringComparer.Ordinal));
            var named = type.GetIndexes().ToDictionary(i => i.GetDatabaseName()!);
            Assert.Equal($"{id} > 1 AND {code} IS NOT NULL AND {Database.Quote("Code_Next")} IS NOT NULL", named["Codes_Next"].GetFilter());
            Assert.Equal([false, true, false], named["All_Next"].IsDescending);
            foreach (var (main, carrier) in new[] { ("Code", typeof(TextEnvelope)), ("Label_BlindIndex", typeof(Envelope)) })
            {
                var (first, next) = (type.FindProperty(main)!, type.FindProperty($"{main}_Next")!);
                Assert.True(next.IsNullable && next.IsShadowProperty() && next.ClrType == carrier);
                Assert.Equal((first.GetMaxLength(), first.GetColumnType()), (next.GetMaxLength(), next.GetColumnType()));
                Assert.DoesNotContain(type.GetCheckConstraints(), c => c.Sql.Contains($"{main}_Next", StringComparison.Ordinal) && !c.ModelName.EndsWith("_IsEnvelope", StringComparison.Ordinal));
            }
        }

        // The filter leaves out the first row, of both indexes.
        await RotateAsync();
        await SaveAsync(new Thing { Id = 1, Code = "c" }, new Thing { Id = 2, Code = "c" }, new Thing { Id = 3 }, new Thing { Id = 4 });
        await RefuseDuplicateAsync(new Thing { Id = 5, Code = "c" });
    }

    [Fact]
    public async Task Names_that_are_as_long_as_the_database_allows_are_shortened()
    {
        var column = new string('c', 60);
        await CreateAsync(
            b =>
            {
                b.Entity<Thing>().Property(t => t.Code).HasColumnName(column).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(50);
                b.Entity<Thing>().HasIndex(t => t.Code, new string('i', 60)).IsUnique();
                b.Entity<Thing>().Property(t => t.Label).IsEncrypted().HasBlindIndex(isUnique: true);
            });

        await using var db = Open();
        var next = db.Model.FindEntityType(typeof(Thing))!.FindProperty("Code_Next")!.GetColumnName();
        Assert.StartsWith("ccccc", next, StringComparison.Ordinal);
        Assert.EndsWith("c_Next", next, StringComparison.Ordinal);
        Assert.InRange(next.Length, 60, db.Model.GetMaxIdentifierLength());
        await RotateAsync();
        await SaveAsync(new Thing { Id = 1, Code = "c" });
        await RefuseDuplicateAsync(new Thing { Id = 2, Code = "c" });
        Assert.Equal([1], await FilledAsync(next, "Thing"));
    }

    [Fact]
    public async Task The_encryption_map_says_whose_second_column_one_is()
    {
        await CreateAsync(
            b => b.Entity<Thing>(
                thing =>
                {
                    thing.Property(t => t.Code).HasColumnName("TheCode").IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text).HasMaxLength(50);
                    thing.Property(t => t.Label).IsEncrypted().HasBlindIndex(Normalization.Trimmed, isUnique: true);
                    thing.Property(t => t.Other).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(50);
                    thing.HasIndex(t => t.Code).IsUnique();
                    thing.HasIndex(t => t.Other).IsUnique();
                }));

        var columns = new[] { "Label_BlindIndex", "Label_BlindIndex_Next", "Other", "Other_Next", "TheCode", "TheCode_Next" };
        Assert.Equal(["Label", .. columns], await Database.QueryAsync($"SELECT {Database.Quote("ColumnName")} FROM {Database.Quote("__EnvelopeMap")} ORDER BY 1"));
        foreach (var column in new[] { "Label_BlindIndex", "Other", "TheCode" })
        {
            foreach (var equal in new[] { "Field", "Mode", "PlaintextType" })
                Assert.Equal(await ReadMapAsync(column, equal), await ReadMapAsync($"{column}_Next", equal));
        }

        Assert.Null(await ReadMapAsync("Other", "Definition"));
        Assert.Equal("""{"nextOf":"Other"}""", await ReadMapAsync("Other_Next", "Definition"));
        Assert.Equal("""{"storage":"text","allowsPlaintext":false}""", await ReadMapAsync("TheCode", "Definition"));
        Assert.Equal("""{"storage":"text","allowsPlaintext":false,"nextOf":"TheCode"}""", await ReadMapAsync("TheCode_Next", "Definition"));
        var (main, next) = (await ReadDefinitionAsync("Label_BlindIndex"), await ReadDefinitionAsync("Label_BlindIndex_Next"));
        Assert.False(main.ContainsKey("NextOf"));
        Assert.True(next.Remove("NextOf", out var nextOf));
        Assert.Equal("Label_BlindIndex", nextOf.GetString());
        Assert.Equal(main.Select(p => (p.Key, p.Value.ToString())), next.Select(p => (p.Key, p.Value.ToString())));
        Assert.True(main["IsUnique"].GetBoolean());
    }

    [Fact]
    public async Task A_view_needs_no_second_columns()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Thing>().ToTable("Things").Property(t => t.Label).IsEncrypted(context: "Things.Label").HasBlindIndex(isUnique: true);
                b.Entity<ThingView>().HasNoKey().ToView("ThingView").Property(t => t.Label).IsEncrypted(context: "Things.Label").HasBlindIndex(isUnique: true);
            });
        var columns = string.Join(", ", new[] { "Id", "Label", "Label_BlindIndex" }.Select(Database.Quote));
        await Database.QueryAsync($"CREATE VIEW {Database.Quote("ThingView")} AS SELECT {columns} FROM {Database.Quote("Things")}");
        await SaveAsync(new Thing { Id = 1, Label = "l" });

        await using var db = Open();
        Assert.Equal(1, (await db.Set<ThingView>().SingleAsync(v => v.Label == "l")).Id);
    }

    private async Task RotateAsync()
    {
        await using var db = Open();
        while ((await db.Database.GetEnvelopeKeysAsync()).Count < 2)
            await db.Database.RotateEnvelopeKeyAsync(TimeSpan.Zero, includeSearch: true);
    }

    private async Task RefuseDuplicateAsync(object entity)
    {
        var e = await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(entity));
        Assert.Contains("unique", e.InnerException!.Message, StringComparison.OrdinalIgnoreCase);
    }

    private async Task<List<int>> FilledAsync(string column, params string[] tables)
    {
        var ids = new List<int>();
        foreach (var table in tables)
        {
            ids.AddRange(
                (await Database.QueryAsync($"SELECT {Database.Quote("Id")} FROM {Database.Quote(table)} WHERE {Database.Quote(column)} IS NOT NULL"))
                .Select(id => Convert.ToInt32(id, null)));
        }

        return [.. ids.Order()];
    }

    private async Task<string?> ReadMapAsync(string column, string what)
        => (string?)Assert.Single(
            await Database.QueryAsync(
                $"SELECT {Database.Quote(what)} FROM {Database.Quote("__EnvelopeMap")} WHERE {Database.Quote("ColumnName")} = '{column}'"));

    private async Task<Dictionary<string, JsonElement>> ReadDefinitionAsync(string column)
        => JsonSerializer.Deserialize<Dictionary<string, JsonElement>>((await ReadMapAsync(column, "Definition"))!)!;

    public class Animal
    {
        public int Id { get; set; }

        public required string Tag { get; set; }

        public required string Nick { get; set; }
    }

    public sealed class Dog : Animal
    {
        public string? Chip { get; set; }

        public string? Name { get; set; }
    }

    public sealed class Cat : Animal
    {
        public string? Name { get; set; }
    }

    public sealed class Customer
    {
        public int Id { get; set; }

        public required string Mail { get; set; }

        public required string Card { get; set; }

        public string? Note { get; set; }

        public Address? Home { get; set; }

        public List<Address> Others { get; set; } = [];

        public static Customer Of(int id)
            => new()
            {
                Id = id, Mail = $"m-{id}", Card = $"c-{id}", Home = new Address { Door = $"d-{id}", Gate = $"g-{id}" },
                Others = [new Address { Door = "plain", Gate = $"o-{id}" }],
            };
    }

    public sealed class Address
    {
        public required string Door { get; set; }

        public required string Gate { get; set; }
    }

    public sealed class Account
    {
        public int Id { get; set; }

        public required string Mail { get; set; }

        public required string Name { get; set; }

        public required Profile Profile { get; set; }
    }

    public sealed class Profile
    {
        public int Id { get; set; }

        public required string Mail { get; set; }

        public required string Name { get; set; }
    }

    public sealed class Thing
    {
        [DatabaseGenerated(DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        public string? Code { get; set; }

        public string? Label { get; set; }

        public string? Other { get; set; }
    }

    public sealed class ThingView
    {
        public int Id { get; set; }

        public string? Label { get; set; }
    }
}
