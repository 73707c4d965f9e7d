using System.ComponentModel.DataAnnotations;
using System.ComponentModel.DataAnnotations.Schema;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Properties that share a column are encrypted alike, or the model is refused; what no table holds names its context.</summary>
public abstract class SharedColumnsSpecification(TestDatabase database) : AdHocSpecification(database)
{
    private const string Plain = "is not encrypted but shares column 'Text' with";

    private static readonly Dictionary<string, (Action<ModelBuilder> Build, string[] Says)> Models = new()
    {
        ["table splitting, plain dependent"] = (b => Split(b, order: true, detail: false), ["'Detail.Text'", Plain, "'Order.Text'", "'HasColumnName'"]),
        ["table splitting, plain principal"] = (b => Split(b, order: false, detail: true), ["'Order.Text'", Plain, "'Detail.Text'"]),
        ["siblings of one hierarchy"] = (b => Siblings(b, x => x.IsEncrypted(storage: EncryptedStorage.Text), _ => { }), ["'Bike.Text'", Plain, "'Car.Text'"]),
        ["siblings in two modes"] = (
            b => Siblings(b, x => x.IsEncrypted(), x => x.IsEncrypted(EncryptionMode.Deterministic)), ["'Bike.Text' and 'Car.Text' share column 'Text'", "the same mode", "Mark both in the same way"]),
        ["siblings under two names"] = (b => Siblings(b, x => x.IsEncrypted(context: "a"), x => x.IsEncrypted(context: "b")), ["'Bike.Text' and 'Car.Text'", "the same context ('b' and 'a')"]),
        ["siblings, one with a blind index"] = (b => Siblings(b, x => x.IsEncrypted().HasBlindIndex(), x => x.IsEncrypted()), ["'Bike.Text' and 'Car.Text'", "the same set of blind indexes"]),
        ["siblings with two normalizations"] = (
            b => Siblings(b, x => x.IsEncrypted().HasBlindIndex(), x => x.IsEncrypted().HasBlindIndex(Normalization.Email)), ["'Bike.Text' and 'Car.Text'", "the same set of blind indexes"]),
        ["siblings, one in a compound blind index"] = (
            b =>
            {
                Siblings(b, x => x.IsEncrypted(), x => x.IsEncrypted());
                b.Entity<Car>().Property(c => c.Plate).IsEncrypted();
                b.Entity<Car>().HasBlindIndex(c => new { c.Text, c.Plate });
            },
            ["'Bike.Text' and 'Car.Text'", "the same set of blind indexes"]),
        ["siblings, one being backfilled"] = (
            b => Siblings(b, x => x.IsEncrypted(storage: EncryptedStorage.Text).AllowPlaintextWhileBackfilling(), x => x.IsEncrypted(storage: EncryptedStorage.Text)),
            ["'Bike.Text' and 'Car.Text'", "the same storage"]),
        ["a keyless type over the table"] = (
            b =>
            {
                b.Entity<Order>().ToTable("Orders").Property(o => o.Text).HasColumnName("Text").IsEncrypted();
                b.Entity<Line>().HasNoKey().ToView("Orders");
            },
            ["'Line.Text'", Plain, "'Order.Text'"]),
        ["an owned type in a column of its owner"] = (
            b => b.Entity<Owner>(
                o =>
                {
                    o.Property(x => x.Note).HasColumnName("Text");
                    o.OwnsOne(x => x.Part, p => p.Property(x => x.Text).HasColumnName("Text").IsEncrypted(storage: EncryptedStorage.Text));
                }),
            ["'Owner.Note'", Plain, "Part.Text'"]),
        ["TPC and a type of one table"] = (
            b =>
            {
                b.Entity<Vehicle>().UseTpcMappingStrategy().Property(v => v.Label).HasColumnName("Text").IsEncrypted();
                b.Entity<Car>().ToTable("Cars").Ignore(c => c.Text);
                b.Entity<Bike>().ToTable("Bikes").Ignore(c => c.Text);
                b.Entity<Detail>().ToTable("Cars").HasOne<Car>().WithOne().HasForeignKey<Detail>(d => d.Id);
                b.Entity<Detail>().Property(d => d.Text).HasColumnName("Text").IsEncrypted();
            },
            ["'Detail.Text' and 'Vehicle.Label'", "the same context ("]),
        ["a SQL query in place of a set"] = (b => b.Entity<Line>().HasNoKey().ToSqlQuery("SELECT 'x' AS Text").Property(l => l.Text).IsEncrypted(), ["'Line.Text'", "not kept in a table"]),
        ["a SQL query of a type with a key"] = (b => b.Entity<Order>().ToSqlQuery("SELECT 1 AS Id, 'x' AS Text").Property(l => l.Text).IsEncrypted(), ["'Order.Text'", "not kept in a table"]),
        ["a function in place of a set"] = (
            b => { b.HasDbFunction(typeof(SharedColumnsSpecification).GetMethod(nameof(Lines))!); b.Entity<Line>().HasNoKey().ToFunction("Lines").Property(l => l.Text).IsEncrypted(); },
            ["'Line.Text'", "not kept in a table"]),
        ["a view in place of a set"] = (b => b.Entity<Line>().HasNoKey().ToView("Lines").Property(l => l.Text).IsEncrypted(), ["'Line.Text'", "not kept in a table"]),
        ["a view of nothing"] = (b => b.Entity<Line>().HasNoKey().ToView(null).Property(l => l.Text).IsEncrypted(), ["'Line.Text'", "not kept in a table"]),
        ["a metadata class"] = (b => b.Entity<Described>(), ["'Described.Text' is marked in the metadata class 'DescribedMetadata' only", "Mark the property of the class itself"]),
        ["a metadata class of a base class"] = (b => b.Entity<DescribedFurther>().HasBaseType((Type?)null), ["'DescribedFurther.Text' is marked in the metadata class 'DescribedMetadata' only"]),
        ["a blind index in a metadata class"] = (b => b.Entity<Described>().Property(d => d.Text).IsEncrypted(), ["'Described.Text' is marked in the metadata class", "without its blind index"]),
        ["a metadata class of an owned type"] = (b => b.Entity<DescribedOwner>().OwnsOne(o => o.Described), ["Described.Text' is marked in the metadata class"]),
        ["a metadata class of a complex type"] = (b => b.Entity<DescribedOwner>().ComplexProperty(o => o.Described), ["Text' is marked in the metadata class"]),
        ["a metadata class inside a type that is converted whole"] = (
            b => b.Entity<DescribedOwner>().Property(o => o.Described).HasConversion(d => d.Text, t => new Described { Text = t }), ["'DescribedOwner.Described'", "Text' inside it"]),
    };

