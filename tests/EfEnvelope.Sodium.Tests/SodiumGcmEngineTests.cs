using System.Security.Cryptography;
using CsCheck;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Tests;

namespace EfEnvelope.Sodium.Tests;

/// <summary>The engine on its own: the platform's bytes, the platform's failures.</summary>
public class SodiumGcmEngineTests
{
    private static readonly GcmEngine Sodium = SodiumGcmEngine.Instance;
    private static readonly PlaintextCodec<byte[]> Bytes = PlaintextCodec<byte[]>.Default;

    public static TheoryData<string> Opening => [.. EnvelopeVectors.All.Where(v => v.Opens && v.Envelope.StartsWith("f9", StringComparison.Ordinal)).Select(v => v.Name)];

    // "The Galois/Counter Mode of Operation", appendix B, test cases 13 to 15.
    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b")]
    [InlineData(
        "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
        "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919")]
    [InlineData(
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
        "b094dac5d93471bdec1a502270e3cc6c")]
    public void Gives_the_answers_of_the_specification(string key, string nonce, string plaintext, string ciphertext, string tag)
    {
        foreach (var engine in new[] { Sodium, GcmEngine.Platform })
        {
            using var cipher = engine.Create(Owned(Convert.FromHexString(key)));
            byte[] bytes = [.. Convert.FromHexString(plaintext), .. new byte[16]];
            cipher.Encrypt(Convert.FromHexString(nonce), bytes);
            Assert.Equal(ciphertext + tag, Convert.ToHexStringLower(bytes));

            var opened = new byte[bytes.Length - 16];
            cipher.Decrypt(Convert.FromHexString(nonce), bytes, opened);
            Assert.Equal(plaintext, Convert.ToHexStringLower(opened));
        }
    }

    [Theory]
    [MemberData(nameof(Opening))]
    public void Opens_what_another_implementation_wrote(string name)
    {
        var vector = EnvelopeVectors.All.Single(v => v.Name == name);
        using var key = Key(Convert.FromHexString(vector.Key), Sodium, vector.Number);
        var envelope = Convert.FromHexString(vector.Envelope);
        var plaintext = new byte[envelope.Length - 33];

        FieldContext.Get(vector.Field, vector.Type).GetCipher(key, EnvelopeAlgorithm.Aes256Gcm).Decrypt(envelope, plaintext);

        Assert.Equal(vector.Expected, Convert.ToHexStringLower(plaintext));
    }

    [Fact]
    public void What_one_engine_seals_the_other_opens_and_both_write_the_same_bytes()
        => Gen.Byte.Array[0, 3000].Sample(
            value =>
            {
                var secret = RandomNumberGenerator.GetBytes(32);
                using var ours = Key([.. secret], Sodium);
                using var theirs = Key([.. secret], GcmEngine.Platform);
                Assert.Equal(value, Open(theirs, Seal(ours, value)));
                Assert.Equal(value, Open(ours, Seal(theirs, value)));

                var nonce = RandomNumberGenerator.GetBytes(12);
                byte[] one = [.. value, .. new byte[16]], other = [.. one];
                using (var cipher = Sodium.Create(Owned(secret)))
                    cipher.Encrypt(nonce, one);
                using (var cipher = GcmEngine.Platform.Create(Owned(secret)))
                    cipher.Encrypt(nonce, other);
                Assert.Equal(other, one);
            },
            iter: 300);

