using System.Diagnostics;
using System.Security.Cryptography;
using EfEnvelope.Diagnostics;

namespace EfEnvelope.Kms;

/// <summary>Wraps under every configured KEK, and unwraps from the first copy whose service answers.</summary>
internal sealed class KeyWrapping(IReadOnlyList<IKeyWrapper> wrappers, TimeSpan timeout)
{
    private readonly IReadOnlyList<IKeyWrapper> _wrappers = RequireDistinct(wrappers);

    /// <summary>Gets the configured KEKs, in order.</summary>
    public IReadOnlyList<IKeyWrapper> Wrappers => _wrappers;

    /// <summary>Gets how many requests were made and not yet taken from here to be counted.</summary>
    public KmsUsage Usage { get; } = new();

    public async ValueTask<WrappedKey> WrapAsync(
        ReadOnlyMemory<byte> key, EncryptionContext context, bool synchronous, CancellationToken cancellationToken)
    {
        var copies = new WrappedKeyCopy[_wrappers.Count];
        for (var i = 0; i < copies.Length; i++)
            copies[i] = await AskToWrapAsync(_wrappers[i], key, context, synchronous, cancellationToken).ConfigureAwait(false);
        return new WrappedKey(copies);
    }

    /// <summary>
    /// Wraps a key anew under every configured KEK. A copy that is under one already is left to its service, which may need no right to encrypt for that; but
    /// one that is no good must not keep the others from being made: the key is at hand.
    /// </summary>
    public async ValueTask<WrappedKey> RewrapAsync(
        WrappedKey former, ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken)
    {
        var copies = new List<WrappedKeyCopy>(_wrappers.Count);
        foreach (var wrapper in _wrappers)
        {
            copies.Add(
                await TryRewrapAsync(wrapper, former, context, cancellationToken).ConfigureAwait(false)
                    ?? await AskToWrapAsync(wrapper, key, context, synchronous: false, cancellationToken).ConfigureAwait(false));
        }

        return new WrappedKey(copies);
    }

    private ValueTask<WrappedKeyCopy> AskToWrapAsync(
        IKeyWrapper wrapper, ReadOnlyMemory<byte> key, EncryptionContext context, bool synchronous, CancellationToken cancellationToken)
        => AskAsync(
            wrapper,
            KmsOperation.Wrap,
            (w, token) => synchronous ? new ValueTask<WrappedKeyCopy>(w.Wrap(key, context, token)) : w.WrapAsync(key, context, token),
            cancellationToken);

    // Why a service refuses to rewrap is not told: it is asked to wrap then, and what it answers to that is.
    private async ValueTask<WrappedKeyCopy?> TryRewrapAsync(IKeyWrapper wrapper, WrappedKey former, EncryptionContext context, CancellationToken cancellationToken)
    {
        if (former.Copies.FirstOrDefault(c => c.Kek == wrapper.Kek) is not { } copy || !CanUnwrap(copy.Kek))
            return null;
        try
        {
            return await AskAsync(wrapper, KmsOperation.Rewrap, (w, token) => w.RewrapAsync(copy, context, token), cancellationToken).ConfigureAwait(false);
        }
        catch (KmsException e) when (!e.IsTransient)
        {
            return null;
        }
    }

    // A copy whose very KEK is configured goes before one whose service is only of the same kind: while keys are moved to another KEK, an
    // instance that has the former one alone must not take the new copy for an altered one. Only an outage moves on to the next copy: a
    // denied or altered copy is news that must not be papered over. That a service does not know a KEK which it was only guessed to know is none.
    public async ValueTask<byte[]> UnwrapAsync(WrappedKey wrapped, EncryptionContext context, bool synchronous, CancellationToken cancellationToken)
    {
        KmsException? outage = null, unknown = null;
        foreach (var copy in InOrder(wrapped))
        {
            foreach (var wrapper in FindWrappers(copy.Kek))
            {
                try
                {
                    return await AskAsync(
                        wrapper,
                        KmsOperation.Unwrap,
                        (w, token) => synchronous ? new ValueTask<byte[]>(w.Unwrap(copy, context, token)) : w.UnwrapAsync(copy, context, token),
                        cancellationToken).ConfigureAwait(false);
                }
                catch (KmsException e) when (e.IsTransient)
                {
                    outage ??= e;
                }
                catch (KmsException e) when (wrapper.Kek != copy.Kek && e.Kind is KmsErrorKind.WrongKey or KmsErrorKind.NotFound or KmsErrorKind.NotFoundOrDenied)
                {
                    unknown ??= e;
                }
            }
        }

        throw outage ?? unknown ?? new KmsException(
            KmsErrorKind.WrongKey,
            Messages.NoKmsForKek(wrapped.Copies.Select(c => c.Kek.ToString()), _wrappers.Select(w => w.Kek.ToString())));
    }