    public static TheoryData<string> Labels => [.. Models.Keys];

    [Theory]
    [MemberData(nameof(Labels))]
    public void Model_that_could_store_plaintext_or_unreadable_values_is_refused(string label)
    {
        var (build, says) = Models[label];
        using var db = new SetContext(Database.UseProvider(new DbContextOptionsBuilder<SetContext>()).UseEnvelopeEncryption(e => e.UseKms(Kms)).ReplaceService<Microsoft.EntityFrameworkCore.Infrastructure.IModelCacheKeyFactory, SetContext.NoCache>().Options, build);
        var message = Assert.Throws<EnvelopeConfigurationException>(() => db.Model).Message;
        foreach (var part in says)
            Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.Single(message.Split(Environment.NewLine));
    }

    [Fact]
    public void Type_over_a_SQL_query_that_names_its_context_adds_no_table_to_the_map()
    {
        using var db = new SetContext(
            Database.UseProvider(new DbContextOptionsBuilder<SetContext>()).UseEnvelopeEncryption(e => e.UseKms(Kms)).ReplaceService<Microsoft.EntityFrameworkCore.Infrastructure.IModelCacheKeyFactory, SetContext.NoCache>().Options,
            b =>
            {
                b.Entity<Order>().ToTable("Kept").Property(o => o.Text).IsEncrypted(context: "texts");
                b.Entity<Line>().HasNoKey().ToSqlQuery("SELECT Text FROM Kept").AllowSqlOverCiphertext().Property(l => l.Text).IsEncrypted(context: "texts");
            });
        Assert.Null(db.Model.FindEntityType(typeof(Line))!.GetTableName());
        Assert.DoesNotContain("\"Lines\"", db.Database.GenerateCreateScript(), StringComparison.Ordinal);
        Assert.DoesNotContain("'Lines'", db.Database.GenerateCreateScript(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Type_over_a_SQL_query_reads_under_the_context_that_it_names()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Order>().ToTable("Kept").Property(o => o.Text).IsEncrypted(EncryptionMode.Deterministic, context: "texts").HasMaxLength(20);
                b.Entity<Line>().HasNoKey().ToSqlQuery($"SELECT {Database.Quote("Text")} FROM {Database.Quote("Kept")}").AllowSqlOverCiphertext()
                    .Property(l => l.Text).IsEncrypted(EncryptionMode.Deterministic, context: "texts").HasMaxLength(20);
            });
        await SaveAsync(new Order { Id = 1, Text = "london" }, new Order { Id = 2, Text = "paris" });
        await using var db = Open();
        Assert.Equal(1, await db.Set<Line>().CountAsync(l => l.Text == "london"));
        Assert.Equal("paris", (await db.Set<Line>().SingleAsync(l => l.Text != "london")).Text);
    }

