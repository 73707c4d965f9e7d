using System.Security.Cryptography;
using EfEnvelope.Kms;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>A KMS whose key lies in a file, so that several processes share it. For tests only.</summary>
public sealed class FileKms(string file) : IKeyWrapper
{
    private readonly byte[] _kek = File.ReadAllBytes(file);

    public KekUri Kek { get; } = new("file", "test");

    public Func<Task> BeforeUnwrap { get; set; } = () => Task.CompletedTask;

    /// <summary>Makes a new key and returns the file that holds it.</summary>
    public static string CreateFile()
    {
        var file = Path.Combine(Path.GetTempPath(), $"efenvelope-{Guid.NewGuid():N}.kek");
        File.WriteAllBytes(file, RandomNumberGenerator.GetBytes(32));
        return file;
    }

    public ValueTask<WrappedKeyCopy> WrapAsync(
        ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        using var gcm = new AesGcm(_kek, 16);
        var wrapped = new byte[28 + key.Length];
        RandomNumberGenerator.Fill(wrapped.AsSpan(0, 12));
        gcm.Encrypt(wrapped.AsSpan(0, 12), key.Span, wrapped.AsSpan(28), wrapped.AsSpan(12, 16), context.AssociatedData.Span);
        return new(new WrappedKeyCopy(Kek, null, wrapped));
    }

    public async ValueTask<byte[]> UnwrapAsync(
        WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        await BeforeUnwrap();
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
}
