using System.Data.Common;

namespace EfEnvelope.Kms.Local.Storage;

/// <summary>
/// Keeps connections for the calls that follow at once, because to open a file and to read its schema takes longer than a whole call. A
/// moment after
/// the last call the file is released, and its log is in it. A change of keys or rules has a connection of its own, and leaves the log
/// empty.
/// </summary>
internal sealed class ConnectionPool(Func<StoreConnection> connect)
{
    /// <summary>For how long a connection that is not in use stays open.</summary>
    public static readonly TimeSpan Keep = TimeSpan.FromMilliseconds(50);

    // Under a load that never rests, a file that was replaced is noticed after this time.
    private static readonly TimeSpan MaximumAge = TimeSpan.FromSeconds(1);

    private const int Maximum = 32;

    private readonly Lock _gate = new();
    private readonly Lock _closing = new();
    private readonly Stack<StoreConnection> _idle = new();
    private Timer? _timer;
    private long _lastUse;

    /// <summary>Takes a connection; a fresh one is of the store that is there now.</summary>
    public StoreConnection Take(bool fresh)
    {
        while (!fresh && TryPop() is { } idle)
        {
            if (idle.IsOfStore() && Environment.TickCount64 - idle.MadeAt < MaximumAge.TotalMilliseconds)
                return idle;
            lock (_closing)
                Close(idle);
        }

        return connect();
    }

    /// <summary>Takes a connection back.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="isSound">Whether everything that was run over it came to its end.</param>
    /// <param name="hasWritten">Whether keys or rules were changed over it.</param>
    public async ValueTask ReturnAsync(StoreConnection connection, bool isSound, bool hasWritten)
    {
        if (hasWritten)
        {
            Release();
            if (isSound)
                await connection.SettleAsync().ConfigureAwait(false);
        }
        else if (isSound && await connection.TryRestAsync().ConfigureAwait(false) && TryPush(connection))
        {
            return;
        }

        await connection.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Closes all connections that are not in use. None is being closed any more when it returns: closing writes the log into the
    /// file.</summary>
    public void Release()
    {
        lock (_closing)
        {
            while (TryPop() is { } idle)
                Close(idle);
        }
    }

    private StoreConnection? TryPop()
    {
        lock (_gate)
            return _idle.TryPop(out var connection) ? connection : null;
    }

    private bool TryPush(StoreConnection connection)
    {
        lock (_gate)
        {
            if (_idle.Count == Maximum)
                return false;
            _idle.Push(connection);
            _lastUse = Environment.TickCount64;
            if (_timer is null)
            {
                using (ExecutionContext.SuppressFlow())
                    _timer = new Timer(static pool => ((ConnectionPool)pool!).ReleaseUnused(), this, Keep, Timeout.InfiniteTimeSpan);
            }

            return true;
        }
    }

    private void ReleaseUnused()
    {
        lock (_gate)
        {
            var left = Keep - TimeSpan.FromMilliseconds(Environment.TickCount64 - _lastUse);
            if (left > TimeSpan.Zero)
            {
                _timer!.Change(left, Timeout.InfiniteTimeSpan);
                return;
            }

            _timer!.Dispose();
            _timer = null;
        }

        Release();
    }

    // If the file is gone or its disk fails, the next call reports it. On the timer's thread, an exception would end the process.
    private static void Close(StoreConnection connection)
    {
        try
        {
            connection.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is DbException or InvalidOperationException or IOException)
        {
        }
    }
}
