using CsCheck;
using EfEnvelope.Rotation;
using EfEnvelope.Specification.TestUtilities;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Every row is visited exactly once, whatever its primary key is made of.</summary>
public abstract class JobKeysSpecification(TestDatabase database) : EngineSpecification(database)
{
    private const int Rows = 60;

    [Fact]
    public Task Integers() => VisitAsync("k integer NOT NULL", "k", i => $"{(i * 7919 % 2003) - 1000}");

    [Fact]
    public Task Big_integers() => VisitAsync("k bigint NOT NULL", "k", i => $"{long.MaxValue - (i * 1_000_000_007L)}");

    [Fact]
    public Task Small_integers() => VisitAsync("k smallint NOT NULL", "k", i => $"{i - 30}");

    [Fact]
    public Task Texts_of_any_characters()
        => VisitAsync("k text NOT NULL", "k", i => Text(new[] { "", "'", "\"", "\\", "ä", "Ä", "日本", "😀", " x", "x ", "%", "]", "a.b", "\n", "é", "e\u0301" }[i % 16] + (i / 16)));

    [Fact]
    public Task Texts_with_a_length() => VisitAsync("k varchar(40) NOT NULL", "k", i => Text($"Key {i * 31 % 61}"));

    [Fact]
    public Task Decimals() => VisitAsync("k decimal(20,4) NOT NULL", "k", i => Text($"{(i * 37 % 101) - 50}.{i % 10}25"));

    [Fact]
    public Task Dates() => VisitAsync("k date NOT NULL", "k", i => Text(new DateOnly(1, 1, 1).AddDays(i * 12345).ToString("O")));

    [Fact]
    public Task Booleans_beside_another_column() => VisitAsync("k boolean NOT NULL, n integer NOT NULL", "k, n", i => $"{(i % 2 == 0 ? "true" : "false")}, {i * 13 % 61}");

    [Fact]
    public Task Two_columns_of_integer_and_text() => VisitAsync("a integer NOT NULL, b text NOT NULL", "a, b", i => $"{i % 4}, {Text($"b{i * 7 % 61}")}");

    [Fact]
    public Task Two_columns_whose_key_is_in_another_order_than_the_table() => VisitAsync("a integer NOT NULL, b text NOT NULL", "b, a", i => $"{i}, {Text($"b{i % 3}")}");

    [Fact]
    public Task Reserved_and_quoted_names()
        => VisitAsync($"{Q("order")} integer NOT NULL", Q("order"), i => $"{i}", table: "select \"Ta.ble\" 'x' [y]; --", column: "Group By \"@p0\" .]");

    [Fact]
    public async Task Random_keys_are_each_visited_once()
    {
        var keys = Gen.Select(Gen.Int[-3, 3], Gen.String[Gen.Char["aAbB zZ09äß%_'\\\"."], 0, 6]).HashSet[1, 40];
        var (at, sizes) = (0, Gen.Select(keys, Gen.Int[1, 9], Gen.Int[1, 12]));
        await sizes.SampleAsync(
            async drawn =>
            {
                var (rows, batch, range) = drawn;
                var table = $"r{Interlocked.Increment(ref at)}";
                await SqlAsync($"CREATE TABLE {table} (a integer NOT NULL, b text NOT NULL, v text, PRIMARY KEY (a, b))");
                await SqlAsync($"INSERT INTO {table} VALUES {string.Join(", ", rows.Select((r, i) => $"({r.Item1}, {Text(r.Item2)}, 'v{i}')"))}");
                AssertCompleted(await RunAsync(Backfill(table) with { BatchSize = batch, RangeSize = range }), rows.Count);
                AssertAllEncrypted(await ColumnAsync(table, "v", "a, b"));
            },
            iter: 6, threads: 1);
    }

    [Fact]
    public async Task An_empty_table_and_a_table_of_one_row()
    {
        await SqlAsync("CREATE TABLE t (k integer NOT NULL PRIMARY KEY, v text)");
        AssertCompleted(await RunAsync(Backfill()), 0);
        await SqlAsync("INSERT INTO t VALUES (1, 'one')");
        AssertCompleted(await RunAsync(Backfill() with { BatchSize = 1, RangeSize = 1 }), 1);
    }

    [Fact]
    public async Task A_very_wide_table_with_many_columns_at_once()
    {
        var columns = Enumerable.Range(1, 120).Select(i => $"v{i}").ToArray();
        await SqlAsync($"CREATE TABLE t (id integer NOT NULL PRIMARY KEY, {string.Join(", ", columns.Select(c => $"{c} text"))}, {string.Join(", ", Enumerable.Range(1, 400).Select(i => $"o{i} integer"))})");
        await SqlAsync($"INSERT INTO t (id, {string.Join(", ", columns)}) VALUES (1, {string.Join(", ", columns.Select(c => $"'{c}'"))}), (2, {string.Join(", ", columns.Select(c => "NULL"))})");
        AssertCompleted(await RunAsync(Backfill() with { Columns = columns }), 1);
        AssertCompleted(await RunAsync(Decrypt() with { Columns = columns }), 1);
        foreach (var column in columns)
            Assert.Equal([column, null], await ColumnAsync("t", column, "id"));
    }

    protected string Text(string value) => Database.Literal(value);

    protected async Task VisitAsync(string columns, string key, Func<int, string> valuesOf, string table = "t", string column = "v", string schema = "")
    {
        var name = schema.Length == 0 ? Q(table) : $"{Q(schema)}.{Q(table)}";
        var value = Q(column);
        await SqlAsync($"CREATE TABLE {name} ({columns}, {value} text, PRIMARY KEY ({key}))");
        await SqlAsync($"INSERT INTO {name} VALUES {string.Join(", ", Enumerable.Range(0, Rows).Select(i => $"({valuesOf(i)}, 'value {i}')"))}");
        var before = await ColumnAsync(name, value, key);

        // Left after some ranges, and taken up by another process.
        var job = await EnqueueAsync(Backfill(table, column) with { Schema = schema, BatchSize = 7, RangeSize = 16 });
        await Encrypted.Jobs.RunRangeAsync(job.Id);
        await Encrypted.Jobs.RunRangeAsync(job.Id);
        AssertCompleted(await RunAsync(job.Id, by: Reopen()), Rows);
        AssertAllEncrypted(await ColumnAsync(name, value, key));

        AssertCompleted(await RunAsync(Decrypt(table, column) with { Schema = schema, BatchSize = 7, RangeSize = 16 }), Rows);
        Assert.Equal(before, await ColumnAsync(name, value, key));
    }
}
