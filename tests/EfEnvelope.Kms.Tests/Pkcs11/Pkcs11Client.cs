using EfEnvelope.Kms.Pkcs11;
using EfEnvelope.Kms.Tests.Http;

namespace EfEnvelope.Kms.Tests.Pkcs11;

/// <summary>A client as a host would make it, with its log.</summary>
internal sealed class Pkcs11Client : IDisposable
{
    private readonly Pkcs11KeyWrapper _wrapper;

    public Pkcs11Client(Pkcs11Options options, string label, TimeProvider? time = null)
        => _wrapper = (Pkcs11KeyWrapper)Pkcs11Kms.CreateKeyWrapper(label, options, new KmsServices(time ?? TimeProvider.System, Log));

    public CollectedLog Log { get; } = new();

    public KekUri Kek => _wrapper.Kek;

    public Pkcs11Sessions Sessions => _wrapper.Sessions;

    public ValueTask<WrappedKeyCopy> WrapAsync(byte[] key, EncryptionContext context, CancellationToken cancellationToken)
        => _wrapper.WrapAsync(key, context, cancellationToken);

    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy copy, EncryptionContext context, CancellationToken cancellationToken)
        => _wrapper.UnwrapAsync(copy, context, cancellationToken);

    public ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken) => _wrapper.DescribeAsync(cancellationToken);

    public void Dispose() => _wrapper.Dispose();
}
