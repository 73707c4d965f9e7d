using System.Security.Cryptography;
using System.Text.Json;
using CsCheck;
using EfEnvelope.Envelopes;

namespace EfEnvelope.Tests;

/// <summary>AES-SIV against its RFC, published vectors, and an implementation that was written to be read.</summary>
public class AesSivTests
{
    private const string RfcKey = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
    private const string RfcAssociated = "101112131415161718191a1b1c1d1e1f2021222324252627";
    private const string RfcPlaintext = "112233445566778899aabbccddee";
    private const string RfcOutput = "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c";

    private static readonly Gen<(byte[] Key, byte[][] Associated, byte[][] Plaintexts)> Cases =
        from length in Gen.OneOfConst(32, 48, 64)
        from key in Gen.Byte.Array[length]
        from associated in Gen.Byte.Array[0, 70].Array[0, 4]
        from plaintexts in Gen.Byte.Array[0, 300].Array[1, 12]
        select (key, associated, plaintexts);

    // RFC 5297, appendix A.1 and A.2; the nonce of A.2 is its last string of associated data.
    [Theory]
    [InlineData(RfcKey, new[] { RfcAssociated }, RfcPlaintext, RfcOutput)]
    [InlineData(
        "7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f",
        new[]
        {
            "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100",
            "102030405060708090a0",
            "09f911029d74e35bd84156c5635688c0",
        },
        "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553",
        "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d")]
    public void Siv_gives_the_answers_of_rfc_5297(string key, string[] associated, string plaintext, string output)
    {
        byte[][] strings = [.. associated.Select(Convert.FromHexString)];
        using var siv = new AesSiv(Convert.FromHexString(key), strings);

        Assert.Equal(output, Convert.ToHexStringLower(Encrypt(siv, Convert.FromHexString(plaintext))));
        Assert.Equal(plaintext, Convert.ToHexStringLower(Decrypt(siv, Convert.FromHexString(output))));

        // What the other tests are measured by is measured by the RFC.
        Assert.Equal(output, Convert.ToHexStringLower(ReferenceSiv.Encrypt(Convert.FromHexString(key), strings, Convert.FromHexString(plaintext))));
    }

    [Fact]
    public void Siv_agrees_with_wycheproof()
    {
        var (valid, invalid) = CheckWycheproof(File.ReadAllBytes(SourceTree.RequireVectors("aes_siv_cmac_test.json")));

        Assert.True(valid > 0 && invalid > 0, $"{valid} valid and {invalid} invalid vectors were found; both kinds are needed.");
    }

