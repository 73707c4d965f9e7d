using EfEnvelope.Diagnostics;
using EfEnvelope.Kms;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Keys;

/// <summary>An unwrapped intermediate key, and what the KMS last said of it.</summary>
/// <param name="Key">The key.</param>
/// <param name="VerifiedAt">When the KMS last unwrapped it.</param>
/// <param name="Failure">Why the KMS did not unwrap it anew since, or <see langword="null" />.</param>
internal readonly record struct OpenIntermediateKey(DataKey Key, Moment VerifiedAt, KmsException? Failure);

/// <summary>One key, and the one verification of it that may be under way.</summary>
internal sealed class IntermediateEntry(
    StoredKey stored,
    DataKey key,
    Func<CancellationToken, ValueTask<DataKey>> unwrap,
    Action<IntermediateEntry> refused,
    EnvelopeOptions options,
    TimeProvider time,
    ILogger logger)
{
    /// <summary>How long a caller waits for a verification that may be refused, before it goes on with what was verified before.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private Moment _verifiedAt = Moment.Now(time);
    private (Moment At, KmsException Cause)? _failure;
    private (Moment At, Task Task)? _verification;
    private bool _refused;

    private TimeSpan UsableFor => options.RefreshInterval + options.StaleIfErrorFor;

    // Rings are refreshed at the interval, each at a moment of its own: those of many scopes share what was verified in a tenth of it.
    private TimeSpan VerifiedFor => options.RefreshInterval / 10;

    public StoredKey Stored => stored;

    public OpenIntermediateKey Current
    {
        get
        {
            lock (_gate)
                return new OpenIntermediateKey(key, _verifiedAt, _failure?.Cause);
        }
    }

    /// <summary>Returns the key, verified anew if that is due; or nothing when it may not be used without asking the KMS, and waiting for its answer.</summary>
    public async ValueTask<OpenIntermediateKey?> TryUseAsync(bool synchronous, CancellationToken cancellationToken)
    {
        Task verification;
        TimeSpan patience;
        lock (_gate)
        {
            var age = _verifiedAt.Elapsed(time);
            if (_refused || age >= UsableFor)
                return null;
            if (age < VerifiedFor || _failure?.At.Elapsed(time) < options.RetryInterval)
                return Current;
            if (_verification is not { Task.IsCompleted: false })
            {
                using var suppressed = ExecutionContext.IsFlowSuppressed() ? default(IDisposable) : ExecutionContext.SuppressFlow();
                _verification = (Moment.Now(time), Task.Run(VerifyAsync, CancellationToken.None));
            }

            verification = _verification.Value.Task;
            patience = Patience - _verification.Value.At.Elapsed(time);
        }

        if (patience > TimeSpan.Zero && synchronous)
        {
            Task.WaitAny([verification], (int)patience.TotalMilliseconds, cancellationToken);
        }
        else if (patience > TimeSpan.Zero)
        {
            using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(verification, Task.Delay(patience, time, enough.Token)).ConfigureAwait(false);
            await enough.CancelAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }

        lock (_gate)
            return _refused ? null : Current;
    }

    private async Task VerifyAsync()
    {
        try
        {
            (await unwrap(CancellationToken.None).ConfigureAwait(false)).Dispose();
            lock (_gate)
                (_verifiedAt, _failure) = (Moment.Now(time), null);
        }
        catch (KmsException e) when (e.IsTransient || e.Kind == KmsErrorKind.Unauthenticated)
        {
            lock (_gate)
                _failure = (Moment.Now(time), e);
            logger.KeyUnwrapFailed(stored.Version.ToString(), e.Kind.ToString(), e);
        }
        catch (Exception e)
        {
            // Refused, or wrapped anew since: whoever asks next reads the row again, and is told what the KMS says then.
            lock (_gate)
                _refused = true;
            logger.KeyUnwrapFailed(stored.Version.ToString(), (e as KmsException)?.Kind.ToString() ?? nameof(KmsErrorKind.InvalidCiphertext), e);
            refused(this);
        }
    }
}
