using System.Text;
using EfEnvelope.Rotation;
using EfEnvelope.Kms;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Counting by headers, and opening everything: what is wrong is found, and nothing else.</summary>
public abstract class VerifySpecification(TestDatabase database) : ScansFixture(database)
{
    // Per row: Name, Note, Born, Ssn and Code.
    private const int Values = 5;

    [Fact]
    public async Task Everything_that_ef_core_saved_opens_and_its_blind_indexes_agree()
    {
        await SaveAsync("1 ada", "2 bob");
        await RotateAsync(includeSearch: true);
        await SaveAsync("3 eve");

        var report = await VerifyAsync();

        Assert.True(report.IsClean, string.Join('\n', report.Findings));
        Assert.Equal((3, 3 * Values, 4), (report.Rows, report.Opened, report.IndexesChecked));
    }

    [Fact]
    public async Task Status_counts_nulls_and_foreign_values_and_values_by_key_number()
    {
        await SaveAsync("1 ada", "2 bob");
        await RotateAsync();
        await SaveAsync("3 eve");
        await SetAsync(1, "Name", Encoding.UTF8.GetBytes("in clear text"));
        await SetAsync(2, "Note", "in clear text");
        await using var database = OpenDatabase();

        var status = (await database.Scans.GetStatusAsync()).ToDictionary(s => s.Column.Column);

        Assert.Equal((0, 1), (status["Name"].Nulls, status["Name"].Foreign));
        Assert.Equal([(1u, 1L), (2u, 1L)], status["Name"].ByKeyNumber.Select(n => (n.Key, n.Value)));
        Assert.Equal((0, 1), (status["Note"].Nulls, status["Note"].Foreign));
        Assert.Equal([(1u, 1L), (2u, 1L)], status["Note"].ByKeyNumber.Select(n => (n.Key, n.Value)));
        Assert.Equal((3, 0, 0), (status["Nick"].Nulls, status["Nick"].Foreign, status["Nick"].ByKeyNumber.Count));
        Assert.Equal([(1u, 3L)], status["Ssn_BlindIndex"].ByKeyNumber.Select(n => (n.Key, n.Value)));
        Assert.Equal(3, status["Ssn_BlindIndex_Next"].Nulls);
    }

    [Fact]
    public async Task Altered_value_is_found_and_all_others_are_counted()
    {
        await SaveAsync("1 ada", "2 bob");
        var bytes = await ReadAsync<byte[]>(2, "Name");
        bytes[^1] ^= 1;
        await SetAsync(2, "Name", bytes);

        AssertOne(await VerifyAsync(), "2", "Name", "altered", (2 * Values) - 1, 2);
    }

    [Fact]
    public async Task Value_moved_to_another_column_is_found()
    {
        await SaveAsync("1 ada", "2 bob");
        await SetAsync(1, "Nick", await ReadAsync<byte[]>(1, "Name"));

        AssertOne(await VerifyAsync(), "1", "Nick", "copied from another column", 2 * Values, 2);
    }