    [Fact]
    public void Reader_of_wycheproof_tells_right_from_wrong()
    {
        static byte[] File(string output, string result)
            => JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    testGroups = new[]
                    {
                        new { keySize = 256, tests = new[] { new { tcId = 1, key = RfcKey, aad = RfcAssociated, msg = RfcPlaintext, ct = output, result } } },
                    },
                });

        Assert.Equal((1, 0), CheckWycheproof(File(RfcOutput, "valid")));
        Assert.Equal((0, 1), CheckWycheproof(File(RfcOutput.Replace("85632d", "85632e", StringComparison.Ordinal), "invalid")));
        Assert.ThrowsAny<Exception>(() => CheckWycheproof(File(RfcOutput, "invalid")));
        Assert.ThrowsAny<Exception>(() => CheckWycheproof(File(RfcOutput.Replace("85632d", "85632e", StringComparison.Ordinal), "valid")));
    }

    [Fact]
    public void One_instance_agrees_with_the_reference_on_whatever_it_is_given_in_any_order()
        => Cases.Sample(
            c =>
            {
                using var siv = new AesSiv(c.Key, c.Associated);
                foreach (var plaintext in c.Plaintexts)
                {
                    var expected = ReferenceSiv.Encrypt(c.Key, c.Associated, plaintext);
                    Assert.Equal(expected, Encrypt(siv, plaintext));
                    Assert.Equal(plaintext, Decrypt(siv, expected));
                }

                foreach (var plaintext in c.Plaintexts.Reverse())
                    Assert.Equal(plaintext, Decrypt(siv, Encrypt(siv, plaintext)));
            },
            iter: 400);

    [Fact]
    public void Every_length_about_the_chunks_and_large_values_agree_with_the_reference()
    {
        var key = RandomNumberGenerator.GetBytes(64);
        byte[][] associated = [[], RandomNumberGenerator.GetBytes(1041), RandomNumberGenerator.GetBytes(5000)];
        int[] lengths =
        [
            .. Enumerable.Range(0, 50), .. Enumerable.Range(1005, 60), .. Enumerable.Range(2030, 60), 3071, 3072, 3073,
            65_535, 65_536, 65_537, 100_003, (1 << 18) + 5,
        ];
        foreach (var strings in new[] { [], associated })
        {
            using var siv = new AesSiv(key, strings);
            foreach (var length in lengths)
            {
                var plaintext = RandomNumberGenerator.GetBytes(length);
                var expected = ReferenceSiv.Encrypt(key, strings, plaintext);
                Assert.True(expected.AsSpan().SequenceEqual(Encrypt(siv, plaintext)), $"{length} bytes");
                Assert.True(plaintext.AsSpan().SequenceEqual(Decrypt(siv, expected)), $"{length} bytes");
            }
        }
    }

    [Fact]
    public void Values_are_encrypted_and_decrypted_in_place_too()
    {
        using var siv = new AesSiv(RandomNumberGenerator.GetBytes(64));
        foreach (var length in new[] { 0, 1, 16, 31, 1040, 1041, 5000 })
        {
            var plaintext = RandomNumberGenerator.GetBytes(length);
            var expected = Encrypt(siv, plaintext);
            var (body, tag) = (plaintext.ToArray(), new byte[16]);

            siv.Encrypt(body, tag, body);
            Assert.Equal(expected, (byte[])[.. tag, .. body]);
            siv.Decrypt(tag, body, body);
            Assert.Equal(plaintext, body);
        }
    }

    [Fact]
    public void Empty_string_of_associated_data_is_not_none()
    {
        var key = RandomNumberGenerator.GetBytes(64);
        byte[][][] vectors = [[], [[]], [[], []], [[0]], [[0], []], [[], [0]]];

        Assert.Equal(vectors.Length, vectors.Select(v => Convert.ToHexString(Encrypt(new AesSiv(key, v), [1]))).Distinct().Count());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(40)]
    [InlineData(2000)]
    public void Value_that_does_not_authenticate_leaves_no_plaintext(int length)
    {
        var key = RandomNumberGenerator.GetBytes(64);
        using var writer = new AesSiv(key);
        var value = Encrypt(writer, RandomNumberGenerator.GetBytes(length));
        foreach (var at in new[] { 0, 8, 12, 15, value.Length - 1 })
        {
            var changed = value.ToArray();
            changed[at] ^= 0x80;
            using var siv = new AesSiv(key);
            var plaintext = Enumerable.Repeat((byte)0xEE, length).ToArray();

            Assert.ThrowsAny<CryptographicException>(() => siv.Decrypt(changed.AsSpan(0, 16), changed.AsSpan(16), plaintext));
            Assert.All(plaintext, b => Assert.Equal(0, b));
        }
    }

    [Theory]
    [InlineData(9)]
    [InlineData(200)]
    [InlineData(3000)]
    public void Scratch_holds_neither_plaintext_nor_key_stream_after_use_or_failure(int length)
    {
        using var siv = new AesSiv(RandomNumberGenerator.GetBytes(64));
        var plaintext = Enumerable.Repeat((byte)'p', length).ToArray();
        var tag = new byte[16];
        void AssertClean()
        {
            Assert.All(TestRings.Field<byte[]>(siv, "_output"), b => Assert.Equal(0, b));
            Assert.Equal(-1, TestRings.Field<byte[]>(siv, "_input").AsSpan().IndexOf("ppppp"u8));
        }

        var value = Encrypt(siv, plaintext);
        AssertClean();
        Decrypt(siv, value);
        AssertClean();
        Assert.ThrowsAny<Exception>(() => siv.Encrypt(plaintext, tag, new byte[length - 1]));
        AssertClean();
        Assert.ThrowsAny<CryptographicException>(() => siv.Decrypt(new byte[16], value.AsSpan(16), new byte[length]));
        AssertClean();
    }

    [Fact]
    public void Instance_that_is_reused_allocates_nothing()
    {
        using var siv = new AesSiv(RandomNumberGenerator.GetBytes(64));
        var (tag, small, large) = (new byte[16], new byte[37], new byte[5000]);
        long Use(int times)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < times; i++)
            {
                siv.Encrypt(small, tag, small);
                siv.Decrypt(tag, small, small);
                siv.Encrypt(large, tag, large);
                siv.Decrypt(tag, large, large);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Use(100);
        Assert.Equal(0, Use(1000));
    }

    [Fact]
    public void Keys_of_dropped_instance_are_zeroed()
    {
        var siv = new AesSiv(RandomNumberGenerator.GetBytes(64));
        var state = TestRings.MemoryOf(TestRings.Field<EfEnvelope.Keys.OwnedBytes>(siv, "_state"));
        Assert.Contains(state, b => b != 0);

        siv.Dispose();

        Assert.All(state, b => Assert.Equal(0, b));
        Assert.Throws<ObjectDisposedException>(() => Encrypt(siv, [1]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    [InlineData(33)]
    [InlineData(128)]
    public void Key_of_any_other_length_is_refused(int length)
        => Assert.Throws<ArgumentException>(() => new AesSiv(new byte[length]));

    private static (int Valid, int Invalid) CheckWycheproof(byte[] json)
    {
        using var file = JsonDocument.Parse(json);
        var (valid, invalid) = (0, 0);
        foreach (var test in file.RootElement.GetProperty("testGroups").EnumerateArray().SelectMany(g => g.GetProperty("tests").EnumerateArray()))
        {
            byte[] Bytes(string name) => Convert.FromHexString(test.GetProperty(name).GetString()!);

            // One string of associated data, also when it is empty.
            using var siv = new AesSiv(Bytes("key"), Bytes("aad"));
            var output = Bytes("ct");
            if (test.GetProperty("result").GetString() == "valid")
            {
                Assert.Equal(output, Encrypt(siv, Bytes("msg")));
                Assert.Equal(Bytes("msg"), Decrypt(siv, output));
                valid++;
            }
            else
            {
                Assert.True(output.Length >= 16);
                Assert.ThrowsAny<CryptographicException>(() => Decrypt(siv, output));
                invalid++;
            }
        }

        return (valid, invalid);
    }

    private static byte[] Encrypt(AesSiv siv, byte[] plaintext)
    {
        var output = new byte[16 + plaintext.Length];
        siv.Encrypt(plaintext, output.AsSpan(0, 16), output.AsSpan(16));
        return output;
    }

    private static byte[] Decrypt(AesSiv siv, byte[] output)
    {
        var plaintext = new byte[output.Length - 16];
        siv.Decrypt(output.AsSpan(0, 16), output.AsSpan(16), plaintext);
        return plaintext;
    }
}
