using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Bulk changes, transactions, retries and batches write envelopes, each sealed anew.</summary>
public abstract class SavingSpecification(TestDatabase database) : ClinicSpecification(database)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bulk_updates_write_constants_parameters_and_nulls(bool async)
    {
        await using var db = Open();
        var value = "parameter";
        int? score = 77;
        string? nothing = null;
        var patient = db.Patients.Where(p => p.Id == 1);
        var rows = async
            ? await patient.ExecuteUpdateAsync(
                s => s.SetProperty(p => p.Ssn, "constant").SetProperty(p => p.Alias, value).SetProperty(p => p.Note, nothing).SetProperty(p => p.Score, score)
                    .SetProperty(p => p.Seen, (DateOnly?)null).SetProperty(p => p.Home.Street, "new street").SetProperty(p => p.Contact!.Phone, "new phone")
                    .SetProperty(p => p.Marks, Marks.Blue).SetProperty(p => p.IsVip, false).SetProperty(p => p.Name, p => p.Name + "!"))
            : patient.ExecuteUpdate(
                s => s.SetProperty(p => p.Ssn, "constant").SetProperty(p => p.Alias, value).SetProperty(p => p.Note, nothing).SetProperty(p => p.Score, score)
                    .SetProperty(p => p.Seen, (DateOnly?)null).SetProperty(p => p.Home.Street, "new street").SetProperty(p => p.Contact!.Phone, "new phone")
                    .SetProperty(p => p.Marks, Marks.Blue).SetProperty(p => p.IsVip, false).SetProperty(p => p.Name, p => p.Name + "!"));
        Assert.Equal(1, rows);

        var ada = await db.Patients.SingleAsync(p => p.Id == 1);
        Assert.Equal(("constant", "parameter", null, 77), (ada.Ssn, ada.Alias, ada.Note, ada.Score));
        Assert.Equal((null, "new street", "new phone", Marks.Blue, false), (ada.Seen, ada.Home.Street, ada.Contact!.Phone, ada.Marks, ada.IsVip));
        Assert.Equal("Ada!", ada.Name);
        Assert.Equal("ssn-2", (await db.Patients.SingleAsync(p => p.Id == 2)).Ssn);
        Assert.DoesNotContain(Recorder.Commands, c => c.Contains("constant", StringComparison.Ordinal) || c.Contains("new street", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_bulk_update_that_runs_again_is_sealed_again()
    {
        await using var db = Open();
        for (var i = 0; i < 2; i++)
        {
            await db.Patients.Where(p => p.Id < 3).ExecuteUpdateAsync(s => s.SetProperty(p => p.Ssn, "same"));
            Assert.Equal(["same", "same", "ssn-3"], db.Patients.OrderBy(p => p.Id).Select(p => p.Ssn).ToList());
        }

        var sent = Recorder.Sent.SelectMany(p => p).OfType<byte[]>().Select(Convert.ToHexString).ToList();
        Assert.Equal(2, sent.Distinct().Count());
    }

    [Fact]
    public async Task A_complex_value_is_bulk_updated_whole()
    {
        await using var db = Open();
        var home = new Home { City = "Paris", Street = "paris-street" };
        await db.Patients.Where(p => p.Id == 2).ExecuteUpdateAsync(s => s.SetProperty(p => p.Home, home));
        var read = (await db.Patients.SingleAsync(p => p.Id == 2)).Home;
        Assert.Equal(("Paris", "paris-street"), (read.City, read.Street));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bulk_deletes_test_for_null(bool async)
    {
        await using var db = Open();
        Assert.Equal(1, async ? await db.Visits.Where(v => v.Advice != null).ExecuteDeleteAsync() : db.Visits.Where(v => v.Advice != null).ExecuteDelete());
        Assert.Equal(["finding-1", "finding-3"], db.Visits.OrderBy(v => v.Id).Select(v => v.Finding).ToList());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Transactions_and_savepoints_hold_encrypted_values(bool async)
    {
        await using var db = Open();
        await using (var transaction = async ? await db.Database.BeginTransactionAsync() : db.Database.BeginTransaction())
        {
            (await db.Patients.FindAsync(1))!.Ssn = "kept";
            _ = async ? await db.SaveChangesAsync() : db.SaveChanges();
            await transaction.CreateSavepointAsync("before");
            (await db.Patients.FindAsync(2))!.Ssn = "dropped";
            _ = async ? await db.SaveChangesAsync() : db.SaveChanges();
            Assert.Equal("dropped", db.Patients.AsNoTracking().Single(p => p.Id == 2).Ssn);
            await transaction.RollbackToSavepointAsync("before");
            await transaction.CommitAsync();
        }

        db.ChangeTracker.Clear();
        Assert.Equal(["kept", "ssn-2", "ssn-3"], await db.Patients.OrderBy(p => p.Id).Select(p => p.Ssn).ToListAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_first_key_is_made_outside_of_the_transaction_that_needs_it_first(bool async)
    {
        var options = Options<ClinicContext>(e => e.UseScope("fresh"));
        await using (var db = new ClinicContext(options))
        await using (var transaction = async ? await db.Database.BeginTransactionAsync() : db.Database.BeginTransaction())
        {
            db.Add(new Doctor { Id = 10, Name = "new", License = "new-license" });
            _ = async ? await db.SaveChangesAsync() : db.SaveChanges();
            await transaction.RollbackAsync();
        }

        await using (var db = new ClinicContext(options))
        {
            Assert.Single(await db.Database.GetEnvelopeKeysAsync());
            Assert.Empty(db.Doctors.Where(d => d.Id == 10));
            db.Add(new Doctor { Id = 10, Name = "new", License = "new-license" });
            await db.SaveChangesAsync();
            Assert.Equal("new-license", await db.Doctors.Where(d => d.Id == 10).Select(d => d.License).SingleAsync());
        }
    }

    [Fact]
    public async Task The_first_key_is_made_while_a_reader_is_open()
    {
        await using var db = new ClinicContext(Options<ClinicContext>(e => e.UseScope("reading")));
        Assert.SkipUnless(db.Database.ProviderName!.EndsWith("Sqlite", StringComparison.Ordinal), "Only SQLite runs two commands on one connection.");
        foreach (var name in db.Doctors.Select(d => d.Name))
        {
            db.Visits.Where(v => v.Id == 1).ExecuteUpdate(s => s.SetProperty(v => v.Finding, name));
            break;
        }

        Assert.Equal("House", db.Visits.Where(v => v.Id == 1).Select(v => v.Finding).Single());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_retried_save_is_sealed_again(bool async)
    {
        await using var db = Open(o => UseRetries(o));
        db.Add(new Doctor { Id = 20, Name = "retried", License = "retried-license" });
        Recorder.Clear();
        Recorder.Failures = 1;
        Assert.Equal(1, async ? await db.SaveChangesAsync() : db.SaveChanges());

        var sent = Recorder.Sent.SelectMany(p => p).OfType<byte[]>().ToList();
        Assert.Equal(2, sent.Count);
        Assert.All(sent, bytes => StoredBytes.AssertEnvelope(bytes, "retried-license".Length));
        Assert.NotEqual(sent[0], sent[1]);
        db.ChangeTracker.Clear();
        Assert.Equal("retried-license", db.Doctors.Single(d => d.Id == 20).License);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_retried_query_buffers_and_opens_every_row(bool async)
    {
        await using var db = Open(o => UseRetries(o));
        Recorder.Failures = 1;
        var query = db.Patients.Include(p => p.Visits).AsSplitQuery().OrderBy(p => p.Id);
        var patients = async ? await query.ToListAsync() : [.. query];
        Assert.Equal(["ssn-1", "ssn-2", "ssn-3"], patients.Select(p => p.Ssn));
        Assert.Equal(["finding-1", "finding-2"], patients[0].Visits.Select(v => v.Finding).Order());
        Assert.Equal(["note-1", "note-2", "none"], db.Patients.OrderBy(p => p.Id).Select(p => p.Note ?? "none").ToList());
        Recorder.Failures = 1;
        Assert.Equal(1, await db.Patients.Where(p => p.Id == 1).ExecuteUpdateAsync(s => s.SetProperty(p => p.Ssn, "retried")));
        Assert.Equal("retried", db.Patients.AsNoTracking().Single(p => p.Id == 1).Ssn);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_hundred_rows_are_inserted_and_changed_in_batches(bool async)
    {
        await using (var db = Open())
        {
            db.AddRange(Enumerable.Range(100, 200).Select(id => new Doctor { Id = id, Name = $"{id}", License = $"license-{id}" }));
            Assert.Equal(200, async ? await db.SaveChangesAsync() : db.SaveChanges());
        }

        await using (var db = Open())
        {
            var doctors = await db.Doctors.Where(d => d.Id >= 100).OrderBy(d => d.Id).ToListAsync();
            Assert.Equal(Enumerable.Range(100, 200).Select(id => $"license-{id}"), doctors.Select(d => d.License));
            doctors.ForEach(d => d.License = $"changed-{d.Id}");
            Assert.Equal(200, async ? await db.SaveChangesAsync() : db.SaveChanges());
        }

        await using (var db = Open())
            Assert.Equal(Enumerable.Range(100, 200).Select(id => $"changed-{id}"), db.Doctors.Where(d => d.Id >= 100).OrderBy(d => d.Id).Select(d => d.License).ToList());
    }

    [Fact]
    public async Task Nothing_is_stored_while_no_key_can_be_had()
    {
        var kms = new TestKms("failing") { Failure = EfEnvelope.Kms.KmsErrorKind.Unavailable };
        await using var db = new ClinicContext(
            ((DbContextOptionsBuilder<ClinicContext>)Database.UseProvider(new DbContextOptionsBuilder<ClinicContext>()))
                .UseEnvelopeEncryption(e => e.UseKms(kms).UseScope("failing"))
                .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)).Options);
        db.Add(new Doctor { Id = 30, Name = "lost", License = "lost-license" });
        var e = await Assert.ThrowsAnyAsync<Exception>(() => db.SaveChangesAsync());
        Assert.IsType<KeyUnavailableException>(e as KeyUnavailableException ?? e.InnerException);
        db.ChangeTracker.Clear();
        Assert.Equal(2, await db.Doctors.Select(d => d.Id).CountAsync());
        kms.Failure = null;
    }

    private static void UseRetries(DbContextOptionsBuilder<ClinicContext> options)
    {
        var provider = options.Options.Extensions.OfType<RelationalOptionsExtension>().Single();
        ((IDbContextOptionsBuilderInfrastructure)options).AddOrUpdateExtension((dynamic)provider.WithExecutionStrategyFactory(d => new Retrying(d)));
    }

    private sealed class Retrying(ExecutionStrategyDependencies dependencies) : ExecutionStrategy(dependencies, 3, TimeSpan.FromMilliseconds(1))
    {
        protected override bool ShouldRetryOn(Exception exception) => exception is TransientFailureException || exception.InnerException is TransientFailureException;
    }
}
