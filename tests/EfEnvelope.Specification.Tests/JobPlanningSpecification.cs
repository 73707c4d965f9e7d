using EfEnvelope.Keys;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>What is asked wrongly is refused with a reason, and changes nothing.</summary>
public abstract class JobPlanningSpecification(TestDatabase database) : EngineSpecification(database)
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await SqlAsync("CREATE TABLE t (id integer NOT NULL PRIMARY KEY, v text, n integer, u text UNIQUE, b text)");
        await SqlAsync("INSERT INTO t VALUES (1, 'one', 1, 'u1', NULL), (2, 'two', 2, 'u2', NULL)");
        await SqlAsync("CREATE TABLE keyless (v text)");
    }

    [Theory]
    [InlineData("no such table", "There is no table 'nowhere'")]
    [InlineData("other case", "There is no table 'T'")]
    [InlineData("no such schema", "There is no table 'nowhere.t'")]
    [InlineData("no key", "has no primary key")]
    [InlineData("no such column", "has no column 'nothing'")]
    [InlineData("no column named", "needs the columns")]
    [InlineData("key column", "is part of the primary key")]
    [InlineData("no text", "holds no text")]
    [InlineData("another type in place", "its values are of type 'string'")]
    [InlineData("unique in place", "is under a unique index")]
    [InlineData("two into one", "from one column of the same table only")]
    [InlineData("into itself", "from one column of the same table only")]
    [InlineData("reindex into", "from one column of the same table only")]
    [InlineData("context in place", "cannot be changed in place")]
    [InlineData("mode of none", "given to one column at a time")]
    [InlineData("unknown type", "is no type that plaintext columns")]
    [InlineData("not encrypted", "is no encrypted column")]
    [InlineData("decrypt not encrypted", "is no encrypted column")]
    [InlineData("decrypt into not encrypted", "is no encrypted column")]
    [InlineData("nothing to do", "has no column for a job")]
    [InlineData("batch of none", "'BatchSize' is out of range")]
    [InlineData("batch too large", "'BatchSize' is out of range")]
    [InlineData("range of none", "'RangeSize' is out of range")]
    [InlineData("rate of none", "'RowsPerSecond' is out of range")]
    [InlineData("duty above one", "'DutyCycle' is out of range")]
    [InlineData("half a window", "'Window' is out of range")]
    [InlineData("unknown scope", "There is no key scope 'nobody'")]
    [InlineData("malformed scope", "scope")]
    public async Task Request_that_cannot_be_done_is_refused(string what, string message)
    {
        if (what == "no such schema" && !IsPostgres)
            Assert.Skip("SQLite has no schemas.");
        var job = Backfill();
        var request = what switch
        {
            "no such table" => job with { Table = "nowhere" },
            "other case" => job with { Table = "T" },
            "no such schema" => job with { Schema = "nowhere" },
            "no key" => job with { Table = "keyless" },
            "no such column" => job with { Columns = ["nothing"] },
            "no column named" => job with { Columns = [] },
            "key column" => job with { Columns = ["id"] },
            "no text" => job with { Columns = ["n"] },
            "another type in place" => job with { PlaintextType = "int32" },
            "unique in place" => job with { Columns = ["u"] },
            "two into one" => job with { Columns = ["v", "u"], Into = "w" },
            "into itself" => job with { Into = "v" },
            "reindex into" => job with { Kind = JobKind.Reindex, Into = "w" },
            "context in place" => job with { Kind = JobKind.Reencrypt, Context = "x.y" },
            "mode of none" => job with { Kind = JobKind.Reencrypt, Columns = [], Mode = EncryptionMode.Deterministic },
            "unknown type" => job with { Into = "w", PlaintextType = "complex" },
            "not encrypted" => job with { Kind = JobKind.Reencrypt },
            "decrypt not encrypted" => job with { Kind = JobKind.Decrypt },
            "decrypt into not encrypted" => job with { Kind = JobKind.Decrypt, Into = "w" },
            "nothing to do" => job with { Kind = JobKind.Reencrypt, Columns = [] },
            "batch of none" => job with { BatchSize = 0 },
            "batch too large" => job with { BatchSize = 501 },
            "range of none" => job with { RangeSize = 0 },
            "rate of none" => job with { Throttle = new Throttle { RowsPerSecond = 0 } },
            "duty above one" => job with { Throttle = new Throttle { DutyCycle = 1.5 } },
            "half a window" => job with { Throttle = new Throttle { WindowStart = TimeOnly.MinValue } },
            "unknown scope" => job with { Scope = "nobody" },
            _ => job with { Scope = "no body" },
        };
        await RefusedAsync(request, message);
    }

    [Fact]
    public async Task What_the_map_knows_otherwise_is_refused()
    {
        await RunAsync(Backfill());
        await RunAsync(Backfill(column: "v") with { Kind = JobKind.Reencrypt, Into = "w" });
        await RefusedAsync(Backfill() with { Mode = EncryptionMode.Deterministic }, "with another mode, type or stable name");
        await RefusedAsync(Backfill() with { Context = "another" }, "with another mode, type or stable name");
        await RefusedAsync(Backfill(column: "b") with { Into = "w", Context = "another" }, "with another mode, type or stable name");
        await RefusedAsync(Backfill() with { Into = "x" }, "is encrypted already");
        await RefusedAsync(Decrypt() with { Into = "w" }, "is an encrypted column");
        await RefusedAsync(Backfill() with { Columns = ["w"] }, "holds no text");
    }

    [Fact]
    public async Task Several_scopes_have_to_be_told_apart()
    {
        await Encrypted.Keys.CreateAsync(new KeyScope("other"));
        await RefusedAsync(Backfill(), "Name one");
        AssertCompleted(await RunAsync(Backfill() with { Scope = "other" }), 2);
    }

    [Fact]
    public async Task One_of_many_tasks_gets_the_table()
    {
        var plan = await Encrypted.Jobs.PlanAsync(Backfill() with { Into = "w" });
        var tries = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(async () =>
        {
            try
            {
                return (await Encrypted.Jobs.EnqueueAsync(plan)).Id;
            }
            catch (OperationRefusedException)
            {
                return 0;
            }
        })));
        var won = Assert.Single(tries, id => id > 0);
        Assert.Equal(won, Assert.Single(await Encrypted.Jobs.ListAsync()).Id);
        var refused = await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Jobs.PlanAsync(Backfill()));
        Assert.Contains($"Job {won} works on table 't' already", refused.Message, StringComparison.Ordinal);
        AssertCompleted(await RunAsync(won), 2);
    }

    [Fact]
    public async Task Jobs_on_many_tables_that_are_enqueued_at_once_get_numbers_of_their_own()
    {
        for (var i = 0; i < 6; i++)
            await SqlAsync($"CREATE TABLE x{i} (id integer NOT NULL PRIMARY KEY, v text)");
        var jobs = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(() => EnqueueAsync(Backfill($"x{i}")))));
        Assert.Equal(6, jobs.Select(j => j.Id).Distinct().Count());
        Assert.All(await Encrypted.Jobs.RunAsync([.. jobs.Select(j => j.Id)]), j => AssertCompleted(j, 0));
    }

    [Fact]
    public async Task A_change_of_the_table_that_fails_leaves_no_job_and_no_map_row()
    {
        var plan = await Encrypted.Jobs.PlanAsync(Backfill() with { Into = "w" });
        await SqlAsync("ALTER TABLE t ADD COLUMN w integer");
        await Assert.ThrowsAsync<OperationRefusedException>(() => Encrypted.Jobs.EnqueueAsync(plan));
        Assert.Empty(await Encrypted.Jobs.ListAsync());
        Assert.Empty((await Encrypted.ReadMapAsync()).Columns);
        AssertCompleted(await RunAsync(Backfill()), 2);
    }

    [Fact]
    public async Task A_job_that_is_not_there_is_said_to_be_missing()
    {
        var missing = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => Encrypted.Jobs.RunAsync([77]));
        Assert.Contains("There is no job 77", missing.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => Encrypted.Jobs.RunRangeAsync(77));
        await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => Encrypted.Jobs.PauseAsync(77));
    }

    private async Task RefusedAsync(JobRequest request, string message)
    {
        var before = await StateAsync();
        var refused = await Assert.ThrowsAsync<EnvelopeConfigurationException>(() => Encrypted.Jobs.PlanAsync(request));
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, await StateAsync());
    }

    private async Task<string> StateAsync()
    {
        var schema = IsPostgres
            ? "SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1"
            : "SELECT name || sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name";
        return string.Join('\n', (await Database.QueryAsync(schema)).Concat(await TextsAsync()).Concat((await Encrypted.ReadMapAsync()).Columns));
    }
}
