using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.SqlServer.TransactSql.ScriptDom;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

/// <summary>What SQL Server is sent to create, fill and check the tables of EfEnvelope, taken apart by its own parser; that needs no server.</summary>
public sealed class SqlServerStoreTablesOfflineTests() : AdHocSpecification(new OfflineSqlServerTestDatabase())
{
    [Theory]
    [InlineData(null, "[__EnvelopeKeys]", "N'[__EnvelopeKeys]'")]
    [InlineData("it's]; DROP TABLE x; --", "[it's]]; DROP TABLE x; --].[__EnvelopeKeys]", "N'[it''s]]; DROP TABLE x; --].[__EnvelopeKeys]'")]
    public void Tables_are_created_where_they_are_missing_and_rows_are_put(string? schema, string name, string literal)
    {
        Use(
            b =>
            {
                b.HasDefaultSchema(schema);
                b.Entity<Note>().Property(n => n.Text).IsEncrypted();
            });

        using var db = Open();
        var script = db.Database.GenerateCreateScript();

        Parse(script);
        Assert.Contains($"IF OBJECT_ID({literal}) IS NULL\nCREATE TABLE {name} (\n    [Scope] varchar(200) COLLATE "
            + $"Latin1_General_100_BIN2 NOT NULL,", script, StringComparison.Ordinal);
        Assert.Contains("[Reserved] bigint NOT NULL", script, StringComparison.Ordinal);
        Assert.Contains("[Field] nvarchar(256) COLLATE Latin1_General_100_BIN2 NOT NULL", script, StringComparison.Ordinal);
        Assert.Contains("[Definition] nvarchar(max) NULL", script, StringComparison.Ordinal);
        Assert.Contains("CONSTRAINT [PK___EnvelopeUsage] PRIMARY KEY ([Scope], [Version], [Field])", script, StringComparison.Ordinal);
        Assert.Contains("IF @@ROWCOUNT = 0\nINSERT INTO", script, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(MigrationsSqlGenerationOptions.Default)]
    [InlineData(MigrationsSqlGenerationOptions.Idempotent)]
    public void Encryption_ends_in_a_batch_that_fails_before_it_deletes_the_row_of_the_map(MigrationsSqlGenerationOptions options)
    {
        var commands = Generate(
            b => b.Entity<Note>().Property(n => n.Text).IsEncrypted(storage: EncryptedStorage.Text).StorePlaintextDuringTransition(), b => b.Entity<Note>(), options);

        var check = Assert.Single(commands, c => c.Contains("THROW", StringComparison.Ordinal));
        Parse(check);
        var inner = options == MigrationsSqlGenerationOptions.Default ? check : check.Replace("''", "'", StringComparison.Ordinal);
        Assert.Contains("SELECT 1 FROM [Note] WHERE LEFT([Text], 14) COLLATE Latin1_General_BIN2 = 'efenvelope:v1:'", inner, StringComparison.Ordinal);
        Assert.Contains("still holds envelopes", check, StringComparison.Ordinal);
        Assert.Equal(options == MigrationsSqlGenerationOptions.Idempotent, check.StartsWith("EXEC(N'", StringComparison.Ordinal));
        Assert.True(check.IndexOf("DELETE FROM [__EnvelopeMap]", StringComparison.Ordinal) > check.IndexOf("THROW", StringComparison.Ordinal));
        Assert.DoesNotContain(commands, c => c.Contains("DROP TABLE", StringComparison.Ordinal));
    }

    [Fact]
    public void Names_are_compared_byte_by_byte_and_nothing_else_is()
    {
        Use(b => b.Entity<Note>().Property(n => n.Text).IsEncrypted());

        using var db = Open();
        var columns = Statements(db.Database.GenerateCreateScript(), out _).OfType<CreateTableStatement>()
            .Where(t => t.SchemaObjectName.BaseIdentifier.Value.StartsWith("__Envelope", StringComparison.Ordinal))
            .SelectMany(t => t.Definition.ColumnDefinitions.Where(c => c.Collation is not null).Select(c => $"{t.SchemaObjectName.BaseIdentifier.Value}.{c.ColumnIdentifier.Value} {c.Collation.Value}"));

        Assert.Equal(
            new[] { "Keys.Scope", "Usage.Scope", "Usage.Field", "Map.TableSchema", "Map.TableName", "Map.ColumnName", "Map.Field" }
                .Select(c => $"__Envelope{c} Latin1_General_100_BIN2"),
            columns);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("it's]; DROP TABLE x; --")]
    public void Names_of_an_earlier_build_are_changed_by_the_next_migration_all_or_nothing(string? schema)
    {
        using var before = Open(new AdHocModel(OfEarlierBuild(schema)));
        using var after = Open(new AdHocModel(In(schema)));
        var model = after.GetService<IDesignTimeModel>().Model;
        var source = before.GetService<IDesignTimeModel>().Model.GetRelationalModel();
        Assert.True(after.GetService<IMigrationsModelDiffer>().HasDifferences(source, model.GetRelationalModel()));

        var changes = Generate(before, after, MigrationsSqlGenerationOptions.Idempotent).Where(c => c.Contains("sys.columns", StringComparison.Ordinal)).ToList();

        Assert.Equal(3, changes.Count);
        foreach (var (change, table, names, key) in new[]
        {
            (changes[0], "__EnvelopeKeys", new[] { "Scope" }, "Scope, Version"), (changes[1], "__EnvelopeUsage", ["Scope", "Field"], "Scope, Version, Field"),
            (changes[2], "__EnvelopeMap", ["TableSchema", "TableName", "ColumnName", "Field"], "TableSchema, TableName, ColumnName"),
        })
        {
            Assert.Contains("collation_name <> N'Latin1_General_100_BIN2'", change, StringComparison.Ordinal);
            Assert.Contains($"name IN ({string.Join(", ", names.Select(n => $"N'{n}'"))})", change, StringComparison.Ordinal);
            var inner = Inner(change);
            Assert.IsType<PredicateSetStatement>(inner[0]);
            Assert.IsType<BeginTransactionStatement>(inner[1]);
            Assert.IsType<AlterTableDropTableElementStatement>(inner[2]);
            Assert.Equal(names, inner.OfType<AlterTableAlterColumnStatement>().Select(a => a.ColumnIdentifier.Value));
            Assert.All(
                inner.OfType<AlterTableAlterColumnStatement>(),
                a => Assert.Equal(
                    ("Latin1_General_100_BIN2", AlterTableAlterColumnOption.NotNull, table, schema),
                    (a.Collation.Value, a.AlterTableAlterColumnOption, a.SchemaObjectName.BaseIdentifier.Value, a.SchemaObjectName.SchemaIdentifier?.Value)));
            var added = (UniqueConstraintDefinition)Assert.Single(Assert.Single(inner.OfType<AlterTableAddTableElementStatement>()).Definition.TableConstraints);
            Assert.Equal(key, string.Join(", ", added.Columns.Select(c => c.Column.MultiPartIdentifier.Identifiers[^1].Value)));
            Assert.IsType<CommitTransactionStatement>(inner[^1]);
            Assert.Equal(names.Length + 5, inner.Count);
        }
    }

    [Fact]
    public void Model_without_another_change_needs_no_migration_once_the_names_are_described()
    {
        using var before = Open(new AdHocModel(In(null)));
        using var after = Open(new AdHocModel(In(null)));
        Assert.False(
            after.GetService<IMigrationsModelDiffer>().HasDifferences(
                before.GetService<IDesignTimeModel>().Model.GetRelationalModel(), after.GetService<IDesignTimeModel>().Model.GetRelationalModel()));
    }

    [Theory]
    [InlineData(null, "it's]")]
    [InlineData("it's]", null)]
    public void Tables_move_with_the_default_schema(string? from, string? to)
    {
        var commands = Generate(In(from), In(to), MigrationsSqlGenerationOptions.Default);

        Assert.All(commands, Parse);
        Assert.Equal(3, commands.Count(c => c.Contains("TRANSFER", StringComparison.Ordinal) && c.Contains("__Envelope", StringComparison.Ordinal)));
    }

    private static Action<ModelBuilder> In(string? schema)
        => b =>
        {
            b.HasDefaultSchema(schema);
            b.Entity<Note>().Property(n => n.Text).IsEncrypted(context: "Note.Text");
        };

    // As its snapshot says it.
    private static Action<ModelBuilder> OfEarlierBuild(string? schema)
        => b =>
        {
            b.HasDefaultSchema(schema);
            b.HasAnnotation("EfEnvelope:Tables", "__EnvelopeKeys, __EnvelopeUsage, __EnvelopeMap");
            b.HasAnnotation("EfEnvelope:Schema", schema ?? "");
            b.HasAnnotation("EfEnvelope:Map", "[]");
            b.Entity<Note>().Ignore(n => n.Text);
        };

    // What the variable holds that is executed, with a name in the place of the one that the catalog tells.
    private static IList<TSqlStatement> Inner(string change)
    {
        var outer = Assert.IsType<IfStatement>(Assert.Single(Statements(change, out _)));
        var block = ((BeginEndBlockStatement)outer.ThenStatement).StatementList.Statements;
        var literals = new Literals();
        ((DeclareVariableStatement)block[0]).Accept(literals);
        Assert.IsType<ExecuteStatement>(block[1]);
        Assert.Equal(2, block.Count);
        return Statements(string.Concat(literals.Found.Where(l => l is ['S', 'E', 'T', ..] or [' ' or ';', ..]).Select(l => l.EndsWith("CONSTRAINT ", StringComparison.Ordinal) ? $"{l}[PK]" : l)), out _);
    }

    private List<string> Generate(Action<ModelBuilder> from, Action<ModelBuilder> to, MigrationsSqlGenerationOptions options)
    {
        using var before = Open(new AdHocModel(from));
        using var after = Open(new AdHocModel(to));
        return Generate(before, after, options);
    }

    private static List<string> Generate(AdHocContext before, AdHocContext after, MigrationsSqlGenerationOptions options)
    {
        var model = after.GetService<IDesignTimeModel>().Model;
        var operations = after.GetService<IMigrationsModelDiffer>().GetDifferences(before.GetService<IDesignTimeModel>().Model.GetRelationalModel(), model.GetRelationalModel());
        return [.. after.GetService<IMigrationsSqlGenerator>().Generate(operations, model, options).Select(c => c.CommandText)];
    }

    private static void Parse(string sql) => Statements(sql, out _);

    private static IList<TSqlStatement> Statements(string sql, out TSqlFragment fragment)
    {
        fragment = new TSql160Parser(initialQuotedIdentifiers: true).Parse(new StringReader(sql), out var errors);
        Assert.True(errors.Count == 0, $"{string.Join(", ", errors.Select(e => e.Message))}: {sql}");
        return [.. ((TSqlScript)fragment).Batches.SelectMany(b => b.Statements).SelectMany(s => s is IfStatement { ElseStatement: null, ThenStatement: CreateTableStatement create } ? [create] : new[] { s })];
    }

    private sealed class Literals : TSqlFragmentVisitor
    {
        public List<string> Found { get; } = [];

        public override void Visit(StringLiteral node) => Found.Add(node.Value);
    }

    public sealed class Note
    {
        public int Id { get; set; }

        public string? Text { get; set; }
    }
}
