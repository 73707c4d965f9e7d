using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>What is left to do when a job has ended and the application still allows plaintext, and whether the column is as the model has it.</summary>
public abstract class PlaintextAllowedSpecification(TestDatabase database) : AdHocSpecification(database)
{
    private EncryptedDatabase _encrypted = null!;

    /// <summary>Gets whether the database holds a text to its length.</summary>
    protected virtual bool HasLengths => true;

    [Fact]
    public async Task Doctor_names_the_job_that_ended_while_the_application_still_allows_plaintext()
    {
        await PrepareAsync(p => p.AllowPlaintextWhileBackfilling());
        await Database.QueryAsync($"INSERT INTO {Q("People")} VALUES (1, 'ada'), (2, 'bob')");
        Assert.Null(await FindAsync());

        var job = await RunAsync(JobKind.Backfill);

        var warning = await FindAsync();
        Assert.Equal((DiagnosisSeverity.Warning, "People.Name"), (warning?.Severity, warning?.Subject));
        Assert.Contains($"Job {job} has encrypted the column", warning!.Message, StringComparison.Ordinal);
        Assert.Contains("'AllowPlaintextWhileBackfilling'", warning.Message, StringComparison.Ordinal);
        Assert.False(Assert.Single((await _encrypted.ReadMapAsync()).Columns).AllowsPlaintext);

        // A job that begins anew has not ended.
        await _encrypted.Jobs.EnqueueAsync(await _encrypted.Jobs.PlanAsync(Request(JobKind.Backfill)));
        Assert.Null(await FindAsync());
    }

    [Fact]
    public async Task Doctor_names_the_job_that_decrypted_while_the_application_still_has_the_step_before()
    {
        await PrepareAsync(p => p.StorePlaintextDuringTransition());
        await Database.QueryAsync($"INSERT INTO {Q("People")} VALUES (1, 'ada')");
        Assert.Null(await FindAsync());

        var job = await RunAsync(JobKind.Decrypt);

        var warning = await FindAsync();
        Assert.Contains($"Job {job} has decrypted the column", warning?.Message, StringComparison.Ordinal);
        Assert.Contains("'StorePlaintextDuringTransition'", warning!.Message, StringComparison.Ordinal);
        Assert.Equal("Name", Assert.Single((await _encrypted.ReadMapAsync()).Columns).Column);
    }

    [Fact]
    public async Task Doctor_warns_of_nothing_where_the_application_does_not_allow_plaintext()
    {
        await PrepareAsync(_ => { });
        await SaveAsync(new Person { Id = 1, Name = "ada" });
        await RunAsync(JobKind.Backfill);
        Assert.Null(await FindAsync());
        Assert.Single((await _encrypted.ReadMapAsync()).Columns);
    }

    [Fact]
    public async Task Job_leaves_a_column_as_wide_as_the_model_made_it_and_makes_another_just_as_wide()
    {
        await PrepareAsync(p => p.AllowPlaintextWhileBackfilling());
        Assert.Empty((await _encrypted.Jobs.PlanAsync(Request(JobKind.Backfill))).SchemaChanges);
        await Database.QueryAsync($"CREATE TABLE {Q("Others")} ({Q("Id")} integer PRIMARY KEY, {Q("Name")} varchar(100))");

        var plan = await _encrypted.Jobs.PlanAsync(Request(JobKind.Backfill) with { Table = "Others" });

        if (HasLengths)
            Assert.EndsWith("(458)", Assert.Single(plan.SchemaChanges), StringComparison.Ordinal);
        else
            Assert.Empty(plan.SchemaChanges);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_encrypted is not null)
            await _encrypted.DisposeAsync();
        await base.DisposeAsync();
    }

    private static JobRequest Request(JobKind kind) => new() { Kind = kind, Table = "People", Columns = ["Name"] };

    private string Q(string name) => Database.Quote(name);

    private async Task PrepareAsync(Action<PropertyBuilder<string?>> configure)
    {
        await CreateAsync(m => m.Entity<Person>(
            p =>
            {
                p.ToTable("People");
                p.Property(x => x.Id).ValueGeneratedNever();
                var name = p.Property(x => x.Name).HasMaxLength(100);
                name.IsEncrypted(storage: EncryptedStorage.Text);
                configure(name);
            }));
        _encrypted = EncryptedDatabase.Open(Options<AdHocContext>(e => e.Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(2) })));
        await _encrypted.Keys.CreateAsync(new KeyScope("default"));
    }

    private async Task<Diagnosis?> FindAsync() => (await _encrypted.Scans.DiagnoseAsync()).SingleOrDefault(d => d.Code == "plaintext-still-allowed");

    private async Task<long> RunAsync(JobKind kind)
    {
        var job = await _encrypted.Jobs.EnqueueAsync(await _encrypted.Jobs.PlanAsync(Request(kind)));
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        Assert.Equal(JobState.Completed, Assert.Single(await _encrypted.Jobs.RunAsync([job.Id], cancellationToken: limit.Token)).State);
        return job.Id;
    }

    private sealed class Person
    {
        public int Id { get; set; }

        public string? Name { get; set; }
    }
}
