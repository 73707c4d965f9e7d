using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>What a job fills beside the values themselves: blind indexes, unique ones, and their second columns.</summary>
public abstract class JobIndexesSpecification(TestDatabase database) : AdHocSpecification(database)
{
    private EncryptedDatabase _encrypted = null!;

    [Fact]
    public async Task A_backfill_into_an_encrypted_column_fills_its_blind_indexes_so_that_queries_find_every_row()
    {
        await PrepareAsync(isUnique: false);
        await InsertAsync((1, "ada@example.org"), (2, " Bob@Example.org"), (3, null), (4, "bob@example.org "));
        Assert.Equal((JobState.Completed, 3L, 0L), await RunAsync(Copy));
        await using var db = Open();
        Assert.Equal([2, 4], await db.Set<Person>().Where(p => p.Secret == "BOB@example.ORG").OrderBy(p => p.Id).Select(p => p.Id).ToListAsync());
        Assert.Equal(["ada@example.org", " Bob@Example.org", null, "bob@example.org "], await db.Set<Person>().OrderBy(p => p.Id).Select(p => p.Secret).ToListAsync());
    }

    [Fact]
    public async Task Of_values_that_are_equal_to_a_unique_blind_index_one_is_written_and_the_other_listed()
    {
        await PrepareAsync(isUnique: true);
        await InsertAsync((1, "ada@example.org"), (2, "ADA@example.org"), (3, "bob@example.org"), (4, null), (5, null));
        Assert.Equal((JobState.Completed, 2L, 1L), await RunAsync(Copy));
        await using var db = Open();
        Assert.Equal(1, (await db.Set<Person>().SingleAsync(p => p.Secret == "ada@example.org")).Id);
        Assert.Null((await db.Set<Person>().SingleAsync(p => p.Id == 2)).Secret);
    }

    [Fact]
    public async Task A_reindex_fills_what_is_missing_and_leaves_what_is_there()
    {
        await PrepareAsync(isUnique: false, allowsMissing: true);
        await SaveAsync(Enumerable.Range(1, 20).Select(i => new Person { Id = i, Secret = $"p{i}@example.org" }).ToArray<object>());
        var before = await ReadStoredAsync("People", "Secret_BlindIndex");
        await Database.QueryAsync($"UPDATE {Q("People")} SET {Q("Secret_BlindIndex")} = NULL WHERE {Q("Id")} > 12");
        Assert.Equal((JobState.Completed, 8L, 0L), await RunAsync(new JobRequest { Kind = JobKind.Reindex, Table = "People" }));
        Assert.Equal(before, await ReadStoredAsync("People", "Secret_BlindIndex"));
        Assert.Equal((JobState.Completed, 0L, 0L), await RunAsync(new JobRequest { Kind = JobKind.Reindex, Table = "People" }));
    }

    [Fact]
    public async Task A_copy_that_runs_while_two_versions_are_live_fills_the_second_column_too()
    {
        await PrepareAsync(isUnique: true);
        await SaveAsync(new Person { Id = 1, Secret = "first@example.org" });
        await _encrypted.Keys.RotateAsync(new KeyScope("default"), TimeSpan.Zero, includeSearch: true);
        await InsertAsync((2, "two@example.org"), (3, "three@example.org"));

        // The first one has its value already, and gets its second hash by the way.
        Assert.Equal((JobState.Completed, 3L, 0L), await RunAsync(Copy));
        Assert.Equal([true, true, true], (await ReadStoredAsync("People", "Secret_BlindIndex_Next")).Select(b => b is not null));
        await using var db = Open();
        foreach (var (id, email) in new[] { (1, "first@example.org"), (2, "two@example.org"), (3, "three@example.org") })
            Assert.Equal(id, (await db.Set<Person>().SingleAsync(p => p.Secret == email)).Id);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_encrypted is not null)
            await _encrypted.DisposeAsync();
        await base.DisposeAsync();
    }

    private static JobRequest Copy => new() { Kind = JobKind.Backfill, Table = "People", Columns = ["Email"], Into = "Secret", BatchSize = 2 };

    private string Q(string name) => Database.Quote(name);

    private async Task PrepareAsync(bool isUnique, bool allowsMissing = false)
    {
        await CreateAsync(m => m.Entity<Person>(
            p =>
            {
                p.ToTable("People");
                p.Property(x => x.Id).ValueGeneratedNever();
                p.Property(x => x.Secret).IsEncrypted().HasBlindIndex(Normalization.Email, isUnique: isUnique, allowMissingWhileBackfilling: allowsMissing);
            }));
        _encrypted = EncryptedDatabase.Open(Options<AdHocContext>(e => e.Configure(o => o with { RefreshInterval = TimeSpan.FromSeconds(1), ActivationDelay = TimeSpan.FromSeconds(2) })));
        await _encrypted.Keys.CreateAsync(new KeyScope("default"));
    }

    private async Task InsertAsync(params (int Id, string? Email)[] people)
    {
        foreach (var (id, email) in people)
            await Database.QueryAsync($"INSERT INTO {Q("People")} ({Q("Id")}, {Q("Email")}) VALUES ({id}, {(email is null ? "NULL" : $"'{email}'")})");
    }

    private async Task<(JobState State, long Written, long Refused)> RunAsync(JobRequest request)
    {
        var job = await _encrypted.Jobs.EnqueueAsync(await _encrypted.Jobs.PlanAsync(request));
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(30));
        job = (await _encrypted.Jobs.RunAsync([job.Id], cancellationToken: limit.Token))[0];
        return (job.State, job.RowsWritten, job.RowsRefused);
    }

    private sealed class Person
    {
        public int Id { get; set; }

        public string? Email { get; set; }

        public string? Secret { get; set; }
    }
}
