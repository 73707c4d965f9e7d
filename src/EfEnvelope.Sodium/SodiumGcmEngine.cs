using System.Security.Cryptography;
using EfEnvelope.Keys;
using NSec.Cryptography;

namespace EfEnvelope.Sodium;

/// <summary>AES-256-GCM by libsodium: the bytes of the platform's, without what the platform spends around them.</summary>
/// <param name="maxKeys">How many subkeys it holds at once; those beyond are the platform's.</param>
internal sealed class SodiumGcmEngine(int maxKeys) : GcmEngine
{
    // libsodium guards and locks each key in pages of its own: four mappings and 8 KiB. Linux kills a process that makes more than 65,530 mappings,
    // so a process with many scopes stays far below.
    private const int MaxKeys = 4096;

    private int _keys;

    /// <summary>Gets the engine; equal configurations share it.</summary>
    public static SodiumGcmEngine Instance { get; } = new(MaxKeys);

    /// <summary>Gets how many subkeys it holds now.</summary>
    public int Keys => Volatile.Read(ref _keys);

    public override GcmCipher Create(OwnedBytes key)
    {
        if (Interlocked.Increment(ref _keys) > maxKeys)
        {
            Interlocked.Decrement(ref _keys);
            return Platform.Create(key);
        }

        try
        {
            return new Cipher(this, key);
        }
        catch
        {
            Interlocked.Decrement(ref _keys);
            throw;
        }
    }

    private sealed class Cipher : GcmCipher
    {
        private static readonly Aes256Gcm Algorithm = AeadAlgorithm.Aes256Gcm;

        private readonly SodiumGcmEngine? _engine;
        private readonly Key _key;
        private int _disposed;

        public Cipher(SodiumGcmEngine engine, OwnedBytes key)
        {
            using (key)
            {
                _key = Key.Import(Algorithm, key.Span, KeyBlobFormat.RawSymmetricKey);
                try
                {
                    key.ThrowIfDisposed();
                }
                catch
                {
                    _key.Dispose();
                    throw;
                }

                _engine = engine;
            }
        }

        public override void Encrypt(ReadOnlySpan<byte> nonce, Span<byte> bodyAndTag)
            => Algorithm.Encrypt(_key, nonce, [], bodyAndTag[..^TagLength], bodyAndTag);

        public override void Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> bodyAndTag, Span<byte> plaintext)
        {
            if (Algorithm.Decrypt(_key, nonce, [], bodyAndTag, plaintext))
                return;

            // As the platform does it; libsodium leaves another filling.
            plaintext.Clear();
            throw new AuthenticationTagMismatchException();
        }

        // Keys of a ring that nobody uses any longer are left to the collector, which frees the guarded memory by itself.
        ~Cipher() => Leave();

        public override void Dispose()
        {
            _key.Dispose();
            Leave();
            GC.SuppressFinalize(this);
        }

        // One that was never made is counted out by whoever tried to make it.
        private void Leave()
        {
            if (_engine is { } engine && Interlocked.Exchange(ref _disposed, 1) == 0)
                Interlocked.Decrement(ref engine._keys);
        }
    }
}
