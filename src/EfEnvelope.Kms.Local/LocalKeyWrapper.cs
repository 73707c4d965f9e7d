using System.Globalization;
using EfEnvelope.Kms.Local.Keks;

namespace EfEnvelope.Kms.Local;

/// <summary>One KEK of an embedded KMS as the seam sees it.</summary>
internal sealed class LocalKeyWrapper : IKeyWrapper, IInProcessKeyWrapper, IDisposable, IAsyncDisposable
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

    public bool IsInProcess => _kms.IsInProcess;

    public ValueTask<WrappedKeyCopy> WrapAsync(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => OpenAsync(() => _kms.WrapAsync(LocalKmsOperation.Wrap, Kek.Key, key, context, _create, cancellationToken));

    // Under the KEK that is named in the wrapped key, which may be another one of the same store than the one that wraps now.
    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => OpenAsync(() => _kms.UnwrapAsync(wrapped, context, cancellationToken));

    public WrappedKeyCopy Wrap(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => OnThread((kms, token) => kms.WrapAsync(LocalKmsOperation.Wrap, Kek.Key, key, context, _create, token), cancellationToken);

    public byte[] Unwrap(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => OnThread((kms, token) => kms.UnwrapAsync(wrapped, context, token), cancellationToken);

    public ValueTask<WrappedKeyCopy> RewrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => OpenAsync(() => _kms.RewrapAsync(Kek.Key, wrapped, context, cancellationToken));

    public ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default)
        => OpenAsync(async () =>
        {
            var key = await _kms.DescribeKeyAsync(Kek.Key, cancellationToken).ConfigureAwait(false);
            return new KekDescription(Kek, key.State switch
            {
                LocalKmsKeyState.Enabled => KekState.Enabled,
                LocalKmsKeyState.PendingDeletion => KekState.PendingDeletion,
                _ => KekState.Disabled,
            })
            {
                PrimaryVersion = key.PrimaryVersion.ToString(CultureInfo.InvariantCulture),
                Protection = "software",
                CreatedAt = key.Created,
                DeletionAt = key.DeletionAt,
            };
        });

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

    // SQLite's asynchronous methods end before they return, so a file is used on the caller's thread by the same code. A server is asked over the network.
    private T OnThread<T>(Func<LocalKms, CancellationToken, Task<T>> call, CancellationToken cancellationToken)
        => _kms.FilePath is null
            ? PoolThread.Wait(Kek, token => OpenAsync(() => call(_kms, token)), cancellationToken)
            : OpenAsync(() => call(_kms.OnThread(), cancellationToken)).AsTask().GetAwaiter().GetResult();

    private async ValueTask<T> OpenAsync<T>(Func<Task<T>> call)
    {
        try
        {
            return await call().ConfigureAwait(false);
        }
        catch (ObjectDisposedException e)
        {
            throw new KmsException(KmsErrorKind.InvalidRequest, LocalKmsMessages.Closed(_kms.StoreName), e);
        }
    }
}
