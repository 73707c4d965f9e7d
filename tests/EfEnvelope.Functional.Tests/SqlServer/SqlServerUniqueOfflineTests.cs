using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

/// <summary>SQL Server takes two nulls for equal, so the second indexes leave them out; that needs no server.</summary>
public sealed class SqlServerUniqueOfflineTests() : AdHocSpecification(new OfflineSqlServerTestDatabase())
{
    [Fact]
    public void Second_columns_are_nullable_and_their_indexes_leave_nulls_out()
    {
        Use(
            b => b.Entity<Item>(
                item =>
                {
                    item.Property(i => i.Code).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(20);
                    item.Property(i => i.Text).IsEncrypted(EncryptionMode.Deterministic, storage: EncryptedStorage.Text).HasMaxLength(20);
                    item.Property(i => i.Mail).IsEncrypted().HasBlindIndex(isUnique: true);
                    item.HasIndex(i => i.Code).IsUnique().IsClustered();
                    item.HasKey(i => i.Id).IsClustered(false);
                    item.HasIndex(i => i.Text).IsUnique().HasFilter(null);
                    item.HasIndex(i => new { i.Group, i.Code }).IsUnique().HasFilter("[Group] > 3").HasAnnotation("SqlServer:Include", new[] { "Note" });
                    item.HasIndex(i => new { i.Group, i.Mail }).IsUnique();
                }));

        using var db = Open();
        var script = db.Database.GenerateCreateScript();

        foreach (var expected in new[]
        {
            "[Code] varbinary(81) NOT NULL,",
            "[Code_Next] varbinary(81) NULL,",
            "[Text] nvarchar(122) NULL,",
            "[Text_Next] nvarchar(122) NULL,",
            "[Mail_BlindIndex_Next] varbinary(21) NULL,",
            "CREATE UNIQUE CLUSTERED INDEX [IX_Item_Code] ON [Item] ([Code]);",
            "CREATE UNIQUE INDEX [IX_Item_Code_Next] ON [Item] ([Code_Next]) WHERE [Code_Next] IS NOT NULL;",
            "CREATE UNIQUE INDEX [IX_Item_Text] ON [Item] ([Text]);",
            "CREATE UNIQUE INDEX [IX_Item_Text_Next] ON [Item] ([Text_Next]) WHERE [Text_Next] IS NOT NULL;",
            "CREATE UNIQUE INDEX [IX_Item_Group_Code] ON [Item] ([Group], [Code]) INCLUDE ([Note]) WHERE [Group] > 3;",
            "CREATE UNIQUE INDEX [IX_Item_Group_Code_Next] ON [Item] ([Group], [Code_Next]) INCLUDE ([Note]) WHERE [Group] > 3 AND [Code_Next] IS NOT NULL;",
            "CREATE UNIQUE INDEX [IX_Item_Mail_BlindIndex_Next] ON [Item] ([Mail_BlindIndex_Next]) WHERE [Mail_BlindIndex_Next] IS NOT NULL;",
            "CREATE UNIQUE INDEX [IX_Item_Group_Mail_BlindIndex_Next] ON [Item] ([Group], [Mail_BlindIndex_Next]) WHERE [Group] IS NOT NULL AND [Mail_BlindIndex_Next] IS NOT NULL;",
        })
            Assert.Contains(expected, script, StringComparison.Ordinal);
    }

    [Fact]
    public void A_blind_index_that_becomes_unique_is_given_its_second_column()
    {
        var (ordinary, unique) = (new AdHocModel(b => Map(b, isUnique: false)), new AdHocModel(b => Map(b, isUnique: true)));
        using var before = Open(ordinary);
        using var after = Open(unique);
        var operations = after.GetService<IMigrationsModelDiffer>().GetDifferences(
            before.GetService<IDesignTimeModel>().Model.GetRelationalModel(), after.GetService<IDesignTimeModel>().Model.GetRelationalModel());
        var script = string.Concat(after.GetService<IMigrationsSqlGenerator>().Generate(operations, after.GetService<IDesignTimeModel>().Model).Select(c => c.CommandText));

        Assert.Contains("ALTER TABLE [Item] ADD [Mail_BlindIndex_Next] varbinary(21) NULL;", script, StringComparison.Ordinal);
        Assert.Contains(
            "CREATE UNIQUE INDEX [IX_Item_Mail_BlindIndex_Next] ON [Item] ([Mail_BlindIndex_Next]) WHERE [Mail_BlindIndex_Next] IS NOT NULL;", script, StringComparison.Ordinal);
    }

