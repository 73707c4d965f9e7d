using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Rotation;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

public sealed class SqliteJobTransformsTests() : JobTransformsSpecification(new SqliteTestDatabase())
{
    [Fact]
    public async Task Text_with_a_NUL_comes_back_and_text_that_is_no_UTF_8_is_listed()
    {
        await SqlAsync("CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text)");
        await SqlAsync("INSERT INTO t VALUES (1, CAST(x'610062' AS text)), (2, CAST(x'61FF62' AS text)), (3, x'6162'), (4, 'd')");
        AssertCompleted(await RunAsync(Backfill()), 2, refused: 2);
        AssertCompleted(await RunAsync(Decrypt()), 2);
        Assert.Equal(["text610062", "text61FF62", "blob6162", "text64"], await ColumnAsync("t", "typeof(v) || hex(v)", "id"));
    }

    [Fact]
    public async Task Trigger_that_raises_refuses_its_row_only()
    {
        await MakeTextsAsync(12);
        await SqlAsync("CREATE TRIGGER g BEFORE UPDATE ON t WHEN OLD.id = 4 BEGIN SELECT RAISE(ABORT, 'no'); END");
        AssertCompleted(await RunAsync(Backfill()), 11, refused: 1);
    }
}

public sealed class PostgresJobTransformsTests() : JobTransformsSpecification(new PostgresTestDatabase())
{
    [Fact]
    public async Task A_column_too_narrow_for_envelopes_is_widened()
    {
        await SqlAsync("CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v varchar(5) NOT NULL); INSERT INTO t VALUES (1, 'abcde')");
        Assert.Single((await Encrypted.Jobs.PlanAsync(Backfill())).SchemaChanges);
        AssertCompleted(await RunAsync(Backfill()), 1);
    }

    [Fact]
    public async Task A_column_that_the_database_does_not_widen_leaves_everything_as_it_was()
    {
        await SqlAsync("CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v varchar(5)); CREATE VIEW w AS SELECT v FROM t; INSERT INTO t VALUES (1, 'abcde')");
        var plan = await Encrypted.Jobs.PlanAsync(Backfill());
        await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Jobs.EnqueueAsync(plan));
        Assert.Empty(await Encrypted.Jobs.ListAsync());
        Assert.Empty((await Encrypted.ReadMapAsync()).Columns);
    }

    [Fact]
    public async Task An_envelope_is_never_cut_off_to_fit_a_column_that_became_narrow()
    {
        await SqlAsync("CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'abcde')");
        var job = await EnqueueAsync(Backfill());
        await SqlAsync("ALTER TABLE t ALTER COLUMN v TYPE varchar(10)");
        AssertCompleted(await RunAsync(job.Id), 0, refused: 1);
        Assert.Equal(["abcde"], await TextsAsync());
    }

    [Fact]
    public async Task A_plaintext_is_never_cut_off_to_fit_its_column()
    {
        await MakeTextsAsync(2);
        await RunAsync(Backfill());
        await SqlAsync("ALTER TABLE t ADD COLUMN p varchar(3)");
        AssertCompleted(await RunAsync(Decrypt() with { Into = "p" }), 0, refused: 2);
    }

    [Fact]
    public async Task Constraint_that_is_deferred_and_trigger_that_raises_refuse_their_rows_only()
    {
        await SqlAsync("CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text, w text UNIQUE DEFERRABLE INITIALLY DEFERRED)");
        await SqlAsync("INSERT INTO t SELECT i, 'value ' || (i / 2) FROM generate_series(2, 9) i");
        await SqlAsync("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.id = 8 THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$; CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()");
        await RunAsync(Backfill());
        await SqlAsync("UPDATE t SET v = NULL WHERE id = 9");
        var job = await RunAsync(Decrypt() with { Into = "w" });
        AssertCompleted(job, 3, refused: 4);
    }

    [Fact]
    public async Task A_row_that_a_trigger_leaves_as_it_is_keeps_the_job_open_and_is_its_reason()
    {
        await MakeTextsAsync(3);
        await SqlAsync("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.id = 2 THEN RETURN NULL; END IF; RETURN NEW; END $$; CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()");
        var job = await EnqueueAsync(Backfill());
        using var enough = new CancellationTokenSource();
        var running = Encrypted.Jobs.RunAsync([job.Id], cancellationToken: enough.Token);
        while (!running.IsCompleted && (await Encrypted.Jobs.GetAsync(job.Id)).Reason?.Contains("1 rows", StringComparison.Ordinal) != true)
            await Task.Delay(50);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        var left = await Encrypted.Jobs.GetAsync(job.Id);
        Assert.Equal((JobState.Running, 2), (left.State, left.RowsWritten));
        Assert.Contains("1 rows", left.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_column_that_is_gone_fails_the_job_which_goes_on_when_it_is_back()
    {
        await MakeTextsAsync(30);
        var job = await EnqueueAsync(Backfill());
        await SqlAsync("ALTER TABLE t RENAME COLUMN v TO w");
        var ended = await RunAsync(job.Id);
        Assert.Equal((JobState.Failed, 0), (ended.State, ended.RowsRefused));

        await SqlAsync("ALTER TABLE t RENAME COLUMN w TO v");
        await Encrypted.Jobs.ResumeAsync(job.Id);
        AssertCompleted(await RunAsync(job.Id), 30);
    }
}
