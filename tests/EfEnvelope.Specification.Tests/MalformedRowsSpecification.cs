using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>One row of EfEnvelope's own tables that holds what nothing of EfEnvelope writes: it is named, and everything else goes on.</summary>
public abstract class MalformedRowsSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private EncryptedDatabase _encrypted = null!;

    /// <summary>Gets what can stand in a column of jobs, as SQL.</summary>
    public static TheoryData<string, string> Jobs => new()
    {
        { "Request", "'{'" },
        { "Request", "''" },
        { "Request", "'null'" },
        { "Request", "'[]'" },
        { "Request", "'{\"Kind\":\"Shred\"}'" },
        { "Request", "'{\"Kind\":99}'" },
        { "Request", "'{\"Kind\":\"Rotate\",\"Columns\":null}'" },
        { "Request", "'{\"Kind\":\"Rotate\",\"Columns\":[null]}'" },
        { "Request", "'{\"Kind\":\"Rotate\",\"Throttle\":null}'" },
        { "Request", "'{\"Kind\":\"Rotate\",\"RangeSize\":1e99}'" },
        { "State", "'lost'" },
        { "State", "'99'" },
        { "State", "''" },
        { "Throttle", "'{'" },
        { "Throttle", "'null'" },
        { "Throttle", "'{\"DutyCycle\":0}'" },
        { "Scope", "'a b'" },
        { "Pass", "-1" },
        { "EstimatedRows", "-5" },
        { "CreatedAt", "'yesterday'" },
        { "NotBefore", "'9999-12-31T23:59:59.9999999Z'" },
        { "StartedAt", "'0001-01-01T00:00:00Z'" },
        { "PassStartedAt", "'12'" },
        { "Id", "9223372036854775807" },
        { "Id", "-3" },
    };

    public static TheoryData<string, string> Map => new()
    {
        { "Definition", "'{'" }, { "Definition", "'[]'" }, { "Definition", "'null'" }, { "Mode", "'secret'" }, { "Mode", "'blindindex'" }, { "Field", "''" }, { "PlaintextType", "''" },
    };

    public static TheoryData<string, string> Keys => new()
    {
        { "Scope", "'a b'" }, { "Scope", "''" }, { "Status", "'lost'" }, { "Status", "'99'" }, { "WrappedKey", "'{'" }, { "WrappedKey", "'[]'" }, { "WrappedKey", "'[null]'" },
        { "Commitment", "'!'" }, { "CreatedAt", "'yesterday'" }, { "EncryptsFrom", "'9999-12-31T23:59:59Z'" }, { "RetiredAt", "''" }, { "Version", "-1" }, { "Revision", "-1" },
    };

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using (var db = Open())
        {
            await db.Database.EnsureCreatedAsync();
            db.AddRange(Enumerable.Range(1, 5).Select(Registration.Of));
            await db.SaveChangesAsync();
        }

        _encrypted = EncryptedDatabase.Open(NewOptions());
        await _encrypted.Keys.CreateAsync(new KeyScope("other"));
    }

    public override async ValueTask DisposeAsync()
    {
        await _encrypted.DisposeAsync();
        await base.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Jobs))]
    public async Task Malformed_job_is_named_and_removed_and_every_other_job_goes_on(string column, string value)
    {
        var bad = await EnqueueAsync(new JobRequest { Kind = JobKind.Rotate, Scope = "other" });
        await Database.QueryAsync($"UPDATE {Q("__EnvelopeJobs")} SET {Q(column)} = {value} WHERE {Q("Id")} = {bad}");
        if (column == "Id")
            bad = long.Parse(value, System.Globalization.CultureInfo.InvariantCulture);
        await AssertNamedAsync("__EnvelopeJobs", bad.ToString(System.Globalization.CultureInfo.InvariantCulture));

        var good = await EnqueueAsync(Reencrypt);
        Assert.Equal([good], (await _encrypted.Jobs.ListAsync()).Select(j => j.Id));
        Assert.Equal(JobState.Completed, (await RunAsync(good)).State);
        Assert.Contains("'__EnvelopeJobs'", (await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => _encrypted.Jobs.GetAsync(bad))).Message, StringComparison.Ordinal);

        Assert.Null(await _encrypted.Jobs.CancelAsync(bad));

        Assert.Empty(await _encrypted.Scans.FindMalformedRowsAsync());
        Assert.Single(await Database.QueryAsync($"SELECT {Q("Id")} FROM {Q("__EnvelopeJobs")}"));
    }

    [Fact]
    public async Task Malformed_job_that_is_run_beside_others_fails_and_they_complete()
    {
        var bad = await EnqueueAsync(new JobRequest { Kind = JobKind.Rotate, Scope = "other" });
        var good = await EnqueueAsync(Reencrypt);
        await Database.QueryAsync($"UPDATE {Q("__EnvelopeJobs")} SET {Q("Request")} = '{{' WHERE {Q("Id")} = {bad}");

        var named = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => _encrypted.Jobs.RunAsync([bad, good]));

        Assert.Contains($"'{bad}' of '__EnvelopeJobs'", named.Message, StringComparison.Ordinal);
        Assert.Equal(JobState.Completed, (await _encrypted.Jobs.GetAsync(good)).State);
    }

    [Theory]
    [InlineData("__EnvelopeRanges", "UpperKey", "'{'")]
    [InlineData("__EnvelopeRanges", "LowerKey", "'[\"i1\",\"i2\"]'")]
    [InlineData("__EnvelopeRanges", "LowerKey", "'[\"\"]'")]
    [InlineData("__EnvelopeRanges", "LowerKey", "'[null]'")]
    [InlineData("__EnvelopeCheckpoints", "Position", "'null'")]
    [InlineData("__EnvelopeCheckpoints", "Position", "'[\"z9\"]'")]
    [InlineData("__EnvelopeCheckpoints", "Step", "-1")]
    public async Task Malformed_range_or_checkpoint_fails_its_own_job(string table, string column, string value)
    {
        var job = await EnqueueAsync(Reencrypt with { BatchSize = 1 });
        _encrypted.BeforeWrite = async () =>
        {
            _encrypted.BeforeWrite = null;
            await _encrypted.Jobs.PauseAsync(job);
        };
        await _encrypted.Keys.RotateAsync(new KeyScope("default"), TimeSpan.Zero);
        await _encrypted.Jobs.RunAsync([job], new RunOptions { WaitsForTime = false });
        await Database.QueryAsync($"UPDATE {Q(table)} SET {Q(column)} = {value}");
        await _encrypted.Jobs.ResumeAsync(job);

        var failed = await RunAsync(job);

        Assert.Equal(JobState.Failed, failed.State);
        Assert.Contains("__Envelope", failed.Reason, StringComparison.Ordinal);
        var next = await EnqueueAsync(Reencrypt);
        Assert.Equal(JobState.Completed, (await RunAsync(next)).State);
    }

    [Fact]
    public async Task Counts_that_no_range_can_have_make_one_job_malformed()
    {
        var bad = await EnqueueAsync(Reencrypt with { RangeSize = 2 });
        await RunAsync(bad);
        await Database.QueryAsync($"UPDATE {Q("__EnvelopeCheckpoints")} SET {Q("RowsRead")} = 9223372036854775807");

        await AssertNamedAsync("__EnvelopeJobs", $"{bad}");

        Assert.Empty(await _encrypted.Jobs.ListAsync());
    }

    [Theory]
    [MemberData(nameof(Map))]
    public async Task Malformed_row_of_the_map_is_named_stops_what_needs_it_and_nothing_else(string column, string value)
    {
        await Database.QueryAsync($"CREATE TABLE {Q("Elsewhere")} ({Q("Id")} integer PRIMARY KEY, {Q("C")} text)");
        string[] names = ["TableSchema", "TableName", "ColumnName", "Field", "Mode", "PlaintextType"];
        await Database.QueryAsync(
            $"INSERT INTO {Q("__EnvelopeMap")} ({string.Join(", ", names.Select(Q))}) VALUES ('', 'Elsewhere', 'C', 'Elsewhere.C', 'randomized', 'string')");
        await Database.QueryAsync($"UPDATE {Q("__EnvelopeMap")} SET {Q(column)} = {value} WHERE {Q("TableName")} = 'Elsewhere'");
        await AssertNamedAsync("__EnvelopeMap", "Elsewhere.C");

        Assert.Single((await _encrypted.ReadMapAsync()).Malformed);
        Assert.NotEmpty(await _encrypted.Scans.GetStatusAsync());
        Assert.Equal(JobState.Completed, (await RunAsync(await EnqueueAsync(Reencrypt))).State);
        await using (var db = Open())
            Assert.Equal(1, await db.Registrations.CountAsync(r => r.Email == "person3@example.org"));
        Assert.Contains((await _encrypted.Scans.VerifyAsync("default")).Findings, f => f is { Table: "__EnvelopeMap", Key: "Elsewhere.C" });

        var needed = new JobRequest { Kind = JobKind.Reencrypt, Scope = "default", Table = "Elsewhere" };
        Assert.Contains("'Elsewhere.C' of '__EnvelopeMap'", (await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => _encrypted.Jobs.PlanAsync(needed))).Message, StringComparison.Ordinal);
        await _encrypted.Keys.RotateAsync(new KeyScope("default"), TimeSpan.Zero, includeSearch: true);
        var retired = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => _encrypted.Keys.RetireAsync(new KeyVersion(new KeyScope("default"), 1), execute: false));
        Assert.Contains("'Elsewhere.C' of '__EnvelopeMap'", retired.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public async Task Malformed_key_row_of_another_scope_is_named_and_stops_no_other_scope(string column, string value)
    {
        await Database.QueryAsync($"UPDATE {Q("__EnvelopeKeys")} SET {Q(column)} = {value} WHERE {Q("Scope")} = 'other'");
        await AssertNamedAsync("__EnvelopeKeys", column == "Scope" ? value.Trim('\'') : "other");

        await AssertDefaultWorksAsync();
        if (column is not ("Scope" or "Version" or "Revision"))
            Assert.Contains("'other:v1'", (await Assert.ThrowsAnyAsync<EnvelopeException>(() => _encrypted.Keys.ListAsync(new KeyScope("other")))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Malformed_intermediate_key_that_no_scope_here_is_under_stops_none()
    {
        var columns = string.Join(", ", new[] { "Scope", "Status", "WrappedKey", "Commitment", "CreatedAt", "Revision" }.Select(Q));
        await Database.QueryAsync($"INSERT INTO {Q("__EnvelopeKeys")} ({Q("Version")}, {columns}) SELECT 2, {columns} FROM {Q("__EnvelopeKeys")} WHERE {Q("Scope")} = '~intermediate'");
        await Database.QueryAsync($"UPDATE {Q("__EnvelopeKeys")} SET {Q("WrappedKey")} = '{{' WHERE {Q("Scope")} = '~intermediate' AND {Q("Version")} = 2");
        await AssertNamedAsync("__EnvelopeKeys", "~intermediate:v2");
        await AssertDefaultWorksAsync();
    }

    [Fact]
    public async Task Malformed_row_is_nowhere_quoted()
    {
        var bad = await EnqueueAsync(new JobRequest { Kind = JobKind.Rotate, Scope = "other" });
        await Database.QueryAsync($"UPDATE {Q("__EnvelopeJobs")} SET {Q("Request")} = '{{hunter2' WHERE {Q("Id")} = {bad}");
        var row = Assert.Single(await _encrypted.Scans.FindMalformedRowsAsync());
        Assert.DoesNotContain("hunter2", row.Reason, StringComparison.Ordinal);
        Assert.Contains("'Request'", row.Reason, StringComparison.Ordinal);
    }

    private static JobRequest Reencrypt => new() { Kind = JobKind.Reencrypt, Scope = "default", Table = "Registrations" };

    private string Q(string name) => Database.Quote(name);

    private RegistrationContext Open() => new(NewOptions());

    private DbContextOptions<RegistrationContext> NewOptions()
        => Options<RegistrationContext>(e => e.Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(2) }));

    private async Task AssertNamedAsync(string table, string key)
    {
        var row = Assert.Single(await _encrypted.Scans.FindMalformedRowsAsync());
        Assert.Equal(table, row.Table);
        Assert.StartsWith(key, row.Key, StringComparison.Ordinal);
        Assert.Contains(await _encrypted.Scans.DiagnoseAsync(), d => d.Code == "row-malformed" && d.Subject == $"{row.Table} {row.Key}" && d.Severity == DiagnosisSeverity.Error);
    }

    private async Task AssertDefaultWorksAsync()
    {
        // A process that has no ring yet.
        await using (var db = new RegistrationContext(Options<RegistrationContext>(e => e.Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(2), ActivationDelay = TimeSpan.FromSeconds(3) }))))
        {
            Assert.Equal(5, (await db.Registrations.ToListAsync()).Count(r => r.Email.EndsWith("@example.org", StringComparison.Ordinal)));
            db.Add(Registration.Of(6));
            await db.SaveChangesAsync();
        }

        Assert.NotEmpty(await _encrypted.Keys.ListAsync(new KeyScope("default")));
        Assert.Contains(new KeyScope("default"), await _encrypted.Keys.GetScopesAsync());
        Assert.Equal(JobState.Completed, (await RunAsync(await EnqueueAsync(Reencrypt))).State);
        Assert.True((await _encrypted.Scans.VerifyAsync("default")).IsClean);
    }

    private async Task<long> EnqueueAsync(JobRequest request) => (await _encrypted.Jobs.EnqueueAsync(await _encrypted.Jobs.PlanAsync(request))).Id;

    private async Task<JobInfo> RunAsync(long id)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        return Assert.Single(await _encrypted.Jobs.RunAsync([id], cancellationToken: limit.Token));
    }
}
