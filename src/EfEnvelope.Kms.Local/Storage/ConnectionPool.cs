namespace EfEnvelope.Kms.Local.Storage;

/// <summary>
/// Keeps connections for the next call, because to open a file and to read its schema takes longer than a whole call. A file is released a moment after
/// the last call, after each change of keys or rules, and when the KMS is disposed.
/// </summary>
internal sealed class ConnectionPool(Func<StoreConnection> connect)
{
    /// <summary>For how long a connection that nobody uses stays open.</summary>
    public static readonly TimeSpan Keep = TimeSpan.FromSeconds(2);

    private const int Maximum = 32;

    private readonly Lock _gate = new();
    private readonly Stack<StoreConnection> _idle = new();
    private Timer? _timer;
    private long _lastUse;

    public StoreConnection Take()
    {
        while (TryPop() is { } idle)
        {
            if (idle.IsOfStore())
                return idle;
            Close(idle);
        }

        return connect();
    }

    /// <summary>Takes a connection back.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="isSound">Whether everything that was run over it came to its end.</param>
    /// <param name="release">Whether no connection stays open that is not in use.</param>
    public async ValueTask ReturnAsync(StoreConnection connection, bool isSound, bool release)
    {
        if (release)
            Release();
        if (!isSound || release || !await connection.TryRestAsync().ConfigureAwait(false) || !TryPush(connection))
            await connection.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Closes all connections that are not in use.</summary>
    public void Release()
    {
        while (TryPop() is { } idle)
            Close(idle);
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

    // The file may be gone, or on a disk that fails: whoever uses it next hears of it.
    private static void Close(StoreConnection connection)
    {
        try
        {
            connection.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
        catch (System.Data.Common.DbException)
        {
        }
    }
}
