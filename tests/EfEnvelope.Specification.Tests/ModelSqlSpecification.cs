using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.EntityFrameworkCore.Metadata.Conventions;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>SQL of the model that would work on envelopes is refused, wherever the model carries it and however it names the column.</summary>
public abstract class ModelSqlSpecification(TestDatabase database) : AdHocSpecification(database)
{
    [Theory]
    [InlineData("a check", "[Note] <> ''")]
    [InlineData("a check", "length([Note]) >= 5")]
    [InlineData("a check", "[Age] >= 0")]
    [InlineData("a check", "[Plain] = 1 OR\n[Note]<>'x'")]
    [InlineData("a check", "coalesce([Note], '') <> ''")]
    [InlineData("a check", "([Note]) IS NULL")]
    [InlineData("a check", "[Note] IS NULL OR [Note] > 'a'")]
    [InlineData("a check", "[Note] IS DISTINCT FROM 'a'")]
    [InlineData("a check", "note <> ''")]
    [InlineData("a check", "NOTE<>''")]
    [InlineData("a check", "[Mail_BlindIndex] > 'x'")]
    [InlineData("a check", "[Code_Next] = 'x'")]
    [InlineData("a check", "/* it's */ [Note] <> ''")]
    [InlineData("a check", "'it''s' <> [Note] -- or not")]
    [InlineData("a check", "[Street] <> ''")]
    [InlineData("a filter", "[Note] = 'open'")]
    [InlineData("a filter of a named index", "[Age] > 17")]
    [InlineData("a computed column", "[Note] || [Code]")]
    [InlineData("a default", "upper([Note])")]
    [InlineData("a query", "SELECT [Id], [Note] FROM [Items]")]
    [InlineData("a query", "SELECT [Id] FROM [Items] AS t WHERE t.[Note] = 'open'")]
    [InlineData("a query", "SELECT Id FROM Items WHERE note = 'open'")]
    [InlineData("a convention", "[Note] <> ''")]
    [InlineData("an owned type", "[Street] <> ''")]
    public void Sql_over_an_encrypted_column_is_refused(string place, string sql)
    {
        var e = Assert.Throws<EnvelopeConfigurationException>(() => Model(place, sql));

        Assert.Contains("which holds envelopes", e.Message, StringComparison.Ordinal);
        Assert.Contains("AllowSqlOverCiphertext()", e.Message, StringComparison.Ordinal);
        Assert.Matches("'(Item|Home|Item.Home#Home)\\.(Note|Age|Code|Street|Code_Next|Mail_BlindIndex)'", e.Message);
    }

    [Theory]
    [InlineData("a check", "[Note] IS NULL")]
    [InlineData("a check", "[Note] IS NOT NULL AND [Plain] > 1")]
    [InlineData("a check", "[Plain] > 1 OR [Note] is  not\nnull")]
    [InlineData("a check", "([Age] IS NULL) = ([Note] IS NULL)")]
    [InlineData("a check", "[Mail_BlindIndex] IS NOT NULL")]
    [InlineData("a check", "[Plain] <> 'Note' AND 'it''s [Note] <> 1' <> 'x'")]
    [InlineData("a check", "[Plain] > 1 /* [Note] <> '' */ -- [Note] <> ''")]
    [InlineData("a check", "[NoteOfAnother] > 1")]
    [InlineData("a check", "age([Plain]) > 1")]
    [InlineData("a filter", "[Note] IS NOT NULL")]
    [InlineData("a computed column", "CASE WHEN [Note] IS NULL THEN 0 ELSE 1 END")]
    [InlineData("a query", "SELECT [Id], [Note] FROM [Others]")]
    [InlineData("a query", "SELECT [Id] FROM [Items] WHERE [Note] IS NULL")]
    [InlineData("a check of another table", "[Note] <> ''")]
    public void Sql_that_looks_at_no_envelope_is_accepted(string place, string sql) => Model(place, sql);

