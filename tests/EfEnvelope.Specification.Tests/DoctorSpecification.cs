using System.Text;
using EfEnvelope.Kms;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Every diagnosis is made when there is cause for it, and none is made of a healthy database.</summary>
public abstract class DoctorSpecification(TestDatabase database) : ScansFixture(database)
{
    private const string LongAgo = "2020-01-01T00:00:00.0000000Z";

    [Fact]
    public async Task Healthy_database_gives_no_diagnosis()
    {
        Assert.Empty(await DiagnoseAsync());
        await SaveAsync("1 ada", "2 bob");
        Assert.Empty(await DiagnoseAsync());
        await RotateAsync();
        await SaveAsync("3 eve");
        Assert.Empty(await DiagnoseAsync());
    }

    [Fact]
    public async Task Nothing_is_written_and_no_version_is_made()
    {
        await SaveAsync("1 ada");
        await SetKeyAsync(1, "CreatedAt", LongAgo);
        var before = await SqlAsync("SELECT [Revision] FROM [__EnvelopeKeys]");
        await DiagnoseAsync();
        await using (var database = OpenDatabase())
            await database.Scans.VerifyAsync();
        Assert.Equal(before, await SqlAsync("SELECT [Revision] FROM [__EnvelopeKeys]"));
    }

    [Fact]
    public async Task Missing_map()
    {
        await SqlAsync("DROP TABLE [__EnvelopeMap]");
        await AssertFoundAsync((DiagnosisSeverity.Error, "map-missing", "__EnvelopeMap"));
    }

    [Fact]
    public async Task Empty_map()
    {
        await SqlAsync("DELETE FROM [__EnvelopeMap]");
        await AssertFoundAsync((DiagnosisSeverity.Notice, "map-empty", "__EnvelopeMap"));
    }

    [Fact]
    public async Task Table_and_column_of_the_map_that_the_database_has_not()
    {
        await AddMapRowAsync("Gone", "Name");
        await AddMapRowAsync("People", "Gone");
        await AssertFoundAsync((DiagnosisSeverity.Error, "column-missing", "People.Gone"), (DiagnosisSeverity.Error, "table-missing", "Gone"));
    }

    [Fact]
    public async Task Columns_that_hold_envelopes_and_are_not_in_the_map()
    {
        await SaveAsync("1 ada");
        await SqlAsync("DELETE FROM [__EnvelopeMap] WHERE [ColumnName] IN ('Name', 'Note', 'Code')");
        await AssertFoundAsync(
            (DiagnosisSeverity.Error, "column-not-in-map", "People.Code"), (DiagnosisSeverity.Error, "column-not-in-map", "People.Name"),
            (DiagnosisSeverity.Error, "column-not-in-map", "People.Note"));

        // One value among them that is something else, and it is somebody else's column.
        await SaveAsync("2 bob");
        await SetAsync(2, "Name", new byte[] { 1, 2, 3 });
        await AssertFoundAsync((DiagnosisSeverity.Error, "column-not-in-map", "People.Code"), (DiagnosisSeverity.Error, "column-not-in-map", "People.Note"));
    }

    [Fact]
    public async Task Text_column_that_the_map_takes_for_a_binary_one()
    {
        await SqlAsync("UPDATE [__EnvelopeMap] SET [Definition] = NULL WHERE [ColumnName] = 'Note'");
        await AssertFoundAsync((DiagnosisSeverity.Error, "column-wrong-type", "People.Note"));
    }

    [Fact]
    public async Task Values_that_are_no_envelopes()
    {
        await SaveAsync("1 ada", "2 bob");
        await SetAsync(1, "Name", Encoding.UTF8.GetBytes("in clear text"));
        await SetAsync(2, "Note", "in clear text");
        var found = await AssertFoundAsync((DiagnosisSeverity.Error, "foreign-rows", "People.Name"), (DiagnosisSeverity.Error, "foreign-rows", "People.Note"));
        Assert.All(found, d => Assert.StartsWith("1 values", d.Message, StringComparison.Ordinal));

        await SaveAsync("3 eve");
        await SetAsync(1, "Name", await ReadAsync<byte[]>(3, "Name"));
        await AllowPlaintextAsync();
        await AssertFoundAsync((DiagnosisSeverity.Notice, "plaintext-rows", "People.Note"));
    }

    [Fact]
    public async Task Columns_that_are_searched_without_a_database_index()
    {
        await SqlAsync(DropIndex("IX_People_Ssn_BlindIndex"));
        await SqlAsync(DropIndex("IX_People_Code"));
        await AssertFoundAsync((DiagnosisSeverity.Warning, "index-not-indexed", "People.Ssn_BlindIndex"), (DiagnosisSeverity.Notice, "index-not-indexed", "People.Code"));
    }

    [Fact]
    public async Task Rows_without_their_blind_index()
    {
        await SaveAsync("1 ada", "2 bob");
        await SetAsync(1, "Ssn_BlindIndex", null);
        await AssertFoundAsync((DiagnosisSeverity.Error, "index-missing-values", "People.Ssn_BlindIndex"));
        await AllowMissingIndexAsync();
        await AssertFoundAsync((DiagnosisSeverity.Notice, "index-missing-values", "People.Ssn_BlindIndex"));
    }

