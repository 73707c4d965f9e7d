using System.Security.Cryptography;
using EfEnvelope.Diagnostics;

namespace EfEnvelope.Kms;

/// <summary>
/// Runs the attempts of one request: each with its time, again with jitter where that helps, once more with fresh credentials when the service did not
/// accept them. Nothing else is tried twice: a refusal stays one.
/// </summary>
internal sealed class KmsRetry(TimeSpan timeout, int maxRetries, TimeProvider time)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);

    /// <param name="kek">Whose KEK, for the message of a timeout.</param>
    /// <param name="attempt">
    /// Sends the request once; throws <see cref="KmsException" />. An <see cref="HttpRequestException" /> or <see cref="IOException" /> counts as unavailable.
    /// </param>
    /// <param name="renewCredentials">
    /// Drops the credentials that were refused, so that the next attempt gets fresh ones; or nothing. It has the time of an attempt, and fails like one.
    /// </param>
    /// <param name="cancellationToken">Cancels all attempts.</param>
    public async ValueTask<T> RunAsync<T>(
        KekUri kek, Func<CancellationToken, ValueTask<T>> attempt, Func<CancellationToken, ValueTask>? renewCredentials, CancellationToken cancellationToken)
    {
        var renewed = renewCredentials is null;
        for (var retries = 0; ;)
        {
            KmsException failure;
            try
            {
                return await RunOnceAsync(kek, attempt, cancellationToken).ConfigureAwait(false);
            }
            catch (KmsException e)
            {
                failure = e;
            }

            if (failure.Kind == KmsErrorKind.Unauthenticated && !renewed)
            {
                renewed = true;
                await RunOnceAsync(kek, token => RenewAsync(renewCredentials!, token), cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (!failure.IsTransient || retries == maxRetries)
                throw failure;
            await Task.Delay(DelayOf(failure, retries++), time, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async ValueTask<bool> RenewAsync(Func<CancellationToken, ValueTask> renewCredentials, CancellationToken cancellationToken)
    {
        await renewCredentials(cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async ValueTask<T> RunOnceAsync<T>(KekUri kek, Func<CancellationToken, ValueTask<T>> attempt, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await attempt(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new KmsException(KmsErrorKind.Timeout, Messages.KmsTimedOut(kek, timeout), e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new KmsException(KmsErrorKind.Unavailable, Messages.KmsUnreachable(kek), e);
        }
    }

    // From half of an exponential delay up to all of it, so that many callers that were refused together do not come back together. What a service asks for
    // may be a date, and past.
    private static TimeSpan DelayOf(KmsException failure, int retries)
    {
        var delay = failure.RetryAfter ?? FirstDelay * Math.Pow(2, retries + 1) * (0.5 + (RandomNumberGenerator.GetInt32(1001) / 2000.0));
        return delay > LongestDelay ? LongestDelay : delay > TimeSpan.Zero ? delay : TimeSpan.Zero;
    }
}
