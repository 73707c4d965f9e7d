using EfEnvelope.Diagnostics;

namespace EfEnvelope.Kms;

/// <summary>
/// Waits on the caller's thread for work that needs threads of the pool, as whatever goes over the network does. When all of them are callers that wait like
/// this one, they would wait for each other: then the work is given up.
/// </summary>
internal static class PoolThread
{
    /// <summary>How long there may be no free thread.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Runs a call of a KMS on the pool and waits for it.</summary>
    /// <exception cref="KmsException"><see cref="KmsErrorKind.Unavailable" />: the pool had no free thread.</exception>
    public static T Wait<T>(KekUri kek, Func<CancellationToken, ValueTask<T>> call, CancellationToken cancellationToken)
    {
        // Not disposed of: what is given up may still look at it.
        var given = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var token = given.Token;
        var work = Task.Run(() => call(token).AsTask(), token);
        try
        {
            while (Task.WaitAny([work], (int)Pause.TotalMilliseconds, cancellationToken) != 0)
            {
                if (!IsFree(cancellationToken) && !work.IsCompleted)
                    throw new KmsException(KmsErrorKind.Unavailable, Messages.NoPoolThreadForKms(kek));
            }

            return work.GetAwaiter().GetResult();
        }
        finally
        {
            if (!work.IsCompleted)
            {
                given.Cancel();
                KeyWrapping.ZeroWhatComesLate(work);
            }
        }
    }

    /// <summary>Whether the pool has a thread for one more piece of work, now or within the time it may have none.</summary>
    public static bool IsFree(CancellationToken cancellationToken)
        => Task.WaitAny([Task.Run(static () => { }, CancellationToken.None)], (int)Patience.TotalMilliseconds, cancellationToken) == 0;
}
