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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_reindex_replaces_the_hashes_that_a_writer_without_the_index_left_behind(bool isUnique)
    {
        await PrepareAsync(isUnique);
        await SaveAsync(Enumerable.Range(1, 20).Select(i => new Person { Id = i, Secret = $"p{i}@example.org" }).ToArray<object>());
        await ChangeWithoutTheIndexAsync(id => id > 12);
        await using (var db = Open())
            Assert.Equal(0, await db.Set<Person>().CountAsync(p => p.Secret == "changed15@example.org"));
        Assert.False((await _encrypted.Scans.VerifyAsync()).IsClean);

        Assert.Equal((JobState.Completed, 8L, 0L), await RunAsync(Reindex));

        await AssertFoundAsync();
        Assert.Equal((JobState.Completed, 0L, 0L), await RunAsync(Reindex));
    }

    // They took the long s for s and the Kelvin sign for k, so both addresses had one hash.
    [Fact]
    public async Task A_reindex_replaces_the_hashes_that_early_builds_made_of_characters_beyond_ASCII()
    {
        await PrepareAsync(isUnique: false);
        await SaveAsync(new Person { Id = 1, Secret = "ask@corp.com" }, new Person { Id = 2, Secret = "a\u017F\u212A@corp.com" });
        await using (var db = Open())
            Assert.Equal(1, (await db.Set<Person>().SingleAsync(p => p.Secret == "ask@corp.com")).Id);
        await Database.QueryAsync(
            $"UPDATE {Q("People")} SET {Q("Secret_BlindIndex")} = (SELECT {Q("Secret_BlindIndex")} FROM {Q("People")} WHERE {Q("Id")} = 1) WHERE {Q("Id")} = 2");
        Assert.Equal(("2", "Secret_BlindIndex"), (await _encrypted.Scans.VerifyAsync()).Findings.Select(f => (f.Key, f.Column)).Single());

        Assert.Equal((JobState.Completed, 1L, 0L), await RunAsync(Reindex));

        await using var found = Open();
        Assert.Equal(1, (await found.Set<Person>().SingleAsync(p => p.Secret == "ASK@corp.com")).Id);
        Assert.Equal(2, (await found.Set<Person>().SingleAsync(p => p.Secret == "A\u017F\u212A@corp.com")).Id);
        Assert.True((await _encrypted.Scans.VerifyAsync()).IsClean);
    }

    [Fact]
    public async Task A_reindex_replaces_stale_hashes_in_both_columns_of_a_unique_index_while_two_versions_are_live()
    {
        await PrepareAsync(isUnique: true);
        await SaveAsync(Enumerable.Range(1, 6).Select(i => new Person { Id = i, Secret = $"p{i}@example.org" }).ToArray<object>());
        await _encrypted.Keys.RotateAsync(new KeyScope("default"), TimeSpan.Zero, includeSearch: true);
        Assert.Equal(JobState.Completed, (await RunAsync(Reindex)).State);
        await ChangeWithoutTheIndexAsync(id => id > 3);

        Assert.Equal((JobState.Completed, 3L, 0L), await RunAsync(Reindex));

        await AssertFoundAsync();
        Assert.All(await ReadStoredAsync("People", "Secret_BlindIndex_Next"), Assert.NotNull);
    }

    [Fact]
    public async Task A_value_that_moved_from_row_to_row_without_the_index_is_found_in_its_row_after_a_reindex()
    {
        await PrepareAsync(isUnique: true);
        await SaveAsync(Enumerable.Range(1, 4).Select(i => new Person { Id = i, Secret = $"p{i}@example.org" }).ToArray<object>());

        // Row 1 has the value of row 2, which has that of row 3, which has another one.
        foreach (var (id, from) in new[] { (1, 2), (2, 3) })
            await CopyAsync("People", "Secret", from, id);
        await ChangeWithoutTheIndexAsync(id => id == 3);

        Assert.Equal((JobState.Completed, 0L), await RunAsync(Reindex) is var (state, _, refused) ? (state, refused) : default);

        await using var db = Open();
        Assert.Equal([1, 2, 3, 4], (await db.Set<Person>().OrderBy(p => p.Id).ToListAsync()).Select(p => db.Set<Person>().Single(o => o.Secret == p.Secret).Id));
        Assert.True((await _encrypted.Scans.VerifyAsync()).IsClean);
    }

    [Fact]
    public async Task A_reindex_replaces_stale_hashes_of_parts_and_of_several_columns()
    {
        await CreateAsync(m => m.Entity<Person>(
            p =>
            {
                p.ToTable("People");
                p.Property(x => x.Id).ValueGeneratedNever();
                p.Property(x => x.Secret).IsEncrypted().HasBlindIndex(projection: BlindIndexProjection.First, characters: 2).HasBlindIndex(projection: BlindIndexProjection.Last, characters: 3);
                p.Property(x => x.Email).IsEncrypted();
                p.HasBlindIndex(x => new { x.Secret, x.Email });
            }));
        await OpenEncryptedAsync();
        await SaveAsync(Enumerable.Range(1, 5).Select(i => new Person { Id = i, Secret = $"{i}{i}-p-{i}{i}{i}", Email = $"e{i}" }).ToArray<object>());
        await CopyAsync("People", "Secret", from: 1, to: 2);
        await CopyAsync("People", "Email", from: 1, to: 3);
        Assert.Equal(4, (await _encrypted.Scans.VerifyAsync()).Failures);

        Assert.Equal((JobState.Completed, 2L, 0L), await RunAsync(Reindex));

        Assert.True((await _encrypted.Scans.VerifyAsync()).IsClean);
        await using var db = Open();
        Assert.Equal([1, 2], await db.Set<Person>().Where(p => p.Secret!.StartsWith("11")).OrderBy(p => p.Id).Select(p => p.Id).ToListAsync());
        Assert.Equal([3], await db.Set<Person>().Where(p => p.Secret == "33-p-333" && p.Email == "e1").Select(p => p.Id).ToListAsync());
    }

    [Fact]
    public async Task A_reindex_makes_deterministic_what_a_writer_of_another_mode_wrote_and_repeats_it_in_the_second_column()
    {
        static void Deterministic(ModelBuilder m) => m.Entity<Person>(
            p =>
            {
                p.ToTable("People");
                p.Property(x => x.Id).ValueGeneratedNever();
                p.Property(x => x.Secret).IsEncrypted(EncryptionMode.Deterministic);
                p.HasIndex(x => x.Secret).IsUnique();
            });

        await CreateAsync(Deterministic);
        await OpenEncryptedAsync();
        await SaveAsync(Enumerable.Range(1, 6).Select(i => new Person { Id = i, Secret = $"p{i}@example.org" }).ToArray<object>());
        await _encrypted.Keys.RotateAsync(new KeyScope("default"), TimeSpan.Zero, includeSearch: true);
        Assert.Equal(JobState.Completed, (await RunAsync(Reindex)).State);
        await ChangeWithoutTheIndexAsync(id => id == 6);
        var first = (await ReadStoredAsync("People", "Secret"))[0]!;
        await Database.QueryAsync($"UPDATE {Q("People")} SET {Q("Secret")} = NULL WHERE {Q("Id")} = 1");
        await Database.QueryAsync($"UPDATE {Q("People")} SET {Q("Secret")} = @v WHERE {Q("Id")} = 2", ("@v", first));

        Assert.Equal((JobState.Completed, 3L, 0L), await RunAsync(Reindex));

        Use(Deterministic);
        await using var db = Open();
        Assert.Equal(6, (await db.Set<Person>().SingleAsync(p => p.Secret == "changed6@example.org")).Id);
        Assert.Equal(2, (await db.Set<Person>().SingleAsync(p => p.Secret == "p1@example.org")).Id);
        Assert.Null((await ReadStoredAsync("People", "Secret_Next"))[0]);
        Assert.True((await _encrypted.Scans.VerifyAsync()).IsClean);
    }

    [Fact]
    public async Task A_row_that_is_written_during_a_reindex_keeps_the_hash_of_its_last_value()
    {
        await PrepareAsync(isUnique: false);
        await SaveAsync(Enumerable.Range(1, 4).Select(i => new Person { Id = i, Secret = $"p{i}@example.org" }).ToArray<object>());
        await CopyAsync("People", "Secret", from: 1, to: 2);
        var isWritten = false;
        _encrypted.BeforeWrite = async () =>
        {
            if (!isWritten)
                await CopyAsync("People", "Secret", from: 3, to: 2);
            isWritten = true;
        };

        Assert.Equal((JobState.Completed, 1L, 0L), await RunAsync(Reindex));

        await using var db = Open();
        Assert.Equal([2, 3], await db.Set<Person>().Where(p => p.Secret == "p3@example.org").OrderBy(p => p.Id).Select(p => p.Id).ToListAsync());
        Assert.True((await _encrypted.Scans.VerifyAsync()).IsClean);
    }

    [Fact]
    public async Task A_reindex_replaces_what_is_not_a_hash_or_is_one_of_a_version_that_queries_do_not_look_under()
    {
        await PrepareAsync(isUnique: false);
        await SaveAsync(Enumerable.Range(1, 4).Select(i => new Person { Id = i, Secret = $"p{i}@example.org" }).ToArray<object>());
        var before = await ReadStoredAsync("People", "Secret_BlindIndex");
        await _encrypted.Keys.RotateAsync(new KeyScope("default"), TimeSpan.Zero, includeSearch: false);
        byte[] other = [.. before[1]!];
        other[4] = 2;
        foreach (var (id, bytes) in new (int, byte[])[] { (1, [0xFB, .. new byte[20]]), (2, other), (3, [0xF8, 0, 0]) })
            await Database.QueryAsync($"UPDATE {Q("People")} SET {Q("Secret_BlindIndex")} = @v WHERE {Q("Id")} = {id}", ("@v", bytes));

        Assert.Equal((JobState.Completed, 3L, 0L), await RunAsync(Reindex));

        Assert.Equal(before, await ReadStoredAsync("People", "Secret_BlindIndex"));
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

    private static JobRequest Reindex => new() { Kind = JobKind.Reindex, Table = "People", BatchSize = 5 };

    private Action<ModelBuilder> _build = null!;

    private async Task PrepareAsync(bool isUnique, bool allowsMissing = false)
    {
        _build = m => m.Entity<Person>(
            p =>
            {
                p.ToTable("People");
                p.Property(x => x.Id).ValueGeneratedNever();
                p.Property(x => x.Secret).IsEncrypted().HasBlindIndex(Normalization.Email, isUnique: isUnique, allowMissingWhileBackfilling: allowsMissing);
            });
        await CreateAsync(_build);
        await OpenEncryptedAsync();
    }

    // The build before the index, beside the one that has it.
    private async Task ChangeWithoutTheIndexAsync(Func<int, bool> which)
    {
        Use(m => m.Entity<Person>(
            p =>
            {
                p.ToTable("People");
                p.Property(x => x.Secret).IsEncrypted();
            }));
        await using (var db = Open())
        {
            foreach (var person in (await db.Set<Person>().ToListAsync()).Where(p => which(p.Id)))
                person.Secret = $"changed{person.Id}@example.org";
            await db.SaveChangesAsync();
        }

        if (_build is not null)
            Use(_build);
    }

    private async Task CopyAsync(string table, string column, int from, int to)
        => await Database.QueryAsync(
            $"UPDATE {Q(table)} SET {Q(column)} = (SELECT o.{Q(column)} FROM {Q(table)} o WHERE o.{Q("Id")} = {from}) WHERE {Q("Id")} = {to}");

    private async Task AssertFoundAsync()
    {
        await using var db = Open();
        foreach (var person in await db.Set<Person>().ToListAsync())
            Assert.Equal(person.Id, (await db.Set<Person>().SingleAsync(p => p.Secret == person.Secret)).Id);
        Assert.True((await _encrypted.Scans.VerifyAsync()).IsClean);
    }

    private async Task OpenEncryptedAsync()
    {
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