    [Fact]
    public async Task Unmapped_type_of_a_SQL_query_needs_a_context()
    {
        await CreateAsync(b => b.Entity<Order>().ToTable("Kept").Property(o => o.Text).IsEncrypted(context: "texts"));
        await SaveAsync(new Order { Id = 1, Text = "london" });
        await using var db = Open();
        var sql = $"SELECT {Database.Quote("Text")} FROM {Database.Quote("Kept")}";
        var e = Assert.Throws<EnvelopeConfigurationException>(() => db.Database.SqlQueryRaw<Row>(sql).ToList());
        Assert.Contains("'Row.Text'", e.Message, StringComparison.Ordinal);
        Assert.Contains("not kept in a table", e.Message, StringComparison.Ordinal);
        Assert.Equal("london", (await db.Database.SqlQueryRaw<NamedRow>(sql).SingleAsync()).Text);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Both_sides_of_a_split_table_that_are_encrypted_alike_are_saved_together(bool indexed)
    {
        await CreateAsync(b => Split(b, order: true, detail: true, indexed));
        await SaveAsync(new Order { Id = 1, Text = "one" }, new Detail { Id = 1, Text = "one", More = "m" });
        await using (var db = Open())
        {
            var (order, detail) = (await db.Set<Order>().SingleAsync(), await db.Set<Detail>().SingleAsync());
            (order.Text, detail.Text) = ("two", "two");
            await db.SaveChangesAsync();
            detail.Text = "three";
            await db.SaveChangesAsync();
            Assert.Equal("three", order.Text);
            (order.Text, detail.More) = ("four", "n");
            await db.SaveChangesAsync();
        }

        await using var reader = Open();
        Assert.Equal(("four", "four", "n"), ((await reader.Set<Order>().SingleAsync()).Text, (await reader.Set<Detail>().SingleAsync()).Text, (await reader.Set<Detail>().SingleAsync()).More));
        if (!indexed)
            return;
        Assert.Equal(1, await reader.Set<Order>().CountAsync(o => o.Text == "four"));
        Assert.Equal(0, await reader.Set<Order>().CountAsync(o => o.Text == "three"));
    }

    [Fact]
    public async Task TPC_type_and_a_type_of_its_table_under_one_context_are_saved_together()
    {
        await CreateAsync(
            b =>
            {
                b.Entity<Vehicle>().UseTpcMappingStrategy().Property(v => v.Label).HasColumnName("Text").IsEncrypted(context: "labels");
                b.Entity<Vehicle>().Property(v => v.Id).ValueGeneratedNever();
                b.Entity<Car>().ToTable("Cars").Ignore(c => c.Text);
                b.Entity<Bike>().ToTable("Bikes").Ignore(c => c.Text);
                b.Entity<Detail>().ToTable("Cars").HasOne<Car>().WithOne().HasForeignKey<Detail>(d => d.Id);
                b.Entity<Detail>().Property(d => d.Text).HasColumnName("Text").IsEncrypted(context: "labels");
            });
        await SaveAsync(new Car { Id = 1, Label = "one", Plate = "p" }, new Detail { Id = 1, Text = "one", More = "m" });
        await using var db = Open();
        var (car, detail) = (await db.Set<Car>().SingleAsync(), await db.Set<Detail>().SingleAsync());
        Assert.Equal("one", detail.Text);
        (car.Label, detail.Text) = ("two", "two");
        await db.SaveChangesAsync();
        Assert.Equal("two", await db.Set<Vehicle>().Select(v => v.Label).SingleAsync());
    }

    [Fact]
    public async Task Metadata_class_beside_a_marked_property_is_accepted()
    {
        await CreateAsync(b => b.Entity<Described>().Property(d => d.Text).IsEncrypted().HasBlindIndex());
        await SaveAsync(new Described { Id = 1, Text = "secret text" });
        await AssertEncryptedAsync("Described", "Text", "secret text");
    }

    public static IQueryable<Line> Lines() => throw new NotSupportedException();

    private static void Split(ModelBuilder b, bool order, bool detail, bool indexed = false)
    {
        var orders = b.Entity<Order>().ToTable("Orders");
        orders.Property(o => o.Id).ValueGeneratedNever();
        orders.HasOne<Detail>().WithOne().HasForeignKey<Detail>(d => d.Id);
        b.Entity<Detail>().ToTable("Orders");
        foreach (var (property, isEncrypted) in new[] { (orders.Property(o => o.Text), order), (b.Entity<Detail>().Property(d => d.Text), detail) })
        {
            property.HasColumnName("Text");
            if (isEncrypted)
                property.IsEncrypted(storage: EncryptedStorage.Text);
            if (indexed)
                property.HasBlindIndex();
        }
    }

    private static void Siblings(ModelBuilder b, Action<Microsoft.EntityFrameworkCore.Metadata.Builders.PropertyBuilder<string?>> car, Action<Microsoft.EntityFrameworkCore.Metadata.Builders.PropertyBuilder<string?>> bike)
    {
        b.Entity<Vehicle>();
        car(b.Entity<Car>().Property(c => c.Text).HasColumnName("Text"));
        bike(b.Entity<Bike>().Property(c => c.Text).HasColumnName("Text"));
    }

    /// <summary>A context with a set for each type: EF Core names tables after them.</summary>
    public sealed class SetContext(DbContextOptions options, Action<ModelBuilder> build) : DbContext(options)
    {
        public DbSet<Line> Lines => Set<Line>();

        public DbSet<Order> Orders => Set<Order>();

        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            modelBuilder.Ignore<Line>().Ignore<Order>();
            build(modelBuilder);
        }

        public sealed class NoCache : Microsoft.EntityFrameworkCore.Infrastructure.IModelCacheKeyFactory
        {
            public object Create(DbContext context, bool designTime) => new();
        }
    }