    [Theory]
    [InlineData("a check", "[Note] <> ''")]
    [InlineData("a filter", "[Note] = 'open'")]
    [InlineData("a query", "SELECT [Id], [Note] FROM [Items]")]
    [InlineData("an owned type", "[Street] <> ''")]
    public void Sql_over_an_encrypted_column_is_accepted_on_demand(string place, string sql) => Model(place, sql, allows: true);

    [Fact]
    public void Quoted_name_of_another_case_is_another_column_only_in_PostgreSQL()
    {
        if (Database.Quote("x")[0] == '"' && Database.GetType().Name.StartsWith("Postgres", StringComparison.Ordinal))
            Model("a check", "[note] <> ''");
        else
            Assert.Throws<EnvelopeConfigurationException>(() => Model("a check", "[note] <> ''"));
    }

    /// <summary>Builds a model that carries SQL, in which names stand in brackets unless it is to be taken as it is.</summary>
    protected void Model(string place, string sql, bool allows = false, bool asItIs = false)
    {
        var quoted = Database.Quote("x");
        if (!asItIs)
            sql = sql.Replace('[', quoted[0]).Replace(']', quoted[^1]);
        var model = new AdHocModel(
            b =>
            {
                var item = b.Entity<Item>();
                item.ToTable("Items");
                item.Property(i => i.Note).IsEncrypted();
                item.Property(i => i.Age).IsEncrypted();
                item.Property(i => i.Mail).IsEncrypted().HasBlindIndex();
                item.Property(i => i.Code).HasMaxLength(20).IsEncrypted(EncryptionMode.Deterministic);
                item.HasIndex(i => i.Code).IsUnique();
                item.OwnsOne(
                    i => i.Home,
                    h =>
                    {
                        h.Property(x => x.Street).HasColumnName("Street").IsEncrypted();
                        if (place == "an owned type")
                            h.ToTable(t => t.HasCheckConstraint("CK_Owned", sql));
                        if (allows)
                            h.AllowSqlOverCiphertext();
                    });
                var other = b.Entity<Other>();
                other.ToTable("Others");
                EntityTypeBuilder asked = item;
                switch (place)
                {
                    case "a check":
                        item.ToTable(t => t.HasCheckConstraint("CK_Mine", sql));
                        break;
                    case "a check of another table":
                        other.ToTable(t => t.HasCheckConstraint("CK_Mine", sql));
                        break;
                    case "a filter":
                        item.HasIndex(i => i.Plain).HasFilter(sql);
                        break;
                    case "a filter of a named index":
                        item.HasIndex(i => i.Plain, "Mine").HasFilter(sql);
                        break;
                    case "a computed column":
                        item.Property<string?>("Computed").HasComputedColumnSql(sql, stored: true);
                        break;
                    case "a default":
                        item.Property<string?>("Computed").HasDefaultValueSql(sql);
                        break;
                    case "a query":
                        asked = b.Entity<Found>().HasNoKey().ToSqlQuery(sql);
                        break;
                    case "a convention" or "an owned type":
                        break;
                    default:
                        throw new ArgumentOutOfRangeException(nameof(place));
                }

                if (allows)
                    asked.AllowSqlOverCiphertext();
            },
            place == "a convention" ? c => c.Conventions.Add(_ => new CheckConvention(sql)) : null);
        using var db = Open(model);
        Assert.NotNull(db.Model);
    }

    // As a library of check constraints adds them, after every other convention.
    private sealed class CheckConvention(string sql) : IModelFinalizingConvention
    {
        public void ProcessModelFinalizing(IConventionModelBuilder modelBuilder, IConventionContext<IConventionModelBuilder> context)
            => modelBuilder.Entity(typeof(Item))!.Metadata.AddCheckConstraint("CK_Late", sql);
    }

    private sealed class Item
    {
        public int Id { get; set; }

        public string? Note { get; set; }

        public int Age { get; set; }

        public string? Mail { get; set; }

        public string? Code { get; set; }

        public int Plain { get; set; }

        public Home? Home { get; set; }
    }

    private sealed class Home
    {
        public string? Street { get; set; }
    }

    private sealed class Other
    {
        public int Id { get; set; }

        public string? Note { get; set; }
    }

    private sealed class Found
    {
        public int Id { get; set; }
    }
}
