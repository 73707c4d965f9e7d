using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Jobs over a live table: what they rewrite, what they leave alone, and what they refuse.</summary>
public abstract class JobsSpecification(TestDatabase database) : EnvelopeSpecification(database)
{
    private const int Rows = 700;
    private static readonly KeyScope Scope = new("default");

    private EncryptedDatabase? _encrypted;

    protected EncryptedDatabase Encrypted => _encrypted!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using (var db = Open())
            await db.Database.EnsureCreatedAsync();
        _encrypted = EncryptedDatabase.Open(NewOptions());
    }

    public override async ValueTask DisposeAsync()
    {
        if (_encrypted is not null)
            await _encrypted.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task Everything_is_rewritten_under_the_new_version_which_lets_the_old_one_be_retired_and_destroyed()
    {
        await FillAsync(Rows);
        var before = await ReadAllAsync();
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero, includeSearch: true);

        var job = await RunAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "Registrations", BatchSize = 100, RangeSize = 150 });

        Assert.Equal((JobState.Completed, null, 0), (job.State, job.Reason, job.RowsRefused));
        Assert.Equal(before, await ReadAllAsync());
        await AssertFoundAsync();
        var report = await Encrypted.Keys.RetireAsync(new KeyVersion(Scope, 1));
        Assert.True(report.IsRetired, string.Join(", ", report.References));

        // Until then the application's ring may be the one that knows of two.
        await Task.Delay(TimeSpan.FromSeconds(1.2));
        await using (var db = Open())
        {
            Assert.Equal(Rows, await db.Registrations.Join(db.Registrations, a => a.Email, b => b.Email, (a, b) => a.Id).CountAsync());
            db.Add(Registration.Of(Rows + 1));
            await db.SaveChangesAsync();
        }

        Assert.True((await Encrypted.Keys.DestroyAsync(new KeyVersion(Scope, 1), TimeSpan.Zero)).IsRetired);
        await AssertFoundAsync();
        await AssertAllUnderAsync(2, withNext: true);

        var last = await RunAsync(new JobRequest { Kind = JobKind.Reindex, Table = "Registrations" });
        Assert.Equal(JobState.Completed, last.State);
        await AssertAllUnderAsync(2, withNext: false);
    }

    [Fact]
    public async Task An_ordinary_rotation_leaves_what_is_compared_as_it_is()
    {
        await FillAsync(100);
        var before = await ReadAllAsync();
        var hashes = await Database.QueryAsync($"SELECT {Database.Quote("Email_BlindIndex")} FROM {Database.Quote("Registrations")} ORDER BY {Database.Quote("Id")}");
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);

        var job = await RunAsync(new JobRequest { Kind = JobKind.Reencrypt, Table = "Registrations" });

        Assert.Equal((JobState.Completed, 100), (job.State, job.RowsWritten));
        Assert.Equal(before, await ReadAllAsync());
        Assert.Equal(hashes, await Database.QueryAsync($"SELECT {Database.Quote("Email_BlindIndex")} FROM {Database.Quote("Registrations")} ORDER BY {Database.Quote("Id")}"));
        await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Keys.RetireAsync(new KeyVersion(Scope, 1)));
        var references = await Encrypted.Keys.RetireAsync(new KeyVersion(Scope, 1), execute: false);
        Assert.False(references.IsRetired);
        Assert.Contains(references.References, r => r is { Column: "Registrations.Email_BlindIndex", Values: 100 });
        Assert.DoesNotContain(references.References, r => r.Column is "Registrations.Note" or "Registrations.Memo");
    }

    protected async Task<JobInfo> RunAsync(JobRequest request, RunOptions? options = null)
    {
        var job = await Encrypted.Jobs.EnqueueAsync(await Encrypted.Jobs.PlanAsync(request));
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(30));
        return (await Encrypted.Jobs.RunAsync([job.Id], options, cancellationToken: limit.Token))[0];
    }

    protected RegistrationContext Open() => new(NewOptions());

    private DbContextOptions<RegistrationContext> NewOptions()
        => Options<RegistrationContext>(e => e.Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(2) }));

    protected async Task FillAsync(int rows)
    {
        await using var db = Open();
        db.AddRange(Enumerable.Range(1, rows).Select(Registration.Of));
        await db.SaveChangesAsync();
    }

    protected async Task<List<string>> ReadAllAsync()
    {
        await using var db = Open();
        return [.. (await db.Registrations.AsNoTracking().OrderBy(r => r.Id).ToListAsync()).Select(r => r.Describe())];
    }

    private async Task AssertFoundAsync()
    {
        await using var db = Open();
        foreach (var id in new[] { 1, 100, 333 })
        {
            Assert.Equal(id, (await db.Registrations.SingleAsync(r => r.Email == $"PERSON{id}@example.org")).Id);
            Assert.Equal(id, (await db.Registrations.SingleAsync(r => r.Number == $"N-{id}")).Id);
            Assert.Equal(id, (await db.Registrations.SingleAsync(r => r.Badge == $"B-{id}")).Id);
        }

        Assert.Equal(100, await db.Registrations.CountAsync(r => r.Code == "code 3"));
    }

    private async Task AssertAllUnderAsync(byte version, bool withNext)
    {
        foreach (var column in (await Encrypted.ReadMapAsync()).Columns.Where(c => !c.IsText))
        {
            var numbers = (await Database.QueryAsync($"SELECT {Database.Quote(column.Column)} FROM {Database.Quote(column.Table)}")).OfType<byte[]>().Select(b => b[4]).Distinct().ToList();
            Assert.Equal(column.NextOf is not null && !withNext ? [] : [version], numbers);
        }
    }
}
