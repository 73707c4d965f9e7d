using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Jobs that a migration enqueues and the application runs in the background.</summary>
public abstract class HostedJobsSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    [Fact]
    public async Task A_migration_carries_the_rotation_and_the_hosted_service_runs_it()
    {
        await FillAsync(60);
        await using (var db = Open())
        {
            await MigrateAsync(db, m => m.RotateEnvelopeKey(includeSearch: true).ReencryptColumn("Registrations"));
            Assert.Equal(60, await db.Registrations.CountAsync());
        }

        await using (var encrypted = EncryptedDatabase.Open(NewOptions()))
        {
            var pending = await encrypted.Jobs.ListAsync();
            Assert.Equal([(2L, JobKind.Reencrypt, JobState.Pending), (1L, JobKind.Rotate, JobState.Pending)], pending.Select(j => (j.Id, j.Request.Kind, j.State)));

            await using var services = new ServiceCollection().AddLogging()
                .AddDbContextFactory<RegistrationContext>(o => Configure(o))
                .AddEnvelopeJobs<RegistrationContext>(o => o.PollInterval = TimeSpan.FromMilliseconds(200))
                .BuildServiceProvider();
            var service = Assert.Single(services.GetServices<IHostedService>());
            await service.StartAsync(CancellationToken.None);
            await WaitAsync(async () => (await encrypted.Jobs.ListAsync(includeEnded: false)).Count == 0);
            await service.StopAsync(CancellationToken.None);

            var ended = await encrypted.Jobs.ListAsync();
            Assert.All(ended, j => Assert.True(j.State == JobState.Completed, $"{j.Id}: {j.State} {j.Reason}"));
            Assert.Equal(["default:v1", "default:v2"], (await encrypted.Keys.ListAsync(new("default"))).Select(v => v.Version.ToString()));
            Assert.True((await encrypted.Keys.RetireAsync(new(new("default"), 1))).IsRetired);
        }

        await using (var db = Open())
            Assert.Equal(Enumerable.Range(1, 60).Select(id => Registration.Of(id).Describe()), (await db.Registrations.OrderBy(r => r.Id).ToListAsync()).Select(r => r.Describe()));
    }

    [Fact]
    public async Task A_job_that_a_migration_enqueues_for_a_table_waits_for_the_one_that_has_it()
    {
        await FillAsync(10);
        await using var encrypted = EncryptedDatabase.Open(NewOptions());
        await encrypted.Keys.RotateAsync(new("default"), TimeSpan.Zero);
        var first = await encrypted.Jobs.EnqueueAsync(await encrypted.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "Registrations" }));
        await using (var db = Open())
            await MigrateAsync(db, m => m.ReindexTable("Registrations").ReencryptColumn("Registrations", "Note"));

        Assert.Equal(RangeOutcome.Waiting, await encrypted.Jobs.RunRangeAsync(first.Id + 1));
        Assert.Equal(JobState.Pending, (await encrypted.Jobs.GetAsync(first.Id + 1)).State);
        var jobs = await encrypted.Jobs.RunAsync([first.Id, first.Id + 1, first.Id + 2]);

        Assert.All(jobs, j => Assert.Equal(JobState.Completed, j.State));
    }

    [Fact]
    public async Task A_job_that_cannot_be_read_keeps_no_other_from_running_in_the_background()
    {
        await FillAsync(5);
        await using var encrypted = EncryptedDatabase.Open(NewOptions());
        var bad = await encrypted.Jobs.EnqueueAsync(await encrypted.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Rotate }));
        var good = await encrypted.Jobs.EnqueueAsync(await encrypted.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Reindex, Table = "Registrations" }));

        // Not a rotation any more: jobs of its scope wait for one, also for one that cannot be read, until it is cancelled.
        await Database.QueryAsync(
            $"UPDATE {Database.Quote("__EnvelopeJobs")} SET {Database.Quote("Request")} = '{{', {Database.Quote("Kind")} = 'reindex' WHERE {Database.Quote("Id")} = {bad.Id}");
        await using var services = new ServiceCollection().AddLogging()
            .AddDbContextFactory<RegistrationContext>(o => Configure(o))
            .AddEnvelopeJobs<RegistrationContext>(o => o.PollInterval = TimeSpan.FromMilliseconds(50))
            .BuildServiceProvider();
        var service = Assert.Single(services.GetServices<IHostedService>());
        await service.StartAsync(CancellationToken.None);
        await WaitAsync(async () => (await encrypted.Jobs.GetAsync(good.Id)).State == JobState.Completed);
        await service.StopAsync(CancellationToken.None);

        Assert.Equal($"{bad.Id}", Assert.Single(await encrypted.Scans.FindMalformedRowsAsync()).Key);
    }

    [Fact]
    public async Task A_job_that_stores_plaintext_is_not_run_in_the_background_whoever_stored_it()
    {
        await FillAsync(5);
        await using var encrypted = EncryptedDatabase.Open(NewOptions());
        var planted = await encrypted.Jobs.EnqueueAsync(
            await encrypted.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Decrypt, Table = "Registrations", Columns = ["Memo"] }));
        await using var services = new ServiceCollection().AddLogging()
            .AddDbContext<RegistrationContext>(o => Configure(o))
            .AddEnvelopeJobs<RegistrationContext>(o => o.PollInterval = TimeSpan.FromMilliseconds(50))
            .BuildServiceProvider();
        var service = Assert.Single(services.GetServices<IHostedService>());
        await service.StartAsync(CancellationToken.None);
        await Task.Delay(1000);
        await service.StopAsync(CancellationToken.None);

        Assert.Equal((JobState.Pending, 0L), ((await encrypted.Jobs.GetAsync(planted.Id)) is var j ? j.State : default, j.RowsWritten));
        Assert.All((await Database.QueryAsync($"SELECT {Database.Quote("Memo")} FROM {Database.Quote("Registrations")}")).OfType<string>(), v => Assert.StartsWith("efenvelope:", v, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_job_whose_request_was_changed_behind_its_kind_is_not_run()
    {
        await FillAsync(5);
        await using var encrypted = EncryptedDatabase.Open(NewOptions());
        var job = await encrypted.Jobs.EnqueueAsync(
            await encrypted.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Decrypt, Table = "Registrations", Columns = ["Memo"] }));
        await Database.QueryAsync($"UPDATE {Database.Quote("__EnvelopeJobs")} SET {Database.Quote("Kind")} = 'reencrypt'");

        Assert.Equal(RangeOutcome.Ended, await encrypted.Jobs.RunRangeAsync(job.Id));

        var failed = await encrypted.Jobs.GetAsync(job.Id);
        Assert.Equal(JobState.Failed, failed.State);
        Assert.Contains("something else than its kind says", failed.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rotation_in_a_database_without_any_key_has_nothing_to_do()
    {
        await using (var db = Open())
        {
            await db.Database.EnsureCreatedAsync();
            await MigrateAsync(db, m => m.RotateEnvelopeKey());
        }

        await using var encrypted = EncryptedDatabase.Open(NewOptions());
        Assert.Equal(JobState.Completed, (await encrypted.Jobs.RunAsync([1]))[0].State);
        Assert.Empty(await encrypted.Keys.GetScopesAsync());
    }

    [Fact]
    public async Task A_database_that_is_away_stops_no_application()
    {
        await using var services = new ServiceCollection().AddLogging()
            .AddDbContext<RegistrationContext>(o => Configure(o))
            .AddEnvelopeJobs<RegistrationContext>(o => o.PollInterval = TimeSpan.FromMilliseconds(50))
            .BuildServiceProvider();
        var service = (BackgroundService)Assert.Single(services.GetServices<IHostedService>());
        await Database.DisposeAsync();
        await service.StartAsync(CancellationToken.None);
        await Task.Delay(300);
        Assert.False(service.ExecuteTask!.IsFaulted, service.ExecuteTask.Exception?.ToString());
        await service.StopAsync(CancellationToken.None);
    }

    [Fact]
    public void Options_out_of_range_are_refused()
        => Assert.Contains(
            "'Workers'", Assert.Throws<EnvelopeConfigurationException>(() => new ServiceCollection().AddEnvelopeJobs<RegistrationContext>(o => o.Workers = 0)).Message, StringComparison.Ordinal);

    private static async Task WaitAsync(Func<Task<bool>> condition)
    {
        for (var i = 0; i < 6000; i++)
        {
            if (await condition())
                return;
            await Task.Delay(100);
        }

        Assert.Fail("It did not come to pass within ten minutes.");
    }

    private static async Task MigrateAsync(DbContext db, Action<MigrationBuilder> build)
    {
        var builder = new MigrationBuilder(db.Database.ProviderName);
        build(builder);
        foreach (var command in db.GetService<IMigrationsSqlGenerator>().Generate(builder.Operations, db.Model))
            await db.Database.ExecuteSqlRawAsync(command.CommandText.Replace("{", "{{", StringComparison.Ordinal).Replace("}", "}}", StringComparison.Ordinal));
    }

    private async Task FillAsync(int rows)
    {
        await using var db = Open();
        await db.Database.EnsureCreatedAsync();
        db.AddRange(Enumerable.Range(1, rows).Select(Registration.Of));
        await db.SaveChangesAsync();
    }

    private RegistrationContext Open() => new(NewOptions());

    private DbContextOptions<RegistrationContext> NewOptions() => ((DbContextOptionsBuilder<RegistrationContext>)Configure(new DbContextOptionsBuilder<RegistrationContext>())).Options;

    private DbContextOptionsBuilder Configure(DbContextOptionsBuilder builder)
        => Database.UseProvider(builder).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)).UseEnvelopeEncryption(
            e => e.UseKms(Kms).Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(1) }));
}
