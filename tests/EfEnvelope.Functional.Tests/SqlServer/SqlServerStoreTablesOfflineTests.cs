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
        Assert.Contains($"IF OBJECT_ID({literal}) IS NULL\nCREATE TABLE {name} (\n    [Scope] varchar(200) NOT NULL,", script, StringComparison.Ordinal);
        Assert.Contains("[Reserved] bigint NOT NULL", script, StringComparison.Ordinal);
        Assert.Contains("[Field] nvarchar(256) NOT NULL", script, StringComparison.Ordinal);
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

    private List<string> Generate(Action<ModelBuilder> from, Action<ModelBuilder> to, MigrationsSqlGenerationOptions options)
    {
        using var before = Open(new AdHocModel(from));
        using var after = Open(new AdHocModel(to));
        var model = after.GetService<IDesignTimeModel>().Model;
        var operations = after.GetService<IMigrationsModelDiffer>().GetDifferences(before.GetService<IDesignTimeModel>().Model.GetRelationalModel(), model.GetRelationalModel());
        return [.. after.GetService<IMigrationsSqlGenerator>().Generate(operations, model, options).Select(c => c.CommandText)];
    }

    private static void Parse(string sql)
    {
        new TSql160Parser(initialQuotedIdentifiers: true).Parse(new StringReader(sql), out var errors);
        Assert.True(errors.Count == 0, $"{string.Join(", ", errors.Select(e => e.Message))}: {sql}");
    }

    public sealed class Note
    {
        public int Id { get; set; }

        public string? Text { get; set; }
    }
}
