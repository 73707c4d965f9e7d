using EfEnvelope.Kms.Local.Keks;

namespace EfEnvelope.Kms.Local;

/// <summary>One KEK of an embedded KMS as the seam sees it.</summary>
internal sealed class LocalKeyWrapper : IKeyWrapper, IDisposable, IAsyncDisposable
{
    private readonly LocalKms _kms;
    private readonly bool _create;
    private readonly bool _ownsKms;

    public LocalKeyWrapper(LocalKms kms, string name, bool create, bool ownsKms)
    {
        KekName.Validate(name);
        _kms = kms;
        _create = create;
        _ownsKms = ownsKms;
        Kek = new KekUri(KekWrapping.Scheme, name);
    }

    public KekUri Kek { get; }

    public async ValueTask<WrappedKeyCopy> WrapAsync(
        ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            return await _kms.WrapAsync(Kek.Key, key, context, _create, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectDisposedException e)
        {
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.Closed(_kms.StoreName), e);
        }
    }

    // Under the KEK that is named in the wrapped key, which may be another one of the same file than the one that wraps now.
    public async ValueTask<byte[]> UnwrapAsync(
        WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            return await _kms.UnwrapAsync(wrapped, context, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectDisposedException e)
        {
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.Closed(_kms.StoreName), e);
        }
    }

    public void Dispose()
    {
        if (_ownsKms)
            _kms.Dispose();
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    public override string ToString() => $"LocalKeyWrapper({Kek} in {_kms.StoreName})";
}
