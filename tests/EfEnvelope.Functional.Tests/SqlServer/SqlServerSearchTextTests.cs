using System.Text.RegularExpressions;
using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

/// <summary>The SQL text of every search form for SQL Server, or its refusal; no server is needed to read it.</summary>
public sealed partial class SqlServerSearchTextTests
{
    // Nothing that was encrypted may stand in SQL as a literal.
    private static readonly string[] EncryptedTexts = ["r-1", "r-2", "c-1", "c-4", "t-1", "k-1", "l-1", "m-1", "s-1", "b-1", "example.org", "Turing", "London", "'123'"];

    public static TheoryData<string> Labels => new(SearchForms.All.Select(f => f.Label));

    [Theory]
    [MemberData(nameof(Labels))]
    public void A_query_compares_sealed_parameters_or_is_refused(string label)
    {
        var form = SearchForms.All.Single(f => f.Label == label);
        using var db = Open();
        if (form.Answer is null)
        {
            // What depends on a parameter's value is refused when the command runs.
            if (form.Property is "Zip" or "Registry.Phone" || label == "compound with null in a compiled query")
                return;
            var refused = Assert.ThrowsAny<Exception>(() => Text(form.Query(db)));
            Assert.True(refused is EnvelopeConfigurationException or SqlException { Number: not 102 }, refused.ToString());
            return;
        }

        if (Text(() => form.Query(db)) is not { } sql)
            return;
        var statement = Declaration().Replace(sql, "");
        Assert.DoesNotContain("<envelope>", statement, StringComparison.Ordinal);
        Assert.DoesNotContain("efenvelope_", statement, StringComparison.Ordinal);
        Assert.All(EncryptedTexts.Where(t => label != "the same parameter against a plain column, too" || t != "c-1"), text => Assert.DoesNotContain(text, sql, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void Equality_looks_under_both_slots_in_one_list()
        => AssertText(
            (db, value) => db.People.Where(p => p.Record == value).Select(p => p.Name),
            "SELECT [p].[Name]\nFROM [People] AS [p]\nWHERE [p].[Record] IN (@value, @value0)");

    [Fact]
    public void Inequality_is_the_opposite_and_counts_null_as_different()
        => AssertText(
            (db, value) => db.People.Where(p => p.Code != value).Select(p => p.Name),
            "SELECT [p].[Name]\nFROM [People] AS [p]\nWHERE [p].[Code] NOT IN (@value, @value0) OR [p].[Code] IS NULL");

    [Fact]
    public void Blind_index_stands_for_its_property()
        => AssertText(
            (db, value) => db.People.Where(p => p.Phone == value).Select(p => p.Name),
            "SELECT [p].[Name]\nFROM [People] AS [p]\nWHERE [p].[Phone_BlindIndex] IN (@value, @value0)");

    [Fact]
    public void Columns_are_compared_beside_a_probe_for_a_second_version()
        => AssertText(
            (db, _) => db.People.Join(db.Teams, p => p.Phone, t => t.Hotline, (p, t) => p.Name),
            "SELECT [p].[Name]\nFROM [People] AS [p]\nINNER JOIN [Teams] AS [t] ON [p].[Phone_BlindIndex] = [t].[Hotline_BlindIndex] AND [p].[Phone_BlindIndex] <> @0envelope_0");

    [Fact]
    public void Lists_are_sent_value_by_value_and_never_as_json()
    {
        using var db = Open();
        var records = new[] { "r-1", "r-2" };
        var sql = Declaration().Replace(db.People.Where(p => records.Contains(p.Record)).Select(p => p.Name).ToQueryString(), "").ReplaceLineEndings("\n").Trim();
        Assert.Equal("SELECT [p].[Name]\nFROM [People] AS [p]\nWHERE [p].[Record] IN (@0records_0_1, @0records_0_2) OR [p].[Record] IN (@0records_1_1, @0records_1_2)", sql);
    }

    [Fact]
    public void A_list_that_is_too_long_is_refused_with_the_way_out()
    {
        using var db = Open();
        Assert.NotEmpty(Text(1000));
        var e = Assert.Throws<EnvelopeConfigurationException>(() => Text(1001));
        Assert.Contains("more than 1,000 values", e.Message, StringComparison.Ordinal);
        Assert.Contains("Chunk(500)", e.Message, StringComparison.Ordinal);

        string Text(int count)
        {
            var records = Enumerable.Range(0, count).Select(i => $"r-{i}").ToArray();
            return db.People.Where(p => records.Contains(p.Record)).ToQueryString();
        }
    }

    [Fact]
    public void Parameters_have_the_length_of_their_column()
    {
        using var db = Open();
        var (phone, level) = ("t-1", 3);
        var sql = db.People.Where(p => p.Phone == phone && p.Level == level).ToQueryString();
        Assert.Equal(["varbinary(21)", "varbinary(21)", "varbinary(25)", "varbinary(25)"], Declaration().Matches(sql).Select(m => m.Groups[1].Value));
    }

    [Fact]
    public void Indexes_move_to_the_hash_and_a_check_keeps_rows_findable()
    {
        using var db = Open();
        var script = db.Database.GenerateCreateScript();
        Assert.Contains("CREATE INDEX [IX_People_Phone_BlindIndex] ON [People] ([Phone_BlindIndex])", script, StringComparison.Ordinal);
        Assert.Contains("CREATE UNIQUE INDEX [IX_People_Record] ON [People] ([Record])", script, StringComparison.Ordinal);
        Assert.Contains(
            "CONSTRAINT [CK_People_Phone_BlindIndex] CHECK (([Phone] IS NULL AND [Phone_BlindIndex] IS NULL) OR ([Phone] IS NOT NULL AND [Phone_BlindIndex] IS NOT NULL))",
            script.Replace("(([Phone] IS NULL) AND", "([Phone] IS NULL AND", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("[Phone_BlindIndex] varbinary(21) NULL", script, StringComparison.Ordinal);
        Assert.DoesNotContain("ON [People] ([Phone])", script, StringComparison.Ordinal);

        // An indexed column without a length gets the longest that an index of SQL Server holds.
        Assert.Contains("[Record] varbinary(900) NOT NULL", script, StringComparison.Ordinal);
        Assert.Contains("[Record_Next] varbinary(900) NULL", script, StringComparison.Ordinal);
    }

    private static void AssertText(Func<RegistryContext, string, IQueryable<string>> query, string expected)
    {
        using var db = Open();
        Assert.Equal(expected, Declaration().Replace(query(db, "r-1").ToQueryString(), "").ReplaceLineEndings("\n").Trim());
    }

    // A terminal operator runs at once and finds no server: it was translated.
    private static string? Text(Func<object?> query)
    {
        try
        {
            return Text(query());
        }
        catch (Exception e) when (e is SqlException || e.InnerException is SqlException || e.GetBaseException() is SqlException)
        {
            return null;
        }
    }

    private static string? Text(object? query) => query is IQueryable queryable ? queryable.ToQueryString() : query?.ToString();

    private static RegistryContext Open()
        => new(
            ((DbContextOptionsBuilder<RegistryContext>)new OfflineSqlServerTestDatabase().UseProvider(new DbContextOptionsBuilder<RegistryContext>()))
                .UseEnvelopeEncryption(e => e.UseKms(TestKms.Shared))
                .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning))
                .Options);

    [GeneratedRegex(@"^DECLARE @\w+ ([\w()]+) = .*\r?\n", RegexOptions.Multiline)]
    private static partial Regex Declaration();
}
