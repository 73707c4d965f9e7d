using System.Security.Cryptography;
using EfEnvelope.Kms;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>A KMS in memory that can be made to fail, and counts what it is asked.</summary>
public sealed class TestKms(string name = "test") : IKeyWrapper
{
    private readonly TestKek _kek = new(RandomNumberGenerator.GetBytes(32));
    private int _wraps;
    private int _unwraps;

    /// <summary>Gets the KMS of all tests that do nothing to it, so that they share EF Core's internal services.</summary>
    public static TestKms Shared { get; } = new("shared");

    public KekUri Kek { get; } = new("test", name);

    public int Wraps => _wraps;

    public int Unwraps => _unwraps;

    /// <summary>Gets or sets what every call throws, or <see langword="null" /> to work.</summary>
    public KmsErrorKind? Failure { get; set; }

    /// <summary>Gets or sets what every call awaits first.</summary>
    public Func<Task> Before { get; set; } = () => Task.CompletedTask;

    public async ValueTask<WrappedKeyCopy> WrapAsync(
        ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        Interlocked.Increment(ref _wraps);
        await FailOrGoOnAsync();
        return new WrappedKeyCopy(Kek, "1", _kek.Wrap(key.Span, context));
    }

    public async ValueTask<byte[]> UnwrapAsync(
        WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        Interlocked.Increment(ref _unwraps);
        await FailOrGoOnAsync();
        return _kek.Unwrap(wrapped.Ciphertext.Span, context);
    }

    // Waits until it is told to give up, for calls whose thread waits.
    public WrappedKeyCopy Wrap(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => WrapAsync(key, context, cancellationToken).AsTask().WaitAsync(cancellationToken).GetAwaiter().GetResult();

    public byte[] Unwrap(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => UnwrapAsync(wrapped, context, cancellationToken).AsTask().WaitAsync(cancellationToken).GetAwaiter().GetResult();

    private async Task FailOrGoOnAsync()
    {
        await Before();
        if (Failure is { } kind)
            throw new KmsException(kind, $"The test KMS fails with {kind}.");
    }
}
