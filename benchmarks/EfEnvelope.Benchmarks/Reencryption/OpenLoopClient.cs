using System.Diagnostics;
using Npgsql;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>
/// An application with one connection that is to begin 200 transactions in a second, at even distances: one row is read and updated by its key. A time is
/// measured from when the transaction was to begin, so that what is queued behind a slow one counts as slow, too.
/// </summary>
internal sealed class OpenLoopClient : IDisposable
{
    private const double TransactionsPerSecond = 200;
    private const int WarmUps = 100;

    // Prime, so that keys are spread over the table and come again only after all of them.
    private const long Stride = 7_368_787;

    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlCommand _read;
    private readonly NpgsqlCommand _update;
    private readonly long _rows;

    /// <summary>Connects, and warms up.</summary>
    public OpenLoopClient(string connectionString, long rows)
    {
        _rows = rows;
        _connection = new NpgsqlConnection(connectionString);
        _connection.Open();
        _read = Prepare("SELECT * FROM \"Customers\" WHERE \"Id\" = $1");
        _update = Prepare("UPDATE \"Customers\" SET \"Visits\" = \"Visits\" + 1 WHERE \"Id\" = $1");
        for (var i = 0; i < WarmUps; i++)
            Transact(1 + (i * Stride % rows));
    }

    /// <summary>Runs for a time, on a thread of its own, so that it begins whatever else this process does.</summary>
    /// <param name="window">For how long transactions are begun.</param>
    /// <param name="stop">Ends that earlier; what was to begin before is measured still.</param>
    /// <returns>Milliseconds for each transaction.</returns>
    public Task<List<double>> RunAsync(TimeSpan window, CancellationToken stop)
        => Task.Factory.StartNew(() => Run(window, stop), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public void Dispose()
    {
        _read.Dispose();
        _update.Dispose();
        _connection.Dispose();
    }

    private List<double> Run(TimeSpan window, CancellationToken stop)
    {
        var times = new List<double>();
        var started = Stopwatch.GetTimestamp();
        var until = window.TotalMilliseconds;
        using var registration = stop.Register(() => Interlocked.Exchange(ref until, Math.Min(window.TotalMilliseconds, Elapsed(started))));
        for (var i = 0L; ; i++)
        {
            var due = i * 1000 / TransactionsPerSecond;
            WaitUntil(started, due);
            if (due >= Volatile.Read(ref until))
                return times;
            Transact(1 + (i * Stride % _rows));
            times.Add(Elapsed(started) - due);
        }
    }

    private void Transact(long id)
    {
        using var transaction = _connection.BeginTransaction();
        (_read.Transaction, _update.Transaction) = (transaction, transaction);
        (_read.Parameters[0].Value, _update.Parameters[0].Value) = (id, id);
        using (var reader = _read.ExecuteReader())
            CustomerDatabase.Require(reader.Read(), "a row is missing");
        CustomerDatabase.Require(_update.ExecuteNonQuery() == 1, "a row was not updated");
        transaction.Commit();
    }

    private NpgsqlCommand Prepare(string sql)
    {
        var command = new NpgsqlCommand(sql, _connection) { Parameters = { new NpgsqlParameter { NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Bigint } } };
        command.Prepare();
        return command;
    }

    // A thread sleeps whole milliseconds; the rest is yielded to whoever wants it.
    private static void WaitUntil(long started, double due)
    {
        using var never = new ManualResetEventSlim();
        for (var left = due - Elapsed(started); left > 0; left = due - Elapsed(started))
        {
            if (left < 1.2)
                Thread.Yield();
            else
                never.Wait((int)(left - 0.2));
        }
    }

    private static double Elapsed(long started) => Stopwatch.GetElapsedTime(started).TotalMilliseconds;
}
