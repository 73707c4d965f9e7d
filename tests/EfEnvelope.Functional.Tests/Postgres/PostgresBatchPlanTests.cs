using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;
using EfEnvelope.Specification;
using EfEnvelope.Specification.TestUtilities;
using Npgsql;
using Xunit;

namespace EfEnvelope.Functional.Postgres;

/// <summary>How PostgreSQL writes a batch: each row is found by its key, and no value is compared with a row that is not its own.</summary>
public sealed class PostgresBatchPlanTests() : EnvelopeSpecification(new PostgresTestDatabase(), TestKms.Shared)
{
    private static readonly TableInfo Table = new(
        "", "Batches",
        [
            new TableColumn("Id", "bigint", false, false, false, null, 1, true, false), new TableColumn("Secret", "bytea", true, true, false, null, 0, false, false),
            new TableColumn("Memo", "text", true, false, true, null, 0, false, false),
        ]);

    private static readonly RowColumn[] Columns = [new("Secret", StoredForm.Binary, "bytea", "string", true), new("Memo", StoredForm.Text, "text", "string", true)];

    [Fact]
    public async Task Batch_is_joined_to_its_rows_by_key_alone()
    {
        await using var connection = (NpgsqlConnection)Database.CreateConnection();
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await RunAsync("""CREATE TABLE "Batches" ("Id" bigint PRIMARY KEY, "Secret" bytea, "Memo" text)""");
        await RunAsync("""INSERT INTO "Batches" SELECT n, decode(md5(n::text), 'hex'), md5(n::text) FROM generate_series(1, 20000) AS n""");
        await RunAsync("""ANALYZE "Batches" """);

        // As a job's session does it, so the planner knows nothing of the arrays.
        await RunAsync("SET plan_cache_mode = force_generic_plan");
        var sql = ((PostgresDialect)Dialect.Of("Npgsql.EntityFrameworkCore.PostgreSQL")).UpdateStatement(Table, Columns, compares: true);
        foreach (var (name, i) in new[] { "@k0", "@o0", "@o1", "@n0", "@n1" }.Select((n, i) => (n, i)))
            sql = sql.Replace(name, $"${i + 1}", StringComparison.Ordinal);
        await RunAsync($"PREPARE batch (bigint[], bytea[], text[], bytea[], text[]) AS {sql}");
        const string Batch = """FROM (SELECT * FROM "Batches" ORDER BY "Id" LIMIT 500) AS b""";
        var (ids, secrets, memos) = (
            await ReadAsync($"SELECT array_agg(\"Id\")::text {Batch}"), await ReadAsync($"SELECT array_agg(\"Secret\")::text {Batch}"),
            await ReadAsync($"SELECT array_agg(\"Memo\")::text {Batch}"));
        var plan = await ReadAsync(
            $"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE batch ('{ids}', '{secrets}', '{memos}', '{secrets}', '{memos}')");

        Assert.DoesNotContain("Removed by Join Filter", plan, StringComparison.Ordinal);
        Assert.DoesNotContain("Seq Scan", plan, StringComparison.Ordinal);
        Assert.Equal(2, plan.Split("Batches_pkey").Length - 1);

        // What was written is read back by key, too.
        sql = ((PostgresDialect)Dialect.Of("Npgsql.EntityFrameworkCore.PostgreSQL")).ReadBackStatement(Table, [Columns[1]]).Replace("@p0", "$1", StringComparison.Ordinal);
        await RunAsync($"PREPARE again (bigint[]) AS {sql}");
        plan = await ReadAsync($"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE again ('{ids}')");
        Assert.DoesNotContain("Seq Scan", plan, StringComparison.Ordinal);
        Assert.Equal(1, plan.Split("Batches_pkey").Length - 1);

        async Task RunAsync(string statement)
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        async Task<string> ReadAsync(string statement)
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
            var lines = new List<string>();
            while (await reader.ReadAsync(TestContext.Current.CancellationToken))
                lines.Add(reader.GetString(0));
            return string.Join('\n', lines);
        }
    }
}
