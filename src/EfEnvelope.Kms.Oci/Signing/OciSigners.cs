namespace EfEnvelope.Kms.Oci.Signing;

/// <summary>Signs with one key.</summary>
internal sealed class OciKeySigner(OciSigningKey key, TimeProvider time) : IOciRequestSigner
{
    public ValueTask SignAsync(HttpRequestMessage request, CancellationToken cancellationToken) => key.SignAsync(request, time.GetUtcNow(), cancellationToken);
}

/// <summary>Signs with the key that a configuration file names; the file is read again when a signature was refused, because sessions are renewed in place.</summary>
internal sealed class OciConfigFileSigner(string? file, string profile, TimeProvider time) : IOciRequestSigner
{
    private volatile OciSigningKey? _key;

    public ValueTask SignAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        => (_key ??= OciConfigFile.Read(file, profile)).SignAsync(request, time.GetUtcNow(), cancellationToken);

    public ValueTask RenewAsync(CancellationToken cancellationToken)
    {
        _key = OciConfigFile.Read(file, profile);
        return ValueTask.CompletedTask;
    }
}

/// <summary>Has each request signed on its way out.</summary>
internal sealed class OciSigningHandler(IOciRequestSigner signer) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        await SafelyAsync(() => signer.SignAsync(request, cancellationToken)).ConfigureAwait(false);
        return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs a part of a signer; what it throws is a failure of the credentials.</summary>
    public static async ValueTask SafelyAsync(Func<ValueTask> sign)
    {
        try
        {
            await sign().ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (KmsException or OperationCanceledException))
        {
            throw new KmsException(KmsErrorKind.Unauthenticated, OciMessages.SignerFailed(), e);
        }
    }
}
