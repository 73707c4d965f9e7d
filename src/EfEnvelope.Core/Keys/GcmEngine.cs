using System.Security.Cryptography;

namespace EfEnvelope.Keys;

/// <summary>What encrypts with AES-256-GCM under a subkey. Every engine gives the same bytes, so it may be changed at any time.</summary>
internal abstract class GcmEngine
{
    public const int KeyLength = 32;
    public const int NonceLength = 12;
    public const int TagLength = 16;

    /// <summary>Gets the platform's engine.</summary>
    public static GcmEngine Platform { get; } = new PlatformGcmEngine();

    /// <summary>Makes a cipher of a subkey, which it owns from now on.</summary>
    public abstract GcmCipher Create(OwnedBytes key);
}

/// <summary>AES-256-GCM under one subkey; safe for concurrent use.</summary>
internal abstract class GcmCipher : IDisposable
{
    /// <summary>Encrypts in place what stands before the last 16 bytes, and writes the tag there.</summary>
    /// <exception cref="ObjectDisposedException">The key was dropped.</exception>
    public abstract void Encrypt(ReadOnlySpan<byte> nonce, Span<byte> bodyAndTag);

    /// <summary>Decrypts into a buffer of exactly the plaintext's length.</summary>
    /// <exception cref="CryptographicException">It does not authenticate.</exception>
    /// <exception cref="ObjectDisposedException">The key was dropped.</exception>
    public abstract void Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> bodyAndTag, Span<byte> plaintext);

    public abstract void Dispose();
}

internal sealed class PlatformGcmEngine : GcmEngine
{
    public override GcmCipher Create(OwnedBytes key) => new Cipher(key);

    // AesGcm is not thread-safe: on Linux a shared instance gives silently wrong ciphertext.
    private sealed class Cipher(OwnedBytes key) : GcmCipher
    {
        private readonly InstancePool<AesGcm> _pool = new(key, static bytes => new AesGcm(bytes, TagLength));

        public override void Encrypt(ReadOnlySpan<byte> nonce, Span<byte> bodyAndTag)
        {
            var body = bodyAndTag[..^TagLength];
            var gcm = _pool.Rent(out var slot);
            try
            {
                gcm.Encrypt(nonce, body, body, bodyAndTag[^TagLength..]);
            }
            catch
            {
                gcm.Dispose();
                throw;
            }

            _pool.Return(gcm, slot);
        }

        public override void Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> bodyAndTag, Span<byte> plaintext)
        {
            var gcm = _pool.Rent(out var slot);
            try
            {
                gcm.Decrypt(nonce, bodyAndTag[..^TagLength], bodyAndTag[^TagLength..], plaintext);
            }
            catch
            {
                gcm.Dispose();
                throw;
            }

            _pool.Return(gcm, slot);
        }

        public override void Dispose() => _pool.Dispose();
    }
}