    public class Order
    {
        [DatabaseGenerated(DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        public string? Text { get; set; }
    }

    public class Detail
    {
        public int Id { get; set; }

        public string? Text { get; set; }

        public string? More { get; set; }
    }

    public class Line
    {
        public string? Text { get; set; }
    }

    public class Row
    {
        [Encrypted]
        public string? Text { get; set; }
    }

    public class NamedRow
    {
        [Encrypted(Context = "texts")]
        public string? Text { get; set; }
    }

    public abstract class Vehicle
    {
        public int Id { get; set; }

        public string? Label { get; set; }
    }

    public class Car : Vehicle
    {
        public string? Text { get; set; }

        public string? Plate { get; set; }
    }

    public class Bike : Vehicle
    {
        public string? Text { get; set; }
    }

    public class Owner
    {
        public int Id { get; set; }

        public string? Note { get; set; }

        public Part? Part { get; set; }
    }

    public class Part
    {
        public string? Text { get; set; }
    }

    [MetadataType(typeof(DescribedMetadata))]
    public class Described
    {
        [DatabaseGenerated(DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        public string Text { get; set; } = "";
    }

    public class DescribedFurther : Described;

    public class DescribedOwner
    {
        public int Id { get; set; }

        public Described Described { get; set; } = new();
    }

    public class DescribedMetadata
    {
        [Encrypted, BlindIndex]
        public object? Text { get; set; }
    }
}
