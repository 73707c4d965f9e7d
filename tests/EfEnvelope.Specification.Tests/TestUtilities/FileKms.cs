using System.Security.Cryptography;
using EfEnvelope.Kms;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>A KMS whose key lies in a file, so that several processes share it. For tests only.</summary>
public sealed class FileKms(string file) : IKeyWrapper
{
    private readonly TestKek _kek = new(File.ReadAllBytes(file));

    public KekUri Kek { get; } = new("file", "test");

    public Func<Task> BeforeUnwrap { get; set; } = () => Task.CompletedTask;

    /// <summary>Makes a new key and returns the file that holds it.</summary>
    public static string CreateFile()
    {
        var file = Path.Combine(Path.GetTempPath(), $"efenvelope-{Guid.NewGuid():N}.kek");
        File.WriteAllBytes(file, RandomNumberGenerator.GetBytes(32));
        return file;
    }

    // Waits as long as it takes, for calls whose thread waits.
    public WrappedKeyCopy Wrap(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => WrapAsync(key, context, cancellationToken).AsTask().GetAwaiter().GetResult();

    public byte[] Unwrap(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => UnwrapAsync(wrapped, context, cancellationToken).AsTask().GetAwaiter().GetResult();

    public ValueTask<WrappedKeyCopy> WrapAsync(
        ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => new(new WrappedKeyCopy(Kek, null, _kek.Wrap(key.Span, context)));

    public async ValueTask<byte[]> UnwrapAsync(
        WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        await BeforeUnwrap();
        return _kek.Unwrap(wrapped.Ciphertext.Span, context);
    }
}
