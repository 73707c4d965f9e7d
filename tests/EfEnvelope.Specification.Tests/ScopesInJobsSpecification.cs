using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Jobs of one key scope over a table whose values are in another one.</summary>
public abstract class ScopesInJobsSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private static readonly KeyScope Scope = new("default");
    private static readonly KeyScope Other = new("other");

    [Fact]
    public async Task A_job_of_another_scope_leaves_second_unique_values_alone()
    {
        await FillAsync(20);
        await using var encrypted = EncryptedDatabase.Open(NewOptions("default"));
        await encrypted.Keys.CreateAsync(Other);
        await encrypted.Keys.RotateAsync(Other, TimeSpan.Zero);
        await encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero, includeSearch: true);
        var job = await encrypted.Jobs.EnqueueAsync(await encrypted.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "Registrations", Scope = "default" }));
        for (var i = 0; i < 200 && (await encrypted.Keys.ListAsync(Scope))[1].UniqueFrom is null; i++)
        {
            await encrypted.Jobs.RunRangeAsync(job.Id);
            await Task.Delay(50);
        }

        Assert.NotNull((await encrypted.Keys.ListAsync(Scope))[1].UniqueFrom);
        await encrypted.Jobs.CancelAsync(job.Id);

        var wrong = await encrypted.Jobs.EnqueueAsync(await encrypted.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "Registrations", Scope = "other" }));
        await encrypted.Jobs.RunAsync([wrong.Id]);
        await Task.Delay(TimeSpan.FromSeconds(1.2));

        await using (var db = new RegistrationContext(NewOptions("default")))
        {
            var duplicate = Registration.Of(100);
            duplicate.Number = "N-7";
            db.Add(duplicate);
            await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
        }

        Assert.DoesNotContain(null, await Database.QueryAsync($"SELECT {Database.Quote("Number_BlindIndex_Next")} FROM {Database.Quote("Registrations")}"));
    }

    [Fact]
    public async Task An_instance_that_refreshes_less_often_than_the_tool_believes_adds_no_duplicate()
    {
        await FillAsync(20);
        var slow = Options<RegistrationContext>(e => e.Configure(o => o with { RefreshInterval = TimeSpan.FromMinutes(30), ActivationDelay = TimeSpan.Zero }));
        await using (var db = new RegistrationContext(slow))
        {
            db.Add(Registration.Of(200));
            await db.SaveChangesAsync();
        }

        await using var encrypted = EncryptedDatabase.Open(NewOptions("default"));
        await encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero, includeSearch: true);
        var job = await encrypted.Jobs.EnqueueAsync(await encrypted.Jobs.PlanAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "Registrations" }));
        Assert.Equal(JobState.Completed, (await encrypted.Jobs.RunAsync([job.Id]))[0].State);

        await using (var db = new RegistrationContext(slow))
        {
            var duplicate = Registration.Of(300);
            duplicate.Number = "N-7";
            db.Add(duplicate);
            await db.SaveChangesAsync().ContinueWith(_ => { });
        }

        await using (var db = new RegistrationContext(NewOptions("default")))
            Assert.Equal(1, await db.Registrations.CountAsync(r => r.Number == "N-7"));
    }

    private async Task FillAsync(int rows)
    {
        await using var db = new RegistrationContext(NewOptions("default"));
        await db.Database.EnsureCreatedAsync();
        db.AddRange(Enumerable.Range(1, rows).Select(Registration.Of));
        await db.SaveChangesAsync();
    }

    private DbContextOptions<RegistrationContext> NewOptions(string scope)
        => Options<RegistrationContext>(e => e.UseScope(scope).Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(1) }));
}
