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

    [Theory]
    [InlineData("v text")]
    [InlineData("v text CHECK (id <> 7 OR v NOT LIKE 'efe%') ON CONFLICT ROLLBACK")]
    public async Task A_row_whose_refusal_ends_the_transaction_is_listed_and_the_others_are_written(string column)
    {
        await SqlAsync($"CREATE TABLE t (id integer NOT NULL PRIMARY KEY, "
            + $"{column.Replace(" ON CONFLICT ROLLBACK", "", StringComparison.Ordinal)})");
        if (column == "v text")
            await SqlAsync("CREATE TRIGGER g BEFORE UPDATE ON t WHEN OLD.id = 7 BEGIN SELECT RAISE(ROLLBACK, 'no'); END");
        await SqlAsync($"INSERT INTO t VALUES {string.Join(", ", Enumerable.Range(1, 20).Select(i => $"({i}, 'value {i}')"))}");

        var job = await RunAsync(Backfill());

        AssertCompleted(job, 19, refused: 1);
        Assert.Equal(0, job.RowsLost);
        var finding = Assert.Single(await Encrypted.Jobs.GetFindingsAsync(job.Id));
        Assert.Equal(("7", "v"), (finding.Key, finding.Column));
        Assert.Contains(column == "v text" ? "SQLite Error 19" : "CHECK constraint failed", finding.Reason, StringComparison.Ordinal);
        Assert.Equal("value 7", (await TextsAsync())[6]);
    }

    [Fact]
    public async Task Rows_that_all_end_their_transaction_are_all_listed()
    {
        await MakeTextsAsync(20);
        await SqlAsync("CREATE TRIGGER g AFTER UPDATE ON t WHEN OLD.id % 2 = 0 BEGIN SELECT RAISE(ROLLBACK, 'no'); END");
        var job = await RunAsync(Backfill());
        AssertCompleted(job, 10, refused: 10);
        Assert.Equal(Enumerable.Range(1, 10).Select(i => $"{2 * i}"), (await Encrypted.Jobs.GetFindingsAsync(job.Id)).Select(f => f.Key));
    }

    [Fact]
    public async Task A_text_that_a_column_turns_into_a_number_stays_encrypted()
    {
        await MakeAsync(["007", "agent", "1e3", "42"]);
        await RunAsync(Backfill());
        await SqlAsync("ALTER TABLE t RENAME TO o; CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v POINTTEXT); INSERT INTO t SELECT "
            + "id, v FROM o");
        await AssertRefusedAsync(Decrypt(), "v", 1, 1, 3, 4);
        Assert.Equal("agent", (await TextsAsync())[1]);
    }

    [Fact]
    public async Task A_text_that_another_column_turns_into_a_number_is_not_copied_into_it()
    {
        await MakeAsync(["007", "agent", "12345678901234567890", "42"]);
        await RunAsync(Backfill());
        await SqlAsync("ALTER TABLE t ADD COLUMN p numeric");
        await AssertRefusedAsync(Decrypt() with { Into = "p" }, "p", 2, 1, 3);
        Assert.Equal(["null", "text", "null", "integer"], await ColumnAsync("t", "typeof(p)", "id"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_envelope_that_a_trigger_for_texts_changes_is_not_written(bool rotates)
    {
        string?[] texts = ["a@x.org", "B@x.org", "c@x.org"];
        await MakeAsync([.. texts]);
        if (rotates)
        {
            await RunAsync(Backfill());
            await Encrypted.Keys.RotateAsync(Scope, TimeSpan.Zero);
        }

        var before = await TextsAsync();
        await SqlAsync("CREATE TRIGGER g AFTER UPDATE ON t WHEN NEW.v <> lower(NEW.v) BEGIN UPDATE t SET v = lower(NEW.v) WHERE id = "
            + "NEW.id; END");
        var job = await RunAsync(rotates ? new JobRequest { Kind = JobKind.Reencrypt, Table = "t" } : Backfill());
        Assert.Equal((0L, 3L), (job.RowsWritten, job.RowsRefused));
        Assert.Equal(before, await TextsAsync());
    }

    [Theory]
    [InlineData("REPLACE")]
    [InlineData("IGNORE")]
    [InlineData("FAIL")]
    [InlineData("ROLLBACK")]
    public async Task A_constraint_that_would_delete_or_skip_a_row_refuses_it(string clause)
    {
        await SqlAsync($"CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text, p text UNIQUE ON CONFLICT {clause})");
        await SqlAsync("INSERT INTO t (id, v) VALUES (1, 'a'), (2, 'b'), (3, 'a'), (4, 'd')");
        await RunAsync(Backfill());
        var job = await RunAsync(Decrypt() with { Into = "p" });
        Assert.Equal((3L, 1L), (job.RowsWritten, job.RowsRefused));
        Assert.Equal(["a", "b", null, "d"], await ColumnAsync("t", "p", "id"));
    }

    [Fact]
    public async Task A_plaintext_that_a_trigger_changes_stays_encrypted()
    {
        await MakeAsync([" a", "b", "c "]);
        await RunAsync(Backfill());
        await SqlAsync("CREATE TRIGGER g AFTER UPDATE ON t WHEN NEW.v <> trim(NEW.v) BEGIN UPDATE t SET v = trim(NEW.v) WHERE id = "
            + "NEW.id; END");
        await AssertRefusedAsync(Decrypt(), "v", 1, 1, 3);
    }
}

public sealed class PostgresJobTransformsTests() : JobTransformsSpecification(new PostgresTestDatabase())
{
    [Fact]
    public async Task An_envelope_that_a_trigger_for_texts_changes_is_not_written()
    {
        string?[] texts = ["a@x.org", "B@x.org", "c@x.org"];
        await MakeAsync([.. texts]);
        await SqlAsync(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := lower(NEW.v); RETURN NEW; END $$;"
                + " CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()");
        var job = await RunAsync(Backfill());
        Assert.Equal((0L, 3L), (job.RowsWritten, job.RowsRefused));
        Assert.Equal(texts, await TextsAsync());
    }

    [Fact]
    public async Task A_plaintext_that_a_deferred_trigger_changes_stays_encrypted()
    {
        await MakeAsync(["a", "b", "c"]);
        await RunAsync(Backfill());
        await SqlAsync(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET v = upper(NEW.v) WHERE id = NEW.id AND v <> "
                + "upper(NEW.v)"
                + " AND v NOT LIKE 'efe%'; RETURN NULL; END $$;"
                + " CREATE CONSTRAINT TRIGGER g AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()");
        var job = await RunAsync(Decrypt());
        Assert.Equal((0L, 3L), (job.RowsWritten, job.RowsRefused));
        AssertAllEncrypted(await TextsAsync());
    }

    [Theory]
    [InlineData("string", "text", "'ab'", "character(5)")]
    [InlineData("float64", "double precision", "0.1", "real")]
    public async Task A_value_that_a_domain_pads_or_rounds_is_not_copied_into_it(string type, string from, string value, string of)
    {
        await SqlAsync($"CREATE DOMAIN d AS {of}; CREATE TABLE t (id integer NOT NULL PRIMARY KEY, n {from}, p d); INSERT INTO t VALUES "
            + $"(1, {value})");
        await RunAsync(Backfill(column: "n") with { Into = "v", PlaintextType = type });
        var job = await RunAsync(Decrypt() with { Into = "p" });
        Assert.Equal((0L, 1L), (job.RowsWritten, job.RowsRefused));
    }

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

    [Theory]
    [InlineData("string", "text", "'ab'", "'abcde'", "character(5)")]
    [InlineData("decimal", "numeric", "1.005", "1.50", "numeric(10,2)")]
    [InlineData("float64", "double precision", "0.1", "0.5", "real")]
    [InlineData("datetime", "timestamp", "'2024-01-02 03:04:05.678'", "'2024-01-02 03:04:05'", "timestamp(0)")]
    [InlineData("datetime", "timestamp", "'2024-01-02 03:04:05'", "'2024-01-02'", "date")]
    [InlineData("datetimeoffset", "timestamptz", "'2024-01-02 03:04:05.678+02'", "'2024-01-02 03:04:05+02'", "timestamptz(0)")]
    [InlineData("time", "time", "'03:04:05.678'", "'03:04:05'", "time(0)")]
    [InlineData("timespan", "interval", "'3 days 00:00:00.7'", "'3 days'", "interval(0)")]
    public async Task A_value_that_a_column_pads_or_rounds_is_not_copied_into_it(string type, string from, string changed, string kept, string to)
    {
        await SqlAsync($"CREATE TABLE t (id integer NOT NULL PRIMARY KEY, n {from}, p {to}); INSERT INTO t VALUES (1, {changed}), (2, "
            + $"{kept}), (3, NULL)");
        AssertCompleted(await RunAsync(Backfill(column: "n") with { Into = "v", PlaintextType = type }), 2);
        await AssertRefusedAsync(Decrypt() with { Into = "p" }, "p", 1, 1);
        Assert.Equal([false], await Database.QueryAsync("SELECT p IS NULL FROM t WHERE id = 2 AND p = n"));
    }

    [Fact]
    public async Task A_plaintext_that_a_trigger_changes_stays_encrypted()
    {
        await MakeAsync([" a", "b", "c "]);
        await RunAsync(Backfill());
        await SqlAsync("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := trim(NEW.v); RETURN NEW; END $$; "
            + "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()");
        await AssertRefusedAsync(Decrypt(), "v", 1, 1, 3);
    }

    [Fact]
    public async Task A_row_that_a_trigger_gives_its_envelope_back_is_listed()
    {
        await MakeAsync(["a", "b", "c"]);
        await RunAsync(Backfill());
        await SqlAsync("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN OLD.id = 2 THEN OLD ELSE NEW "
            + "END; END $$; CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()");
        await AssertRefusedAsync(Decrypt(), "v", 2, 2);
    }

    [Fact]
    public async Task A_character_that_the_encoding_of_the_database_does_not_have_is_refused_by_it()
    {
        var name = $"latin_{Guid.NewGuid():N}";
        await SqlAsync($"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        await using var connection = new Npgsql.NpgsqlConnection(new Npgsql.NpgsqlConnectionStringBuilder(((PostgresTestDatabase)Database).ConnectionString) { Database = name, Pooling = false }.ConnectionString);
        try
        {
            await connection.OpenAsync();
            await using var command = new Npgsql.NpgsqlCommand("SELECT 'Привет'", connection);
            var refused = await Assert.ThrowsAsync<Npgsql.PostgresException>(() => command.ExecuteScalarAsync());
            Assert.True(Rotation.Sql.Dialect.Of("Npgsql.EntityFrameworkCore.PostgreSQL").RefusesRow(refused));
        }
        finally
        {
            await connection.CloseAsync();
            await SqlAsync($"DROP DATABASE {name} WITH (FORCE)");
        }
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
