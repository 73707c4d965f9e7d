using EfEnvelope.Diagnostics;

namespace EfEnvelope.Kms;

/// <summary>Wraps under every configured KEK, and unwraps from the first copy whose service answers.</summary>
internal sealed class KeyWrapping(IReadOnlyList<IKeyWrapper> wrappers)
{
    private readonly IReadOnlyList<IKeyWrapper> _wrappers = RequireDistinct(wrappers);

    public async ValueTask<WrappedKey> WrapAsync(
        ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken)
    {
        var copies = new WrappedKeyCopy[_wrappers.Count];
        for (var i = 0; i < copies.Length; i++)
            copies[i] = await AskAsync(_wrappers[i], w => w.WrapAsync(key, context, cancellationToken)).ConfigureAwait(false);
        return new WrappedKey(copies);
    }

    // A copy whose very KEK is configured goes before one whose service is only of the same kind: while keys are moved to another KEK, an
    // instance that has the former one alone must not take the new copy for an altered one. Only an outage moves on to the next copy: a
    // denied or altered copy is news that must not be papered over.
    public async ValueTask<byte[]> UnwrapAsync(WrappedKey wrapped, EncryptionContext context, CancellationToken cancellationToken)
    {
        KmsException? outage = null;
        foreach (var copy in wrapped.Copies.OrderByDescending(c => _wrappers.Any(w => w.Kek == c.Kek)))
        {
            if (FindWrapper(copy.Kek) is not { } wrapper)
                continue;
            try
            {
                return await AskAsync(wrapper, w => w.UnwrapAsync(copy, context, cancellationToken)).ConfigureAwait(false);
            }
            catch (KmsException e) when (e.IsTransient)
            {
                outage ??= e;
            }
        }

        throw outage ?? new KmsException(
            KmsErrorKind.WrongKey,
            Messages.NoKmsForKek(wrapped.Copies.Select(c => c.Kek.ToString()), _wrappers.Select(w => w.Kek.ToString())));
    }

    // A copy is found by its KEK: of two with the same name, the second would never be asked, and would be no spare.
    private static IReadOnlyList<IKeyWrapper> RequireDistinct(IReadOnlyList<IKeyWrapper> wrappers)
        => wrappers.GroupBy(w => w.Kek).FirstOrDefault(g => g.Count() > 1) is { } twice
            ? throw new EnvelopeConfigurationException(Messages.KekConfiguredTwice(twice.Key))
            : wrappers;

    // Anybody may write a wrapper: what it throws against its promise is a failure of its KEK like any other.
    private static async ValueTask<T> AskAsync<T>(IKeyWrapper wrapper, Func<IKeyWrapper, ValueTask<T>> ask)
    {
        try
        {
            return await ask(wrapper).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (KmsException or OperationCanceledException))
        {
            throw new KmsException(KmsErrorKind.InvalidRequest, Messages.KeyWrapperFailed(wrapper.Kek), e);
        }
    }

    // The very KEK first; else any wrapper of the same service, because a service knows its former KEKs too.
    private IKeyWrapper? FindWrapper(KekUri kek)
        => _wrappers.FirstOrDefault(w => w.Kek == kek) ?? _wrappers.FirstOrDefault(w => w.Kek.Scheme == kek.Scheme);
}
