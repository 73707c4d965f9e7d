using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>What still refers to a version although the encryption map or a snapshot does not show it.</summary>
public abstract class ReferencesSpecification(TestDatabase database) : EngineSpecification(database)
{
    private static readonly KeyVersion First = new(Scope, 1);

    [Fact]
    public async Task A_version_is_not_retired_while_a_column_that_the_map_lost_holds_its_envelopes()
    {
        await MakeTextsAsync(5);
        await RunAsync(Backfill());
        var envelope = (await TextsAsync())[2];
        AssertCompleted(await RunAsync(Decrypt()), 5);

        // An application that still encrypts.
        await SqlAsync($"UPDATE t SET v = '{envelope}' WHERE id = 3");
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);
        await Task.Delay(TimeSpan.FromSeconds(1.2));

        var report = await Encrypted.Keys.RetireAsync(First);

        Assert.False(report.IsRetired);
        Assert.Equal([new VersionReference("t.v", 1)], report.References);
    }

    [Fact]
    public async Task A_version_is_not_retired_while_a_table_that_the_search_path_hides_holds_its_envelopes()
    {
        Assert.SkipUnless(IsPostgres, "Only PostgreSQL has a search path.");
        await MakeTextsAsync(5);
        await RunAsync(Backfill());
        await SqlAsync("CREATE SCHEMA postgres; CREATE TABLE postgres.t (id integer NOT NULL PRIMARY KEY, v text)");
        var other = Reopen();
        await other.Keys.RotateAsync(Scope, TimeSpan.Zero);
        await Task.Delay(TimeSpan.FromSeconds(1.2));

        var report = await other.Keys.RetireAsync(First);

        Assert.Equal([new VersionReference("public.t.v", 5)], report.References);
    }

    [Fact]
    public async Task A_version_is_not_retired_while_a_statement_that_wrote_nothing_yet_is_still_looking_for_its_rows()
    {
        Assert.SkipUnless(IsPostgres, "SQLite has one writer, who has the lock from the beginning.");
        await MakeTextsAsync(5);
        await RunAsync(Backfill());
        var envelope = (await TextsAsync())[2];
        await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);
        await RunAsync(Backfill() with { Kind = JobKind.Reencrypt, Columns = [] });
        var slow = SqlAsync($"UPDATE t SET v = '{envelope}' WHERE id = 3 AND (SELECT length(pg_sleep(5)::text)) = 0");
        await Task.Delay(TimeSpan.FromSeconds(1.2));

        var report = await Encrypted.Keys.RetireAsync(First);

        await slow;
        Assert.Equal([new VersionReference("t.v", 1)], report.References);
    }

    [Fact]
    public async Task A_plaintext_that_looks_like_an_envelope_is_listed_by_a_backfill()
    {
        await MakeTextsAsync(5);
        await SqlAsync("UPDATE t SET v = 'efenvelope:v1:hello' WHERE id = 3");
        var job = await RunAsync(Backfill());
        AssertCompleted(job, 4, refused: 1);
    }
}
