using EfEnvelope.Specification.TestUtilities;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Xunit;

namespace EfEnvelope.EntityFrameworkCore.Tests;

/// <summary>What 'Contains' over a long list costs, in allocated bytes: they do not depend on how busy the machine is.</summary>
public sealed class ListTests : IDisposable
{
    private const int Values = 1000;

    private readonly SqliteConnection _connection = new("Data Source=:memory:");

    public ListTests() => _connection.Open();

    public static TheoryData<string> Columns => [nameof(Row.Deterministic), nameof(Row.Indexed)];

    public void Dispose() => _connection.Dispose();

    [Theory]
    [MemberData(nameof(Columns))]
    public void Cost_of_a_list_grows_with_its_length_alone(string column)
    {
        var (one, four) = (Measure(column, Values), Measure(column, 4 * Values));

        Assert.True(four < 6 * one, $"{Values} values take {one:N0} bytes, and four times as many take {four:N0}.");
    }

    [Theory]
    [MemberData(nameof(Columns))]
    public void List_costs_at_most_twice_what_as_many_plain_parameters_cost(string column)
    {
        var (encrypted, plain) = (Measure(column, Values), Measure(nameof(Row.Plain), 2 * Values));

        Assert.True(encrypted < 2 * plain, $"{Values} values take {encrypted:N0} bytes, and as many plain parameters take {plain:N0}.");
    }

    [Fact]
    public void Cost_of_a_list_on_Sql_Server_grows_with_its_length_alone()
    {
        using var db = new RowContext(
            Configure(new DbContextOptionsBuilder<RowContext>().UseSqlServer("Server=127.0.0.1,1;Connect Timeout=1;Encrypt=False")));
        var (one, four) = (Measure(250), Measure(1000));

        Assert.True(four < 6 * one, $"250 values take {one:N0} bytes, and 1,000 take {four:N0}.");

        long Measure(int count)
        {
            var list = MakeList(count);
            return MeasureAllocations(() => db.Rows.Where(r => list.Contains(r.Deterministic)).ToQueryString());
        }
    }

    [Fact]
    public void One_list_is_looked_up_in_many_columns_at_the_cost_of_as_many_lists()
    {
        using var db = Open();
        var list = MakeList(Values);
        var one = MeasureAllocations(() => db.Rows.Count(r => list.Contains(r.Deterministic)));
        var three = MeasureAllocations(() => db.Rows.Count(r => list.Contains(r.Deterministic) || list.Contains(r.Indexed) || list.Contains(r.Plain)));

        Assert.True(three < 4 * one, $"One column takes {one:N0} bytes, and three take {three:N0}.");
    }

    private static string[] MakeList(int count) => [.. Enumerable.Range(0, count).Select(i => $"value-{i}")];

    // The second run finds the query compiled and the keys loaded.
    private static long MeasureAllocations(Action run)
    {
        run();
        var before = GC.GetAllocatedBytesForCurrentThread();
        run();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static DbContextOptions<RowContext> Configure(DbContextOptionsBuilder<RowContext> builder)
        => builder.UseEnvelopeEncryption(e => e.UseKms(TestKms.Shared)).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)).Options;

    private long Measure(string column, int count)
    {
        using var db = Open();
        var list = MakeList(count);
        return MeasureAllocations(
            column switch
            {
                nameof(Row.Deterministic) => () => db.Rows.Count(r => list.Contains(r.Deterministic)),
                nameof(Row.Indexed) => () => db.Rows.Count(r => list.Contains(r.Indexed)),
                _ => () => db.Rows.Count(r => list.Contains(r.Plain)),
            });
    }

    private RowContext Open()
    {
        var db = new RowContext(Configure(new DbContextOptionsBuilder<RowContext>().UseSqlite(_connection)));
        if (db.Database.EnsureCreated())
        {
            db.Rows.Add(new Row { Id = 1, Plain = "value-1", Deterministic = "value-1", Indexed = "value-1" });
            db.SaveChanges();
        }

        return db;
    }

    private sealed class RowContext(DbContextOptions<RowContext> options) : DbContext(options)
    {
        public DbSet<Row> Rows => Set<Row>();
    }

    private sealed class Row
    {
        public int Id { get; set; }

        public string Plain { get; set; } = "";

        [Encrypted(EncryptionMode.Deterministic)]
        public string Deterministic { get; set; } = "";

        [Encrypted, BlindIndex]
        public string Indexed { get; set; } = "";
    }
}
