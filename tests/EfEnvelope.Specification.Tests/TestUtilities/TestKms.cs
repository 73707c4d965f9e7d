using System.Security.Cryptography;
using EfEnvelope.Kms;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>A KMS in memory that can be made to fail, and counts what it is asked.</summary>
public sealed class TestKms(string name = "test") : IKeyWrapper
{
    private readonly byte[] _kek = RandomNumberGenerator.GetBytes(32);
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
        using var gcm = new AesGcm(_kek, 16);
        var wrapped = new byte[28 + key.Length];
        RandomNumberGenerator.Fill(wrapped.AsSpan(0, 12));
        gcm.Encrypt(wrapped.AsSpan(0, 12), key.Span, wrapped.AsSpan(28), wrapped.AsSpan(12, 16), context.AssociatedData.Span);
        return new WrappedKeyCopy(Kek, "1", wrapped);
    }

    public async ValueTask<byte[]> UnwrapAsync(
        WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        Interlocked.Increment(ref _unwraps);
        await FailOrGoOnAsync();
        var bytes = wrapped.Ciphertext.ToArray();
        var key = new byte[bytes.Length - 28];
        try
        {
            using var gcm = new AesGcm(_kek, 16);
            gcm.Decrypt(bytes.AsSpan(0, 12), bytes.AsSpan(28), bytes.AsSpan(12, 16), key, context.AssociatedData.Span);
        }
        catch (CryptographicException e)
        {
            throw new KmsException(KmsErrorKind.InvalidCiphertext, "The wrapped key does not open.", e);
        }

        return key;
    }

    private async Task FailOrGoOnAsync()
    {
        await Before();
        if (Failure is { } kind)
            throw new KmsException(kind, $"The test KMS fails with {kind}.");
    }
}