    [Fact]
    public async Task Blind_index_whose_source_is_not_in_the_map()
    {
        await SqlAsync("DELETE FROM [__EnvelopeMap] WHERE [ColumnName] = 'Ssn'");
        await AssertFoundAsync((DiagnosisSeverity.Error, "index-source-missing", "People.Ssn_BlindIndex"));
    }

    [Fact]
    public async Task Second_values_that_are_left_over()
    {
        await SaveAsync("1 ada");
        await SetAsync(1, "Ssn_BlindIndex_Next", await ReadAsync<byte[]>(1, "Ssn_BlindIndex"));
        await AssertFoundAsync((DiagnosisSeverity.Warning, "next-leftover", "People.Ssn_BlindIndex_Next"));
    }

    [Fact]
    public async Task Primary_that_is_over_age()
    {
        await SaveAsync("1 ada");
        await SetKeyAsync(1, "CreatedAt", LongAgo);
        await AssertFoundAsync((DiagnosisSeverity.Warning, "key-over-age", "default:v1"));
        await using var database = OpenDatabase(e => e.Configure(o => o with { RotateAfter = null }));
        Assert.Equal("key-over-age", Assert.Single(await database.Scans.DiagnoseAsync()).Code);
    }

    [Fact]
    public async Task Budget_near_its_end()
    {
        await SaveAsync("1 ada");
        await SqlAsync("UPDATE [__EnvelopeUsage] SET [Reserved] = 3000000000");
        await AssertFoundAsync((DiagnosisSeverity.Warning, "key-budget", "default:v1"));
        await SqlAsync("UPDATE [__EnvelopeUsage] SET [Reserved] = 2000000000");
        await AssertFoundAsync();
        await using var database = OpenDatabase(e => e.Configure(o => o with { RotateAfterValues = 1_000_000_000 }));
        var found = Assert.Single(await database.Scans.DiagnoseAsync());
        Assert.Equal((DiagnosisSeverity.Notice, "key-budget"), (found.Severity, found.Code));
    }

    [Fact]
    public async Task Version_that_was_never_proved()
    {
        await SaveAsync("1 ada");
        await SqlAsync(
            $"INSERT INTO [__EnvelopeKeys] ([Scope], [Version], [Status], [WrappedKey], [Commitment], [CreatedAt], [Revision]) SELECT [Scope], 2, [Status], [WrappedKey], [Commitment], [CreatedAt], 0 FROM [__EnvelopeKeys] WHERE {Database.OfApplications}");
        await AssertFoundAsync((DiagnosisSeverity.Warning, "key-not-proved", "default:v2"));
    }

    [Fact]
    public async Task Scope_without_a_version_that_may_encrypt()
    {
        await SaveAsync("1 ada");
        await SqlAsync("DELETE FROM [People]");
        await SetKeyAsync(1, "Status", "disabled");
        await AssertFoundAsync((DiagnosisSeverity.Error, "key-no-primary", "default"));
    }