    [Fact]
    public async Task Swapped_blind_indexes_are_found()
    {
        await SaveAsync("1 ada", "2 bob", "3 eve");
        var (one, other) = (await ReadAsync<byte[]>(1, "Ssn_BlindIndex"), await ReadAsync<byte[]>(2, "Ssn_BlindIndex"));
        await SetAsync(1, "Ssn_BlindIndex", null);
        await SetAsync(2, "Ssn_BlindIndex", one);
        await SetAsync(1, "Ssn_BlindIndex", other);

        var report = await VerifyAsync();

        Assert.Equal((2, 3 * Values, 1), (report.Failures, report.Opened, report.IndexesChecked));
        Assert.Equal([("1", "Ssn_BlindIndex"), ("2", "Ssn_BlindIndex")], report.Findings.Select(f => (f.Key, f.Column)));
        Assert.All(report.Findings, f => Assert.Contains("does not belong to the row's values", f.Reason, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Missing_blind_index_is_found_unless_the_map_allows_it()
    {
        await SaveAsync("1 ada", "2 bob");
        await SetAsync(2, "Ssn_BlindIndex", null);

        AssertOne(await VerifyAsync(), "2", "Ssn_BlindIndex", "is null although its values are not", 2 * Values, 1);

        await AllowMissingIndexAsync();
        Assert.True((await VerifyAsync()).IsClean);
    }

    [Fact]
    public async Task Blind_index_without_its_value_is_found()
    {
        await SaveAsync("1 ada");
        await SetAsync(1, "Ssn", null);

        AssertOne(await VerifyAsync(), "1", "Ssn_BlindIndex", "is not null although a value", Values - 1, 0);
    }

    [Fact]
    public async Task Envelope_in_the_place_of_a_blind_index_is_found()
    {
        await SaveAsync("1 ada");
        await SetAsync(1, "Ssn_BlindIndex", await ReadAsync<byte[]>(1, "Ssn"));

        AssertOne(await VerifyAsync(), "1", "Ssn_BlindIndex", "no blind index of its length", Values, 0);
    }

    [Fact]
    public async Task Wrong_second_value_of_a_unique_index_is_found()
    {
        await SaveAsync("1 ada", "2 bob");
        await RotateAsync(includeSearch: true);
        await SaveAsync("3 eve");
        await SetAsync(1, "Ssn_BlindIndex_Next", await ReadAsync<byte[]>(2, "Ssn_BlindIndex"));

        AssertOne(await VerifyAsync(), "1", "Ssn_BlindIndex_Next", "does not belong", 3 * Values, 4);
    }

    [Fact]
    public async Task Plaintext_in_a_text_column_is_found_unless_the_map_allows_it()
    {
        await SaveAsync("1 ada", "2 bob");
        await SetAsync(1, "Note", "in clear text");

        AssertOne(await VerifyAsync(), "1", "Note", "holds plaintext", (2 * Values) - 1, 2);

        await AllowPlaintextAsync();
        var allowed = await VerifyAsync();
        Assert.True(allowed.IsClean);
        Assert.Equal((2 * Values) - 1, allowed.Opened);

        // What begins like an envelope and is none is never taken for a plaintext.
        await SetAsync(1, "Note", "efenvelope:v1:in clear text");
        AssertOne(await VerifyAsync(), "1", "Note", "not an envelope", (2 * Values) - 1, 2);
    }

    [Theory]
    [InlineData("RetiredAt", "2026-01-01T00:00:00.0000000Z", "retired")]
    [InlineData("Status", "destroyed", "destroyed")]
    [InlineData("Status", "disabled", "disabled")]
    public async Task Values_under_a_version_that_is_out_of_use_are_found(string column, string value, string reason)
    {
        await SaveAsync("1 ada");
        await RotateAsync(includeSearch: true);
        await SaveAsync("2 bob");
        await SetKeyAsync(2, "UniqueFrom", "2026-01-01T00:00:00.0000000Z");
        await SetKeyAsync(1, column, value);

        var report = await VerifyAsync();

        // Five values and a blind index of the first row; the blind index of the second, which a unique index compares; its second one is under the new version.
        Assert.Equal(Values + 2, report.Failures);
        Assert.All(report.Findings, f => Assert.Contains(reason, f.Reason, StringComparison.Ordinal));
        Assert.Equal((Values, 1), (report.Opened, report.IndexesChecked));
    }

    [Fact]
    public async Task Value_of_another_scope_is_told_to_be_perhaps_one()
    {
        await SaveAsync("1 ada");
        await using (var database = OpenDatabase())
            await database.Keys.CreateAsync(new Keys.KeyScope("other"));

        Assert.True((await VerifyAsync("default")).IsClean);
        var report = await VerifyAsync("other");

        // The blind index of a value that did not open is not judged.
        Assert.Equal((Values, 0), (report.Failures, report.Opened));
        Assert.All(report.Findings, f => Assert.Contains("belongs to another scope than 'other'", f.Reason, StringComparison.Ordinal));
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => VerifyAsync());
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => VerifyAsync("unknown"));
    }

    [Fact]
    public async Task Version_made_while_the_scan_runs_is_loaded_and_later_pages_open()
    {
        await SaveAsync([.. Enumerable.Range(1, 1200).Select(i => $"{i} ada")]);
        await using var database = OpenDatabase();
        var seen = new List<long>();

        var report = await database.Scans.VerifyAsync(
            progress: new Reports(
                rows =>
                {
                    seen.Add(rows);
                    if (seen.Count == 1)
                    {
                        Task.Run(() => RotateAsync()).GetAwaiter().GetResult();
                        Task.Run(() => SaveAsync("2000 eve")).GetAwaiter().GetResult();
                    }
                }));

        Assert.True(report.IsClean, string.Join('\n', report.Findings));
        Assert.Equal((1201, 1201 * Values, 1201), (report.Rows, report.Opened, report.IndexesChecked));
        Assert.Equal([1000, 1201], seen);
    }

    [Fact]
    public async Task No_more_than_a_thousand_findings_are_listed_and_all_are_counted()
    {
        await SaveAsync([.. Enumerable.Range(1, 1100).Select(i => $"{i} ada")]);
        await SqlAsync("UPDATE [People] SET [Name] = @bytes", ("@bytes", new byte[] { 1, 2, 3 }));

        var report = await VerifyAsync();

        Assert.Equal((1100, 1000), (report.Failures, report.Findings.Count));
        Assert.Equal((1100 * (Values - 1), 1100), (report.Opened, report.IndexesChecked));
    }

    [Fact]
    public async Task Outage_of_the_kms_is_an_exception_and_no_finding()
    {
        await SaveAsync("1 ada");
        Kms.Failure = KmsErrorKind.Unavailable;
        await Assert.ThrowsAsync<KeyUnavailableException>(() => VerifyAsync());
    }

    [Fact]
    public async Task One_table_can_be_verified_and_one_that_the_map_does_not_have_is_refused()
    {
        await SaveAsync("1 ada");
        Assert.Equal(1, (await VerifyAsync(table: "People")).Rows);
        var e = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => VerifyAsync(table: "people"));
        Assert.Contains("it has People", e.Message, StringComparison.Ordinal);
    }

    private static void AssertOne(VerifyReport report, string key, string column, string reason, long opened, long indexes)
    {
        var finding = Assert.Single(report.Findings);
        Assert.Equal(("People", key, column), (finding.Table, finding.Key, finding.Column));
        Assert.Contains(reason, finding.Reason, StringComparison.Ordinal);
        Assert.Equal((1, opened, indexes), (report.Failures, report.Opened, report.IndexesChecked));
        Assert.False(report.IsClean);
    }

    private async Task<VerifyReport> VerifyAsync(string? scope = null, string? table = null)
    {
        await using var database = OpenDatabase();
        return await database.Scans.VerifyAsync(scope, table);
    }

    private sealed class Reports(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }
}