    [Fact]
    public void Index_in_the_second_table_of_a_split_entity_leaves_nulls_out()
        => AssertIndexes(
            b => b.Entity<Item>(
                item =>
                {
                    item.Property(i => i.Code).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(20);
                    item.Property(i => i.Mail).IsEncrypted().HasBlindIndex(isUnique: true);
                    item.HasIndex(i => i.Code).IsUnique();
                    item.HasIndex(i => new { i.Group, i.Code }).IsUnique();
                    item.SplitToTable(
                        "Details",
                        table =>
                        {
                            table.Property(i => i.Code).HasColumnName("Number");
                            table.Property(i => i.Mail);
                            table.Property(i => i.Group).HasColumnName("Lot");
                        });
                }),
            "CREATE UNIQUE INDEX [IX_Details_Number] ON [Details] ([Number]);",
            "CREATE UNIQUE INDEX [IX_Details_Number_Next] ON [Details] ([Number_Next]) WHERE [Number_Next] IS NOT NULL;",
            "CREATE UNIQUE INDEX [IX_Details_Lot_Number_Next] ON [Details] ([Lot], [Number_Next]) WHERE [Lot] IS NOT NULL AND "
                + "[Number_Next] IS NOT NULL;",
            "CREATE UNIQUE INDEX [IX_Details_Mail_BlindIndex] ON [Details] ([Mail_BlindIndex]) WHERE [Mail_BlindIndex] IS NOT NULL;",
            "CREATE UNIQUE INDEX [IX_Details_Mail_BlindIndex_Next] ON [Details] ([Mail_BlindIndex_Next]) WHERE [Mail_BlindIndex_Next] "
                + "IS NOT NULL;");

    [Fact]
    public void Filter_that_is_asked_for_names_the_columns_of_the_second_table()
        => AssertIndexes(
            b => b.Entity<Item>(
                item =>
                {
                    item.Property(i => i.Code).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(20);
                    item.HasIndex(i => i.Code).IsUnique().HasFilter("[Group] > 3");
                    item.SplitToTable("Details", table => { table.Property(i => i.Code).HasColumnName("Number"); table.Property(i => i.Group); });
                }),
            "([Number_Next]) WHERE [Group] > 3 AND [Number_Next] IS NOT NULL;");

    [Theory]
    [InlineData("TPT")]
    [InlineData("TPC")]
    [InlineData("TPH")]
    public void Indexes_of_a_hierarchy_leave_nulls_out_in_every_table(string strategy)
        => AssertIndexes(
            b =>
            {
                b.Entity<Thing>(
                    thing =>
                    {
                        _ = strategy switch { "TPT" => thing.UseTptMappingStrategy(), "TPC" => thing.UseTpcMappingStrategy(), _ => thing.UseTphMappingStrategy() };
                        thing.Property(t => t.Code).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(20);
                        thing.HasIndex(t => t.Code).IsUnique();
                    });
                b.Entity<Gadget>().Property(g => g.Mail).IsEncrypted().HasBlindIndex(isUnique: true);
            },
            strategy switch
            {
                "TPC" =>
                [
                    "ON [Gadget] ([Code_Next]) WHERE [Code_Next] IS NOT NULL;", "ON [Gadget] ([Mail_BlindIndex]) WHERE "
                        + "[Mail_BlindIndex] IS NOT NULL;",
                    "ON [Gadget] ([Mail_BlindIndex_Next]) WHERE [Mail_BlindIndex_Next] IS NOT NULL;",
                ],
                "TPT" =>
                [
                    "ON [Thing] ([Code_Next]) WHERE [Code_Next] IS NOT NULL;", "ON [Gadget] ([Mail_BlindIndex]) WHERE [Mail_BlindIndex] "
                        + "IS NOT NULL;",
                    "ON [Gadget] ([Mail_BlindIndex_Next]) WHERE [Mail_BlindIndex_Next] IS NOT NULL;",
                ],
                _ => ["ON [Thing] ([Code_Next]) WHERE [Code_Next] IS NOT NULL;", "ON [Thing] ([Mail_BlindIndex_Next]) WHERE "
                    + "[Mail_BlindIndex_Next] IS NOT NULL;"],
            });

    [Fact]
    public void Indexes_of_an_owned_type_leave_nulls_out_in_its_own_table()
        => AssertIndexes(
            b => b.Entity<Owner>().OwnsOne(
                o => o.Part,
                part =>
                {
                    part.ToTable("Parts");
                    part.Property(p => p.Code).IsEncrypted(EncryptionMode.Deterministic).HasMaxLength(20);
                    part.HasIndex(p => p.Code).IsUnique();
                }),
            "ON [Parts] ([Code_Next]) WHERE [Code_Next] IS NOT NULL;");

    private void AssertIndexes(Action<ModelBuilder> build, params string[] expected)
    {
        Use(build);
        using var db = Open();
        var script = db.Database.GenerateCreateScript();
        Assert.All(expected, e => Assert.True(script.Contains(e, StringComparison.Ordinal), $"{e}\nis not in\n{script}"));
        foreach (var line in script.Split('\n').Where(l => l.StartsWith("CREATE UNIQUE INDEX", StringComparison.Ordinal) && l.Contains("_Next", StringComparison.Ordinal)))
            Assert.Contains("_Next] IS NOT NULL", line, StringComparison.Ordinal);
    }

    private static void Map(ModelBuilder b, bool isUnique) => b.Entity<Item>().Property(i => i.Mail).IsEncrypted().HasBlindIndex(isUnique: isUnique);

    public abstract class Thing
    {
        public int Id { get; set; }

        public string? Code { get; set; }
    }

    public sealed class Gadget : Thing
    {
        public string? Mail { get; set; }
    }

    public sealed class Owner
    {
        public int Id { get; set; }

        public required Part Part { get; set; }
    }

    public sealed class Part
    {
        public string? Code { get; set; }
    }

    public sealed class Item
    {
        public int Id { get; set; }

        public required string Code { get; set; }

        public string? Text { get; set; }

        public string? Mail { get; set; }

        public int? Group { get; set; }

        public string? Note { get; set; }
    }
}
