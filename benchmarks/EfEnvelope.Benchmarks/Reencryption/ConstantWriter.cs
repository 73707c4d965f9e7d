using EfEnvelope.Benchmarks.Running;
using EfEnvelope.Rotation;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>
/// Writes constant bytes of the same length by the very statement that jobs write with, compare-and-set included, in batches of the default size (500, or
/// 200 on SQLite), each a transaction: what the database takes for it when nothing has to be read, opened or sealed. One connection; what is sent was
/// put together before.
/// </summary>
internal sealed class ConstantWriter : IAsyncDisposable
{
    private readonly DatabaseSource _source;
    private readonly Session _session;
    private readonly RowPlan _plan;
    private readonly List<RowChange[]> _batches;

    private ConstantWriter(DatabaseSource source, Session session, RowPlan plan, List<RowChange[]> batches)
        => (_source, _session, _plan, _batches) = (source, session, plan, batches);

    public static async Task<ConstantWriter> CreateAsync(CustomerDatabase customers, int? batchSize = null)
    {
        var source = new DatabaseSource(customers.Options(Engine.Platform), schema: null);
        var session = await source.OpenAsync(CancellationToken.None);
        var dialect = session.Dialect;
        var table = await dialect.FindTableAsync(session, "", "Customers", CancellationToken.None) ?? throw new InvalidOperationException("There is no table Customers.");
        var map = await MapStore.ReadAsync(session, CancellationToken.None);
        var (plan, _) = RowPlanner.Make(dialect, new JobRequest { Kind = JobKind.Reencrypt, Table = "Customers" }, table, map.Of("", "Customers"));
        var seeds = await session.QueryAsync(
            $"SELECT {string.Join(", ", plan.Columns.Select(c => dialect.SelectValue(c, "t")))} FROM {dialect.Table(table)} AS t WHERE t.{dialect.Quote("Id")} <= {Customer.Seeds} ORDER BY t.{dialect.Quote("Id")}",
            [], CancellationToken.None);
        CustomerDatabase.Require(plan.Columns.Count == 3 && plan.Columns.All(c => c.IsWritten), "the job writes other columns");
        object?[] constants = [.. seeds[0].Select(v => Constant(((byte[])v!).Length))];
        return new ConstantWriter(
            source, session, plan,
            [.. Enumerable.Range(1, (int)customers.Rows).Select(i => new RowChange([(long)i], seeds[(i - 1) % seeds.Count], constants)).Chunk(batchSize ?? dialect.DefaultBatchSize)]);
    }

    public static byte[] Constant(int length)
    {
        var bytes = new byte[length];

        // The columns' checks ask for the first byte of an envelope.
        bytes.AsSpan().Fill(0xF9);
        return bytes;
    }

    public int BatchSize => _batches[0].Length;

    public int ValueLength => ((byte[])_batches[0][0].New[0]!).Length;

    /// <summary>Writes every row.</summary>
    public async Task RunAsync()
    {
        foreach (var batch in _batches)
        {
            await using var transaction = await _session.BeginAsync(CancellationToken.None);
            var written = await _session.Dialect.WriteAsync(_session, _plan.Table, _plan.Columns, batch, compares: true, [], CancellationToken.None);
            CustomerDatabase.Require(written == batch.Length, $"{written} of {batch.Length} rows of a batch were written");
            await transaction.CommitAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _session.DisposeAsync();
        await _source.DisposeAsync();
    }
}
