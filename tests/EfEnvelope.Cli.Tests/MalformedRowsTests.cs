using EfEnvelope.Cli.TestUtilities;

namespace EfEnvelope.Cli;

/// <summary>One row of EfEnvelope's own tables that cannot be read: the tool names it, and does the rest.</summary>
public abstract class MalformedRowsTests<TWorld> : ServerTests<TWorld>
    where TWorld : ToolWorld, new()
{
    [Fact]
    public async Task Malformed_job_is_named_and_cancelled_and_the_others_run()
    {
        await World.FillAsync();
        (await World.RunAsync("backfill", "Contacts.Phone", "--execute", "--enqueue-only")).Exits(0);
        await World.ExecuteAsync("""UPDATE "__EnvelopeJobs" SET "Request" = '{' """);

        Assert.Contains("the row '1' of '__EnvelopeJobs' cannot be read: 'Request' holds something", (await World.RunAsync("status")).Exits(1).Error, StringComparison.Ordinal);
        Assert.Contains("clinic:v1", (await World.RunAsync("status")).Out, StringComparison.Ordinal);
        (await World.RunAsync("jobs", "list")).Exits(1);
        (await World.RunAsync("jobs", "show", "1")).Fails(2, "The row '1' of '__EnvelopeJobs' cannot be read", "efenvelope jobs cancel 1");
        (await World.RunAsync("jobs", "run")).Exits(0);
        Assert.Contains((await World.RunAsync("doctor")).Exits(1).Lines, l => l.StartsWith("error\trow-malformed\t__EnvelopeJobs 1\t", StringComparison.Ordinal));

        Assert.Equal("efenvelope: job 1 could not be read, and was removed.", (await World.RunAsync("jobs", "cancel", "1")).Exits(0).ErrorLines[^1]);

        (await World.RunAsync("status")).Exits(0);
        (await World.RunAsync("jobs", "list")).Exits(0);
    }

    [Fact]
    public async Task Malformed_rows_of_the_map_and_of_another_scopes_key_are_named_and_the_rest_is_shown()
    {
        await World.FillAsync();
        (await World.RunAsync("keys", "create", "other", "--execute")).Exits(0);
        await World.ExecuteAsync("""UPDATE "__EnvelopeKeys" SET "Status" = 'lost' WHERE "Scope" = 'other' """);
        await World.ExecuteAsync("""INSERT INTO "__EnvelopeMap" ("TableSchema", "TableName", "ColumnName", "Field", "Mode", "PlaintextType", "Definition") VALUES ('', 'x', 'y', 'x.y', 'randomized', 'string', '{')""");

        var status = await World.RunAsync("status", "--json");

        status.Exits(1);
        Assert.Equal(["__EnvelopeKeys", "__EnvelopeMap"], status.Json.GetProperty("malformed").EnumerateArray().Select(r => r.GetProperty("table").GetString()));
        Assert.Equal("clinic:v1", Assert.Single(status.Json.GetProperty("keys").EnumerateArray()).GetProperty("version").GetString());
        var lines = (await World.RunAsync("doctor")).Exits(1).Lines;
        Assert.Contains(lines, l => l.StartsWith("error\trow-malformed\t__EnvelopeKeys other:v1\t", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("error\trow-malformed\t__EnvelopeMap x.y\t", StringComparison.Ordinal));
        (await World.RunAsync("reencrypt", "clinic", "--table", "Patients", "--execute")).Exits(0);
        Assert.Contains("'x.y' of '__EnvelopeMap'", (await World.RunAsync("keys", "rotate", "clinic", "--include-search", "--execute") is var _ ? await World.RunAsync("keys", "retire", "clinic:v1") : null)!.Exits(2).Error, StringComparison.Ordinal);
    }
}

public sealed class SqliteMalformedRowsTests : MalformedRowsTests<SqliteWorld>;

public sealed class PostgresMalformedRowsTests : MalformedRowsTests<PostgresWorld>;
