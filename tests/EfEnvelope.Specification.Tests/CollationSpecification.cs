using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Scopes and tables whose names differ only in case, in tables of EfEnvelope whose columns a DBA made ignore case.</summary>
public abstract class CollationSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private static readonly KeyScope Lower = new("tenant-a");
    private static readonly KeyScope Upper = new("TENANT-A");

    private EncryptedDatabase _encrypted = null!;

    /// <summary>Makes a column of a table ignore case.</summary>
    /// <param name="table">The table.</param>
    /// <param name="column">The column.</param>
    /// <param name="withKey">Whether the primary key ignores case then, too, as it does where nobody says otherwise.</param>
    protected abstract Task IgnoreCaseAsync(string table, string column, bool withKey);

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using (var db = Open(Lower))
        {
            await db.Database.EnsureCreatedAsync();
            db.Add(Registration.Of(1));
            await db.SaveChangesAsync();
        }

        _encrypted = EncryptedDatabase.Open(NewOptions(Lower));
    }

    public override async ValueTask DisposeAsync()
    {
        await _encrypted.DisposeAsync();
        await base.DisposeAsync();
    }

    [Theory]
    [InlineData(" a")]
    [InlineData("a ")]
    [InlineData("a\u00a0")]
    [InlineData("a\t")]
    public void Name_of_a_scope_has_no_space(string name) => Assert.Throws<ArgumentException>(() => new KeyScope(name));

    [Fact]
    public async Task Scope_that_the_database_takes_for_another_is_refused_with_the_way_out()
    {
        await IgnoreCaseAsync("__EnvelopeKeys", "Scope", withKey: true);
        await using var db = Open(Upper);
        db.Add(Registration.Of(2));

        var failed = await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
        var refused = Assert.IsType<EnvelopeConfigurationException>(failed.GetBaseException());

        Assert.Contains("'TENANT-A'", refused.Message, StringComparison.Ordinal);
        Assert.Contains("collation", refused.Message, StringComparison.Ordinal);
        var created = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => _encrypted.Keys.CreateAsync(Upper));
        Assert.Contains("'__EnvelopeKeys'", created.Message, StringComparison.Ordinal);
        await AssertReadableAsync(Lower, 1);
    }

    [Fact]
    public async Task Synchronous_save_is_refused_as_well()
    {
        await IgnoreCaseAsync("__EnvelopeKeys", "Scope", withKey: true);
        await using var db = Open(Upper);
        db.Add(Registration.Of(2));

        var failed = Assert.Throws<DbUpdateException>(() => db.SaveChanges());
        var refused = Assert.IsType<EnvelopeConfigurationException>(failed.GetBaseException());
        Assert.Contains("'TENANT-A'", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Shredding_rotating_and_retiring_leave_the_other_scope_alone()
    {
        await _encrypted.Keys.CreateAsync(Upper);
        await IgnoreCaseAsync("__EnvelopeKeys", "Scope", withKey: false);
        await IgnoreCaseAsync("__EnvelopeUsage", "Scope", withKey: false);

        Assert.Equal([Upper, Lower], await _encrypted.Keys.GetScopesAsync());
        await _encrypted.Keys.RotateAsync(Upper, TimeSpan.Zero);
        Assert.Equal([1, 2], await VersionsAsync(Upper));
        Assert.Equal([1], await VersionsAsync(Lower));
        Assert.Equal([0, 0], (await _encrypted.Keys.ListAsync(Upper)).Select(v => v.Reserved));
        Assert.True((await _encrypted.Keys.ListAsync(Lower))[0].Reserved > 0);

        await _encrypted.Keys.ShredAsync(Upper);

        Assert.All(await _encrypted.Keys.ListAsync(Upper), v => Assert.Equal(KeyVersionStatus.Destroyed, v.Status));
        Assert.Equal(KeyVersionStatus.Enabled, Assert.Single(await _encrypted.Keys.ListAsync(Lower)).Status);
        await AssertReadableAsync(Lower, 1);
        await using var db = Open(Lower);
        db.Add(Registration.Of(3));
        await db.SaveChangesAsync();
    }

    [Fact]
    public async Task Writers_of_both_scopes_prove_their_own_keys()
    {
        await _encrypted.Keys.CreateAsync(Upper);
        await IgnoreCaseAsync("__EnvelopeKeys", "Scope", withKey: false);
        await IgnoreCaseAsync("__EnvelopeUsage", "Scope", withKey: false);

        foreach (var (scope, id) in new[] { (Lower, 10), (Upper, 20) })
        {
            await using var db = Open(scope);
            await using var transaction = await db.Database.BeginTransactionAsync();
            db.Add(Registration.Of(id));
            await db.SaveChangesAsync();
            await transaction.CommitAsync();
        }

        await AssertReadableAsync(Upper, 20);
        await AssertReadableAsync(Lower, 10);
    }

    [Fact]
    public async Task Job_of_a_table_leaves_the_map_of_another_alone()
    {
        await Database.QueryAsync($"CREATE TABLE {Q("t")} ({Q("Id")} int NOT NULL PRIMARY KEY, {Q("Note")} {Text} NULL)");
        var columns = string.Join(", ", new[] { "TableSchema", "TableName", "ColumnName", "Field", "Mode", "PlaintextType" }.Select(Q));
        await Database.QueryAsync($"INSERT INTO {Q("__EnvelopeMap")} ({columns}) VALUES ('', 'T', 'Note', 'other', 'randomized', "
            + $"'string')");
        await IgnoreCaseAsync("__EnvelopeMap", "TableName", withKey: false);

        await EnqueueAsync(new JobRequest { Kind = JobKind.Backfill, Table = "t", Columns = ["Note"], Scope = "tenant-a" });

        var map = await _encrypted.ReadMapAsync();
        Assert.Equal(["T", "t"], map.Columns.Where(c => c.Column == "Note" && c.Table.Length == 1).Select(c => c.Table));
    }

    [Fact]
    public async Task Job_does_not_wait_for_the_rotation_of_another_scope()
    {
        await _encrypted.Keys.CreateAsync(Upper);
        await EnqueueAsync(new JobRequest { Kind = JobKind.Rotate, Scope = "TENANT-A" });
        await IgnoreCaseAsync("__EnvelopeJobs", "Scope", withKey: false);
        await _encrypted.Keys.RotateAsync(Lower, TimeSpan.Zero, includeSearch: true);

        var job = await EnqueueAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "Registrations", Scope = "tenant-a" });
        for (var i = 0; i < 200 && (await _encrypted.Jobs.GetAsync(job.Id)).State == JobState.Pending; i++)
            await _encrypted.Jobs.RunRangeAsync(job.Id);

        Assert.NotEqual(JobState.Pending, (await _encrypted.Jobs.GetAsync(job.Id)).State);
    }

    [Fact]
    public async Task Doctor_finds_names_that_ignore_case()
    {
        Assert.DoesNotContain(await _encrypted.Scans.DiagnoseAsync(), d => d.Code == "names-ignore-case");
        await IgnoreCaseAsync("__EnvelopeKeys", "Scope", withKey: true);

        var found = Assert.Single(await _encrypted.Scans.DiagnoseAsync(), d => d.Code == "names-ignore-case");

        Assert.Equal((DiagnosisSeverity.Warning, "__EnvelopeKeys.Scope"), (found.Severity, found.Subject));
    }

    protected string Q(string name) => Database.Quote(name);

    private string Text => Database.Quote("x") == "[x]" ? "nvarchar(100)" : "text";

    private async Task<JobInfo> EnqueueAsync(JobRequest request) => await _encrypted.Jobs.EnqueueAsync(await _encrypted.Jobs.PlanAsync(request));

    private async Task<IEnumerable<int>> VersionsAsync(KeyScope scope)
        => (await _encrypted.Keys.ListAsync(scope)).Select(v => v.Version.Number);

    private async Task AssertReadableAsync(KeyScope scope, int id)
    {
        await using var db = Open(scope);
        Assert.Equal(Registration.Of(id).Number, (await db.Registrations.SingleAsync(r => r.Id == id)).Number);
    }

    private RegistrationContext Open(KeyScope scope) => new(NewOptions(scope));

    private DbContextOptions<RegistrationContext> NewOptions(KeyScope scope)
        => Options<RegistrationContext>(
            e => e.UseScope(scope.Name)
                .Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(1) }));
}
