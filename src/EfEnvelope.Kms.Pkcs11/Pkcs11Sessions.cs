using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace EfEnvelope.Kms.Pkcs11;

/// <summary>
/// The sessions of one client with its token. Calls block in the vendor's C code, so each runs on a thread of its own, at most as many as there are sessions;
/// all others wait without a thread.
/// </summary>
internal sealed class Pkcs11Sessions(Pkcs11Options options, KekUri kek, TimeProvider time, ILogger logger) : IDisposable
{
    private readonly Pkcs11Module _module = Pkcs11Module.Of(options.ModulePath);
    private readonly SemaphoreSlim _free = new(options.MaxSessions);
    private readonly ConcurrentStack<ISession> _idle = new();
    private volatile bool _closed;

    /// <summary>Runs a call in a session whose user is logged in; once more in a new one when the token has dropped it.</summary>
    /// <param name="call">Uses the session.</param>
    /// <param name="abandon">Takes the result when nobody waits for it any more.</param>
    /// <param name="cancellationToken">Ends the waiting. A call that has begun goes on.</param>
    public async ValueTask<T> RunAsync<T>(Func<ISession, T> call, Action<T>? abandon, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var deadline = new CancellationTokenSource(options.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await _free.WaitAsync(either.Token).ConfigureAwait(false);
            var running = Start(call);
            try
            {
                return await running.WaitAsync(either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                Abandon(running, abandon);
                throw;
            }
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw TimedOut(e);
        }
    }

    /// <summary>Does the same while the caller's thread waits. The call runs on a thread of its own here, too, and no thread of the pool is needed.</summary>
    public T Run<T>(Func<ISession, T> call, Action<T>? abandon, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var started = time.GetTimestamp();
        if (!_free.Wait(options.Timeout, cancellationToken))
            throw TimedOut(null);
        var running = Start(call);
        var left = options.Timeout - time.GetElapsedTime(started);
        try
        {
            return Task.WaitAny([running], Math.Max(0, (int)left.TotalMilliseconds), cancellationToken) == 0
                ? running.GetAwaiter().GetResult()
                : throw TimedOut(null);
        }
        finally
        {
            if (!running.IsCompleted)
                Abandon(running, abandon);
        }
    }

    public void Dispose()
    {
        _closed = true;
        while (_idle.TryPop(out var session))
            Discard(session, gone: false);
    }

    private KmsException TimedOut(Exception? cause) => new(KmsErrorKind.Timeout, Pkcs11Messages.TimedOut(kek, options.Timeout), cause);

    private Task<T> Start<T>(Func<ISession, T> call)
    {
        try
        {
            return Task.Factory.StartNew(
                () => RunHere(call), CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
        }
        catch
        {
            _free.Release();
            throw;
        }
    }

    private static void Abandon<T>(Task<T> running, Action<T>? abandon)
        => running.ContinueWith(
            ended =>
            {
                if (ended.IsCompletedSuccessfully)
                    abandon?.Invoke(ended.Result);
                else
                    _ = ended.Exception;
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);

    private T RunHere<T>(Func<ISession, T> call)
    {
        try
        {
            try
            {
                return RunOnce(call);
            }
            catch (Pkcs11Exception e) when (Pkcs11Errors.IsStale(e.RV))
            {
                // The others are as stale as this one, or will be opened again.
                Pkcs11Log.SessionsReopened(logger, options.TokenLabel, e.RV.ToString());
                while (_idle.TryPop(out var session))
                    Discard(session, Pkcs11Errors.IsSessionGone(e.RV));
                if (e.RV == CKR.CKR_CRYPTOKI_NOT_INITIALIZED)
                    _module.Reload();
                return RunOnce(call);
            }
        }
        catch (Exception e)
        {
            throw Pkcs11Errors.ToKmsException(e, kek);
        }
        finally
        {
            _free.Release();
        }
    }

    private T RunOnce<T>(Func<ISession, T> call)
    {
        if (_closed)
            throw new KmsException(KmsErrorKind.InvalidRequest, Pkcs11Messages.Closed(options.TokenLabel));
        if (!_idle.TryPop(out var session))
            session = _module.FindToken(options).OpenSession(SessionType.ReadOnly);
        try
        {
            // Asked each time: who logs out elsewhere in this process logs everybody out, and then keys are not refused but not seen.
            _module.LoginsOf(options.TokenLabel).Ensure(session, options.Pin, logger);
            var result = call(session);
            _idle.Push(session);
            if (_closed)
                Dispose();
            return result;
        }
        catch (Exception e)
        {
            // After any failure an operation may still be active in it.
            Discard(session, e is Pkcs11Exception refused && Pkcs11Errors.IsSessionGone(refused.RV));
            throw;
        }
    }

    private static void Discard(ISession session, bool gone)
    {
        // A handle that is gone may be another session's by now: it is forgotten, not closed.
        GC.SuppressFinalize(session);
        if (gone)
            return;
        try
        {
            session.Dispose();
        }
        catch (Exception e) when (e is Pkcs11Exception or ObjectDisposedException)
        {
        }
    }
}
