using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Rotation.Sql;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.SqlServer.TransactSql.ScriptDom;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

/// <summary>The CHECK constraints of encrypted columns in SQL Server's words, taken apart by its own parser; that needs no server.</summary>
public sealed class SqlServerEnvelopeCheckOfflineTests() : AdHocSpecification(new OfflineSqlServerTestDatabase())
{
    [Fact]
    public void New_table_has_a_check_for_each_encrypted_column()
    {
        Use(b => Map(b, isChecked: true, isText: true));
        using var db = Open();

        var script = db.Database.GenerateCreateScript();

        Assert.Contains("CONSTRAINT [CK_Item_Code_IsEnvelope] CHECK ([Code] IS NULL OR SUBSTRING([Code], 1, 1) >= 0xF8)", script, StringComparison.Ordinal);
        Assert.Contains(
            "CONSTRAINT [CK_Item_Text_IsEnvelope] CHECK ([Text] IS NULL OR LEFT([Text], 14) COLLATE Latin1_General_BIN2 = 'efenvelope:v1:')", script, StringComparison.Ordinal);
    }

    [Fact]
    public void Check_of_a_table_with_rows_is_enforced_first_and_proved_in_a_transaction_of_its_own()
    {
        var commands = Generate(b => Map(b, isChecked: false, isText: true), b => Map(b, isChecked: true, isText: true));

        Assert.Equal(
            [
                "ALTER TABLE [Item] DROP CONSTRAINT IF EXISTS [CK_Item_Code_IsEnvelope];\nALTER TABLE [Item] WITH NOCHECK ADD CONSTRAINT [CK_Item_Code_IsEnvelope] CHECK ([Code] IS NULL OR SUBSTRING([Code], 1, 1) >= 0xF8);",
                "ALTER TABLE [Item] WITH CHECK CHECK CONSTRAINT [CK_Item_Code_IsEnvelope];",
                "ALTER TABLE [Item] DROP CONSTRAINT IF EXISTS [CK_Item_Text_IsEnvelope];\nALTER TABLE [Item] WITH NOCHECK ADD CONSTRAINT [CK_Item_Text_IsEnvelope] CHECK ([Text] IS NULL OR LEFT([Text], 14) COLLATE Latin1_General_BIN2 = 'efenvelope:v1:');",
                "ALTER TABLE [Item] WITH CHECK CHECK CONSTRAINT [CK_Item_Text_IsEnvelope];",
            ],
            commands.Take(4).Select(c => c.CommandText.TrimEnd().ReplaceLineEndings("\n")));
        Assert.All(commands.Take(4), c => Assert.True(c.TransactionSuppressed));
        Assert.All(commands.Skip(4), c => Assert.False(c.TransactionSuppressed));
        Assert.All(commands, c => AssertParses(c.CommandText));
    }

    [Fact]
    public void Text_that_is_encrypted_in_place_keeps_the_collation_of_its_plaintexts()
    {
        var commands = Generate(
            b => b.Entity<Item>(i => { i.Ignore(x => x.Code); i.Property(x => x.Text).HasMaxLength(20).IsUnicode(false).UseCollation("Polish_CI_AS"); }),
            b => b.Entity<Item>(i => { i.Ignore(x => x.Code); i.Property(x => x.Text).HasMaxLength(20).IsUnicode(false).IsEncrypted(storage: EncryptedStorage.Text).AllowPlaintextWhileBackfilling(); }));

        var alter = Assert.Single(commands, c => c.CommandText.Contains("ALTER TABLE [Item] ALTER COLUMN", StringComparison.Ordinal)).CommandText;
        Assert.Contains("COLLATE Polish_CI_AS NULL;", alter, StringComparison.Ordinal);
        AssertParses(alter);
    }

    [Fact]
    public void Column_whose_type_changes_is_altered_without_its_check()
    {
        var commands = Generate(b => Map(b, isChecked: true, isText: false), b => Map(b, isChecked: true, isText: false, isRequired: true));

        var script = string.Concat(commands.Select(c => c.CommandText));
        var drop = script.IndexOf("ALTER TABLE [Item] DROP CONSTRAINT IF EXISTS [CK_Item_Code_IsEnvelope];", StringComparison.Ordinal);
        var alter = script.IndexOf("ALTER TABLE [Item] ALTER COLUMN [Code] varbinary(93) NOT NULL;", StringComparison.Ordinal);
        var add = script.IndexOf("ALTER TABLE [Item] WITH CHECK ADD CONSTRAINT [CK_Item_Code_IsEnvelope] CHECK (", StringComparison.Ordinal);
        Assert.True(drop >= 0 && drop < alter && alter < add, script);
        Assert.All(commands, c => AssertParses(c.CommandText));
    }

    [Theory]
    [InlineData(SqlServerDialect.ListChecks)]
    [InlineData(SqlServerDialect.ListReaders)]
    public void Catalogue_is_asked_in_the_words_of_the_server(string statement) => AssertParses(statement);

    [Fact]
    public void Definition_that_the_server_tells_is_known_as_a_check()
    {
        var dialect = Dialect.Of("Microsoft.EntityFrameworkCore.SqlServer");
        Assert.True(dialect.IsEnvelopeCheck(new TableSql("check", "c", "([Code] IS NULL OR substring([Code],(1),(1))>=0xF8)"), "Code", isText: false));
        Assert.True(dialect.IsEnvelopeCheck(new TableSql("check", "c", "([Text] IS NULL OR left([Text],(14)) collate Latin1_General_BIN2='efenvelope:v1:')"), "Text", isText: true));
        Assert.False(dialect.IsEnvelopeCheck(new TableSql("check", "c", "([Other] IS NULL OR substring([Other],(1),(1))>=0xF8)"), "Code", isText: false));
        Assert.False(dialect.IsEnvelopeCheck(new TableSql("check", "c", "([Code] IS NOT NULL)"), "Code", isText: false));
    }

    private IReadOnlyList<MigrationCommand> Generate(Action<ModelBuilder> from, Action<ModelBuilder> to)
    {
        using var before = Open(new AdHocModel(from));
        using var after = Open(new AdHocModel(to));
        var model = after.GetService<IDesignTimeModel>().Model;
        var operations = after.GetService<IMigrationsModelDiffer>().GetDifferences(before.GetService<IDesignTimeModel>().Model.GetRelationalModel(), model.GetRelationalModel());
        return after.GetService<IMigrationsSqlGenerator>().Generate(operations, model);
    }

    private static void Map(ModelBuilder modelBuilder, bool isChecked, bool isText, bool isRequired = false)
        => modelBuilder.Entity<Item>(
            item =>
            {
                var code = item.Property(i => i.Code).HasMaxLength(20).IsRequired(isRequired).IsEncrypted();
                var text = isText ? item.Property(i => i.Text).IsEncrypted(storage: EncryptedStorage.Text) : item.Property(i => i.Text);
                if (isChecked)
                    return;
                code.AllowUncheckedWrites();
                text.AllowUncheckedWrites();
            });

    private static void AssertParses(string sql)
    {
        new TSql160Parser(initialQuotedIdentifiers: true).Parse(new StringReader(sql), out var errors);
        Assert.True(errors.Count == 0, $"{sql}: {string.Join("; ", errors.Select(e => e.Message))}");
    }

    private sealed class Item
    {
        public int Id { get; set; }

        public string? Code { get; set; }

        public string? Text { get; set; }
    }
}