    [Theory]
    [InlineData("Status", "disabled", DiagnosisSeverity.Error, "key-disabled-in-use")]
    [InlineData("Status", "destroyed", DiagnosisSeverity.Error, "key-destroyed-in-use")]
    [InlineData("RetiredAt", LongAgo, DiagnosisSeverity.Warning, "key-retired-in-use")]
    public async Task Values_under_a_version_that_is_out_of_use(string column, string value, DiagnosisSeverity severity, string code)
    {
        await SaveAsync("1 ada");
        await RotateAsync();
        await SetKeyAsync(1, column, value);
        var found = await AssertFoundAsync((severity, code, "default:v1"));
        Assert.Contains("1 in People.Name", found[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Values_under_a_version_that_no_scope_has()
    {
        await SaveAsync("1 ada");
        var bytes = await ReadAsync<byte[]>(1, "Name");
        bytes[4] = 9;
        await SetAsync(1, "Name", bytes);
        await AssertFoundAsync((DiagnosisSeverity.Error, "key-unknown", "v9"));
    }

    [Fact]
    public async Task Two_versions_in_searches_and_the_older_one_of_no_more_use()
    {
        await SaveAsync("1 ada");
        await RotateAsync(includeSearch: true);
        await SaveAsync("2 bob");
        await AssertFoundAsync((DiagnosisSeverity.Notice, "search-rotating", "default"));

        await SqlAsync("DELETE FROM [People]");
        await SetKeyAsync(1, "EncryptsUntil", LongAgo);
        await AssertFoundAsync((DiagnosisSeverity.Notice, "search-rotating", "default"));
        await SetKeyAsync(2, "UniqueFrom", LongAgo);
        await AssertFoundAsync((DiagnosisSeverity.Notice, "key-not-retired", "default:v1"), (DiagnosisSeverity.Notice, "search-rotating", "default"));
    }

    [Fact]
    public async Task Jobs_that_failed_or_are_paused()
    {
        await SaveAsync("1 ada");
        await using var database = OpenDatabase();
        var job = await database.Jobs.EnqueueAsync(await database.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "People" }));
        Assert.Empty(await DiagnoseAsync());
        await database.Jobs.PauseAsync(job.Id);
        await AssertFoundAsync((DiagnosisSeverity.Notice, "job-paused", "job 1"));

        await SqlAsync($"UPDATE [__EnvelopeJobs] SET [State] = 'failed', [Reason] = 'the reason', [Active] = NULL, [EndedAt] = '{LongAgo}'");
        var found = await AssertFoundAsync((DiagnosisSeverity.Error, "job-failed", "job 1"));
        Assert.Equal("The job (reencrypt People) failed: the reason", found[0].Message);

        await database.Jobs.EnqueueAsync(await database.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "People" }));
        Assert.Empty(await DiagnoseAsync());
    }

    [Fact]
    public async Task Views_triggers_and_generated_columns_over_encrypted_columns()
    {
        await SqlAsync($"CREATE VIEW [Longer] AS SELECT [Id] FROM [People] WHERE {Length("[Note]")} > 3");
        await SqlAsync("CREATE VIEW [Harmless] AS SELECT [Id], [Plain] FROM [People] WHERE [Name] IS NOT NULL");
        await SqlAsync(TriggerOnName);
        await SqlAsync(GeneratedFromNick);

        var found = await AssertFoundAsync(
            (DiagnosisSeverity.Warning, "sql-over-ciphertext", "People.Name"), (DiagnosisSeverity.Warning, "sql-over-ciphertext", "People.Nick"),
            (DiagnosisSeverity.Notice, "sql-over-ciphertext", "People.Note"));

        Assert.Contains("'Guard'", found[0].Message, StringComparison.Ordinal);
        Assert.Contains("'Longer'", found[2].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Table_without_a_primary_key()
    {
        await SaveAsync("1 ada");
        await SqlAsync(Database.Quote("x")[0] == '[' ? "SELECT [Name] INTO [Loose] FROM [People]" : "CREATE TABLE [Loose] AS SELECT [Name] FROM [People]");
        await AddMapRowAsync("Loose", "Name");
        await AssertFoundAsync((DiagnosisSeverity.Warning, "no-primary-key", "Loose"));

        await using var database = OpenDatabase();
        var report = await database.Scans.VerifyAsync();
        Assert.Equal("Loose", Assert.Single(report.Findings).Table);
    }

    [Fact]
    public async Task Kms_out_of_reach()
    {
        await SaveAsync("1 ada");
        Kms.Failure = KmsErrorKind.Unavailable;
        await AssertFoundAsync((DiagnosisSeverity.Error, "kms-unreachable", "default"));
    }

    [Fact]
    public async Task Kms_that_does_not_open_the_keys()
    {
        await SaveAsync("1 ada");
        await using var database = EncryptedDatabase.Open(o => Database.UseProvider(o).UseEnvelopeEncryption(e => e.UseKms(new TestKms())));
        var found = Assert.Single(await database.Scans.DiagnoseAsync());
        Assert.Equal((DiagnosisSeverity.Error, "key-does-not-open", "default"), (found.Severity, found.Code, found.Subject));

        await using var other = EncryptedDatabase.Open(o => Database.UseProvider(o).UseEnvelopeEncryption(e => e.UseKms(new TestKms("other"))));
        Assert.Equal("key-does-not-open", Assert.Single(await other.Scans.DiagnoseAsync()).Code);
    }

    [Fact]
    public async Task The_gravest_comes_first()
    {
        await SaveAsync("1 ada");
        await RotateAsync(includeSearch: true);
        await SetKeyAsync(2, "CreatedAt", LongAgo);
        await AddMapRowAsync("Gone", "Name");
        await AssertFoundAsync(
            (DiagnosisSeverity.Error, "table-missing", "Gone"), (DiagnosisSeverity.Warning, "key-over-age", "default:v2"), (DiagnosisSeverity.Notice, "search-rotating", "default"));
    }

    /// <summary>Gets the statement that makes a trigger, 'Guard', which compares names.</summary>
    protected abstract string TriggerOnName { get; }

    /// <summary>Gets the statement that adds a column which the database computes from the nick.</summary>
    protected abstract string GeneratedFromNick { get; }

    protected virtual string Length(string column) => $"length({column})";

    protected virtual string DropIndex(string index) => $"DROP INDEX [{index}]";

    protected async Task<IReadOnlyList<Diagnosis>> AssertFoundAsync(params (DiagnosisSeverity Severity, string Code, string Subject)[] expected)
    {
        var found = await DiagnoseAsync();
        Assert.Equal(expected, found.Select(d => (d.Severity, d.Code, d.Subject)));
        Assert.All(found, d => Assert.True(d.Message.Length > 0 && d.Hint.Length > 0));
        return found;
    }

    private async Task<IReadOnlyList<Diagnosis>> DiagnoseAsync()
    {
        await using var database = OpenDatabase();
        return await database.Scans.DiagnoseAsync();
    }
}
