namespace EfEnvelope.Kms;

/// <summary>Asks a transport that may be the caller's own: it may throw what it likes, but the seam has one exception.</summary>
internal static class KmsTransport
{
    public static async ValueTask<T> AskAsync<T>(KekUri kek, Func<ValueTask<T>> ask, Func<KekUri, string> failed)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (KmsException or OperationCanceledException))
        {
            throw new KmsException(KmsErrorKind.InvalidRequest, failed(kek), e);
        }
    }
}
