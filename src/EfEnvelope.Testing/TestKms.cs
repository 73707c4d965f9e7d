using System.Security.Cryptography;
using System.Text;
using EfEnvelope.Kms;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Testing;

/// <summary>
/// Wraps by AES-256-GCM under a key that is derived from its name, and so is not a secret: a test database may outlive the process that filled it.
/// </summary>
internal sealed class TestKms : IKeyWrapper
{
    public const string Scheme = "test-kms";
    public const string DefaultKeyName = "test";

    private const int NonceSize = 12;
    private const int TagSize = 16;

    private readonly byte[] _key;

    public TestKms(KekUri kek, ILoggerFactory loggers)
    {
        Kek = kek;
        // It must never change: stored test databases and templates hold what it wrapped.
        _key = SHA256.HashData(Encoding.UTF8.GetBytes($"efenvelope test kms, known to everybody: {kek.Key}"));
        TestKmsLog.TestKmsUsed(loggers.CreateLogger("EfEnvelope.Testing"), kek);
    }

    public KekUri Kek { get; }

    /// <exception cref="ArgumentException">The name is malformed.</exception>
    public static KekUri KekOf(string keyName)
    {
        ArgumentNullException.ThrowIfNull(keyName);
        return KekUri.TryParse($"{Scheme}:{keyName}", out var kek)
            ? kek
            : throw new ArgumentException(TestKmsMessages.MalformedKeyName(keyName), nameof(keyName));
    }

    /// <exception cref="EnvelopeConfigurationException">The process says that it is not a test.</exception>
    public static void RequireTests(Func<string, string?> environment)
    {
        foreach (var variable in (string[])["DOTNET_ENVIRONMENT", "ASPNETCORE_ENVIRONMENT"])
        {
            if (environment(variable) is { } name && (Is(name, "Production") || Is(name, "Staging")))
                throw new EnvelopeConfigurationException(TestKmsMessages.NotATest(variable, name));
        }

        static bool Is(string name, string other) => string.Equals(name, other, StringComparison.OrdinalIgnoreCase);
    }

    //  +----------+------------+--------+
    //  | nonce 12 | ciphertext | tag 16 |  AES-256-GCM, associated data: the canonical bytes of the encryption context
    //  +----------+------------+--------+
    public ValueTask<WrappedKeyCopy> WrapAsync(
        ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ArgumentNullException.ThrowIfNull(context);
        var bytes = new byte[NonceSize + key.Length + TagSize];
        RandomNumberGenerator.Fill(bytes.AsSpan(0, NonceSize));
        using var aes = new AesGcm(_key, TagSize);
        var (nonce, ciphertext, tag) = (bytes.AsMemory(0, NonceSize), bytes.AsMemory(NonceSize, key.Length), bytes.AsMemory(NonceSize + key.Length));
        aes.Encrypt(nonce.Span, key.Span, ciphertext.Span, tag.Span, context.AssociatedData.Span);
        return new(new WrappedKeyCopy(Kek, "1", bytes));
    }

    public ValueTask<byte[]> UnwrapAsync(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ArgumentNullException.ThrowIfNull(wrapped);
        ArgumentNullException.ThrowIfNull(context);
        if (wrapped.Kek != Kek)
            throw new KmsException(KmsErrorKind.WrongKey, TestKmsMessages.OtherKey(wrapped.Kek, Kek));
        var bytes = wrapped.Ciphertext.Span;
        if (bytes.Length <= NonceSize + TagSize)
            throw Refused();
        var key = new byte[bytes.Length - NonceSize - TagSize];
        using var aes = new AesGcm(_key, TagSize);
        try
        {
            aes.Decrypt(bytes[..NonceSize], bytes[NonceSize..^TagSize], bytes[^TagSize..], key, context.AssociatedData.Span);
            return new(key);
        }
        catch (AuthenticationTagMismatchException)
        {
            throw Refused();
        }
    }

    public WrappedKeyCopy Wrap(ReadOnlyMemory<byte> key, EncryptionContext context, CancellationToken cancellationToken = default)
        => WrapAsync(key, context, cancellationToken).Result;

    public byte[] Unwrap(WrappedKeyCopy wrapped, EncryptionContext context, CancellationToken cancellationToken = default)
        => UnwrapAsync(wrapped, context, cancellationToken).Result;

    public ValueTask<KekDescription> DescribeAsync(CancellationToken cancellationToken = default)
        => new(new KekDescription(Kek, KekState.Enabled) { PrimaryVersion = "1", Protection = "NONE" });

    public override string ToString() => $"TestKms({Kek})";

    private KmsException Refused() => new(KmsErrorKind.InvalidCiphertext, TestKmsMessages.Refused(Kek));
}