    [Fact]
    public void Envelope_that_is_altered_in_any_bit_or_cut_raises_the_alarm()
    {
        using var key = Key(RandomNumberGenerator.GetBytes(32), Sodium);
        var envelope = Seal(key, "078-05-1120"u8.ToArray());
        for (var bit = 5 * 8; bit < envelope.Length * 8; bit++)
        {
            byte[] altered = [.. envelope];
            altered[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<EnvelopeDecryptionException>(() => Open(key, altered));
        }

        for (var length = 5; length < envelope.Length; length++)
            Assert.Throws<EnvelopeDecryptionException>(() => Open(key, envelope[..length]));
    }

    [Fact]
    public void Nothing_of_a_plaintext_is_left_behind_when_it_does_not_authenticate()
    {
        using var cipher = Sodium.Create(Owned(RandomNumberGenerator.GetBytes(32)));
        var nonce = new byte[12];
        byte[] sealedBytes = [.. "a plaintext of some length"u8, .. new byte[16]];
        cipher.Encrypt(nonce, sealedBytes);
        sealedBytes[^1] ^= 1;
        var plaintext = new byte[sealedBytes.Length - 16];

        Assert.ThrowsAny<CryptographicException>(() => cipher.Decrypt(nonce, sealedBytes, plaintext));

        Assert.All(plaintext, b => Assert.Equal(0, b));
    }

    [Fact]
    public async Task Many_threads_share_one_key_and_every_envelope_is_right()
    {
        var secret = RandomNumberGenerator.GetBytes(32);
        using var ours = Key([.. secret], Sodium);
        using var theirs = Key([.. secret], GcmEngine.Platform);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(() =>
        {
            for (var i = 0; i < 5000; i++)
            {
                var value = BitConverter.GetBytes((thread * 10_000) + i);
                var envelope = Seal(ours, value);
                Assert.Equal(value, Open(ours, envelope));
                if (i % 16 == 0)
                    Assert.Equal(value, Open(theirs, envelope));
            }
        }, TestContext.Current.CancellationToken)));
    }

    [Fact]
    public async Task Key_that_is_dropped_while_it_is_used_gives_right_bytes_or_says_so()
    {
        for (var round = 0; round < 50; round++)
        {
            var secret = RandomNumberGenerator.GetBytes(32);
            using var theirs = Key([.. secret], GcmEngine.Platform);
            var ours = Key([.. secret], Sodium);
            var working = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
            {
                try
                {
                    for (var i = 0; i < 2000; i++)
                        Assert.Equal([1, 2, 3], Open(theirs, Seal(ours, [1, 2, 3])));
                }
                catch (KeyUnavailableException)
                {
                }
            }, TestContext.Current.CancellationToken)).ToList();
            ours.Dispose();
            await Task.WhenAll(working);
            Assert.Throws<KeyUnavailableException>(() => Seal(ours, [1]));
        }
    }

    [Fact]
    public void Subkeys_beyond_what_guarded_memory_may_hold_are_the_platforms_and_read_alike()
    {
        var engine = new SodiumGcmEngine(maxKeys: 2);
        var ciphers = Enumerable.Range(0, 5).Select(i => engine.Create(Owned(SHA256.HashData([(byte)i])))).ToList();
        Assert.Equal(2, engine.Keys);
        for (var i = 0; i < ciphers.Count; i++)
        {
            byte[] bytes = [7, .. new byte[16]];
            ciphers[i].Encrypt(new byte[12], bytes);
            var opened = new byte[1];
            using var platform = GcmEngine.Platform.Create(Owned(SHA256.HashData([(byte)i])));
            platform.Decrypt(new byte[12], bytes, opened);
            Assert.Equal([7], opened);
        }

        foreach (var cipher in ciphers)
        {
            cipher.Dispose();
            cipher.Dispose();
        }

        Assert.Equal(0, engine.Keys);
        engine.Create(Owned(new byte[32])).Dispose();
    }

    [Fact]
    public void Subkeys_that_were_dropped_without_a_word_make_room_for_others()
    {
        var engine = new SodiumGcmEngine(maxKeys: 100);
        Fill(engine, 100);
        Assert.Equal(100, engine.Keys);
        for (var i = 0; i < 50 && engine.Keys > 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.Equal(0, engine.Keys);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static void Fill(SodiumGcmEngine engine, int count)
        {
            for (var i = 0; i < count; i++)
                engine.Create(Owned(new byte[32]));
        }
    }

    // Without the limit this ends the process: Linux gives it no more mappings.
    [Fact]
    public void Process_with_tens_of_thousands_of_scopes_goes_on()
    {
        var keys = Enumerable.Range(0, 25_000).Select(_ => Key(RandomNumberGenerator.GetBytes(32), Sodium)).ToList();
        Assert.All(keys, key => Assert.Equal([9], Open(key, Seal(key, [9]))));
        keys.ForEach(k => k.Dispose());
    }

    [Fact]
    public void Cipher_of_a_key_that_was_zeroed_is_never_made()
    {
        var engine = new SodiumGcmEngine(maxKeys: 2);
        var zeroed = Owned(new byte[32]);
        zeroed.Dispose();
        Assert.Throws<ObjectDisposedException>(() => engine.Create(zeroed));
        Assert.Equal(0, engine.Keys);
    }

    private static OwnedBytes Owned(byte[] key)
    {
        var owned = new OwnedBytes(key.Length);
        key.CopyTo(owned.Span);
        return owned;
    }

    private static DataKey Key(byte[] bytes, GcmEngine engine, int number = 1) => new(new KeyVersion(new KeyScope("clinic"), number), bytes, engine);

    private static byte[] Seal(DataKey key, byte[] value) => EnvelopeCodec.Encrypt(key, Bytes.GetField("Patients.Scan"), EnvelopeAlgorithm.Aes256Gcm, value, Bytes);

    private static byte[] Open(DataKey key, byte[] envelope)
    {
        var field = Bytes.GetField("Patients.Scan");
        return EnvelopeCodec.Decrypt(EnvelopeCodec.ReadHeader(field, envelope), key, field, envelope, Bytes);
    }
}