    /// <summary>Asks a service about a configured KEK.</summary>
    public ValueTask<KekDescription> DescribeAsync(IKeyWrapper wrapper, CancellationToken cancellationToken)
        => AskAsync(wrapper, KmsOperation.Describe, (w, token) => w.DescribeAsync(token), cancellationToken);

    /// <summary>Whether a key is under each configured KEK, and under no other.</summary>
    public bool IsUnderAll(WrappedKey? wrapped)
        => wrapped is not null && wrapped.Copies.Select(c => c.Kek).ToHashSet().SetEquals(_wrappers.Select(w => w.Kek));

    /// <summary>Whether a copy under a KEK can be unwrapped by what is configured: an offline recovery key only wraps.</summary>
    public bool CanUnwrap(KekUri kek) => FindWrappers(kek).Any();

    // In the order in which the KEKs are configured, so that who names the nearest region first is served by it, whatever the key was wrapped by.
    private IEnumerable<WrappedKeyCopy> InOrder(WrappedKey wrapped)
    {
        var places = _wrappers.Select((w, i) => (w.Kek, i)).ToDictionary(p => p.Kek, p => p.i);
        return wrapped.Copies.OrderBy(c => places.GetValueOrDefault(c.Kek, int.MaxValue));
    }

    // A copy is found by its KEK: of two with the same name, the second would never be asked, and would be no spare.
    private static IReadOnlyList<IKeyWrapper> RequireDistinct(IReadOnlyList<IKeyWrapper> wrappers)
        => wrappers.GroupBy(w => w.Kek).FirstOrDefault(g => g.Count() > 1) is { } twice
            ? throw new EnvelopeConfigurationException(Messages.KekConfiguredTwice(twice.Key))
            : wrappers;

    // Anybody may write a wrapper: what it throws against its promise is a failure of its KEK like any other, and what it never answers must not be waited for
    // by every caller to come.
    private async ValueTask<T> AskAsync<T>(
        IKeyWrapper wrapper, KmsOperation operation, Func<IKeyWrapper, CancellationToken, ValueTask<T>> ask, CancellationToken cancellationToken)
    {
        using var call = KmsTelemetry.Start(wrapper.Kek, operation);
        Usage.Add(wrapper.Kek, operation);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);

        // The time is that of a service which may never answer. What this process computes itself takes as long as its processor does.
        if (wrapper is not IInProcessKeyWrapper { IsInProcess: true })
            enough.CancelAfter(timeout);
        Task<T>? answer = null;
        try
        {
            answer = ask(wrapper, enough.Token).AsTask();
            return await answer.WaitAsync(enough.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or TimeoutException)
        {
            // Cancelled by the caller; or by the time-out here; or by one of the wrapper's own, as 'HttpClient' ends a request.
            ZeroWhatComesLate(answer);
            call.Fail(cancellationToken.IsCancellationRequested ? "Cancelled" : nameof(KmsErrorKind.Timeout));
            if (cancellationToken.IsCancellationRequested)
                throw new OperationCanceledException(e.Message, e, cancellationToken);
            throw new KmsException(
                KmsErrorKind.Timeout,
                enough.IsCancellationRequested ? Messages.KmsNeverAnswered(wrapper.Kek, timeout) : Messages.KmsGaveUp(wrapper.Kek),
                e);
        }
        catch (Exception e) when (e is not KmsException)
        {
            call.Fail(nameof(KmsErrorKind.InvalidRequest));
            throw new KmsException(KmsErrorKind.InvalidRequest, Messages.KeyWrapperFailed(wrapper.Kek), e);
        }
        catch (KmsException e)
        {
            call.Fail(e.Kind.ToString());
            throw;
        }
    }

    /// <summary>Zeroes a key that arrives when nobody waits for it any more.</summary>
    public static void ZeroWhatComesLate<T>(Task<T>? answer)
        => answer?.ContinueWith(
            static late =>
            {
                if (late.IsCompletedSuccessfully && late.Result is byte[] key)
                    CryptographicOperations.ZeroMemory(key);
                _ = late.Exception;
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);

    // The very KEK; else the wrappers of the same kind of service, because a service knows its former KEKs too: which of several is not told by the name.
    private IEnumerable<IKeyWrapper> FindWrappers(KekUri kek)
        => _wrappers.FirstOrDefault(w => w.Kek == kek && w is not IOfflineKeyWrapper { CanUnwrap: false }) is { } own
            ? [own]
            : _wrappers.Where(w => w.Kek.Scheme == kek.Scheme && w is not IOfflineKeyWrapper);
}

/// <summary>A KMS that may work in this process alone.</summary>
internal interface IInProcessKeyWrapper
{
    /// <summary>Gets whether it asks no service, so that it always answers.</summary>
    bool IsInProcess { get; }
}

/// <summary>A KEK whose private half may be elsewhere.</summary>
internal interface IOfflineKeyWrapper
{
    /// <summary>Gets whether it can unwrap here.</summary>
    bool CanUnwrap { get; }
}
