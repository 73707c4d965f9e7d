using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Local;

public abstract class KeyUseTests(TestStore store) : StoreTests(store)
{
    private static readonly byte[] Data = Encoding.UTF8.GetBytes("the text that is signed");

    [Theory]
    [InlineData(LocalKmsKeyAlgorithm.EcdsaP256)]
    [InlineData(LocalKmsKeyAlgorithm.EcdsaP384)]
    [InlineData(LocalKmsKeyAlgorithm.RsaPss2048)]
    [InlineData(LocalKmsKeyAlgorithm.RsaPss3072)]
    [InlineData(LocalKmsKeyAlgorithm.RsaPss4096)]
    public async Task Signature_verifies_here_and_by_the_public_key_elsewhere(LocalKmsKeyAlgorithm algorithm)
    {
        using var kms = await Store.CreateAsync();
        var key = await kms.CreateKeyAsync("signer", new LocalKmsKeyOptions { Algorithm = algorithm }, Cancellation);
        Assert.Equal(algorithm, key.Algorithm);

        var signature = await kms.SignAsync("signer", Data, Cancellation);

        Assert.Equal(("signer", 1), (signature.Key, signature.Version));
        Assert.True(await kms.VerifyAsync(Data, signature, Cancellation));
        Assert.False(await kms.VerifyAsync((byte[])[.. Data, 0], signature, Cancellation));
        var flipped = signature.Bytes.ToArray();
        flipped[^1] ^= 1;
        Assert.False(await kms.VerifyAsync(Data, signature with { Bytes = flipped }, Cancellation));

        var published = await kms.GetPublicKeyAsync("signer", cancellationToken: Cancellation);
        Assert.Equal((algorithm, 1), (published.Algorithm, published.Version));
        if (algorithm is LocalKmsKeyAlgorithm.EcdsaP256 or LocalKmsKeyAlgorithm.EcdsaP384)
        {
            using var ecdsa = ECDsa.Create();
            ecdsa.ImportSubjectPublicKeyInfo(published.SubjectPublicKeyInfo.Span, out _);
            var hash = algorithm == LocalKmsKeyAlgorithm.EcdsaP256 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA384;
            Assert.True(ecdsa.VerifyData(Data, signature.Bytes.Span, hash, DSASignatureFormat.Rfc3279DerSequence));
        }
        else
        {
            using var rsa = RSA.Create();
            rsa.ImportSubjectPublicKeyInfo(published.SubjectPublicKeyInfo.Span, out _);
            Assert.True(rsa.VerifyData(Data, signature.Bytes.Span, HashAlgorithmName.SHA256, RSASignaturePadding.Pss));
        }
    }

    [Fact]
    public async Task Earlier_versions_of_a_signing_key_still_verify_what_they_signed()
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("signer", new LocalKmsKeyOptions { Algorithm = LocalKmsKeyAlgorithm.EcdsaP256 }, Cancellation);
        var first = await kms.SignAsync("signer", Data, Cancellation);
        await kms.RotateKeyAsync("signer", Cancellation);
        var second = await kms.SignAsync("signer", Data, Cancellation);

        Assert.Equal(2, second.Version);
        Assert.True(await kms.VerifyAsync(Data, first, Cancellation));
        Assert.True(await kms.VerifyAsync(Data, second, Cancellation));
        Assert.False(await kms.VerifyAsync(Data, first with { Version = 2 }, Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.VerifyAsync(Data, first with { Version = 3 }, Cancellation));
    }

    [Fact]
    public async Task MAC_is_HMAC_SHA256_and_verifies_only_what_it_was_made_of()
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("mac", new LocalKmsKeyOptions { Algorithm = LocalKmsKeyAlgorithm.HmacSha256 }, Cancellation);

        var mac = await kms.GenerateMacAsync("mac", Data, Cancellation);

        Assert.Equal(32, mac.Bytes.Length);
        Assert.Equal(mac.Bytes.ToArray(), (await kms.GenerateMacAsync("mac", Data, Cancellation)).Bytes.ToArray());
        Assert.True(await kms.VerifyMacAsync(Data, mac, Cancellation));
        Assert.False(await kms.VerifyMacAsync((byte[])[.. Data, 0], mac, Cancellation));
        Assert.False(await kms.VerifyMacAsync(Data, mac with { Bytes = mac.Bytes[..31] }, Cancellation));
    }

    [Fact]
    public async Task Key_does_only_what_it_is_for()
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("signer", new LocalKmsKeyOptions { Algorithm = LocalKmsKeyAlgorithm.EcdsaP256 }, Cancellation);
        await kms.CreateKeyAsync("mac", new LocalKmsKeyOptions { Algorithm = LocalKmsKeyAlgorithm.HmacSha256 }, Cancellation);

        await Refused(() => kms.SignAsync(TestStore.KeyName, Data, Cancellation));
        await Refused(() => kms.GenerateMacAsync("signer", Data, Cancellation));
        await Refused(() => kms.GetPublicKeyAsync("mac", cancellationToken: Cancellation));
        await Refused(() => kms.WrapAsync("signer", TestKms.NewKey(), TestKms.Context, Cancellation));
        await Refused(() => kms.EncryptAsync("mac", Data, TestKms.Context, Cancellation));
        await Refused(() => kms.CreateKeyAsync("mac", new LocalKmsKeyOptions(), Cancellation));

        static Task Refused(Func<Task> action) => TestKms.ThrowsAsync(KmsErrorKind.InvalidRequest, action);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4096)]
    public async Task Encrypted_value_decrypts_in_its_context_alone(int length)
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("other", Cancellation);
        var value = RandomNumberGenerator.GetBytes(length);

        var ciphertext = await kms.EncryptAsync(TestStore.KeyName, value, TestKms.Context, Cancellation);
        await kms.RotateKeyAsync(TestStore.KeyName, Cancellation);

        Assert.Equal(length + 49, ciphertext.Length);
        Assert.Equal(value, await kms.DecryptAsync(TestStore.KeyName, ciphertext, TestKms.Context, Cancellation));
        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => kms.DecryptAsync(TestStore.KeyName, ciphertext, EncryptionContext.Empty, Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.WrongKey, () => kms.DecryptAsync("other", ciphertext, TestKms.Context, Cancellation));
        foreach (var at in new[] { 0, 18, 22, 34, ciphertext.Length - 1 })
        {
            var altered = ciphertext.ToArray();
            altered[at] ^= 1;
            await TestKms.ThrowsAsync(
                KmsErrorKind.InvalidCiphertext, () => kms.DecryptAsync(TestStore.KeyName, altered, TestKms.Context, Cancellation));
        }
    }

    [Fact]
    public async Task Value_over_4096_bytes_is_not_encrypted()
    {
        using var kms = await Store.CreateAsync();

        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidRequest, () => kms.EncryptAsync(TestStore.KeyName, new byte[4097], TestKms.Context, Cancellation));
    }

    [Fact]
    public async Task Wrapped_key_does_not_decrypt_as_a_value_nor_a_value_unwrap_as_a_key()
    {
        using var kms = await Store.CreateAsync();
        var wrapped = await kms.WrapAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);
        var ciphertext = await kms.EncryptAsync(TestStore.KeyName, TestKms.NewKey(), TestKms.Context, Cancellation);

        foreach (var format in new byte[] { 1, 2 })
        {
            var asValue = wrapped.Ciphertext.ToArray();
            asValue[0] = format;
            await TestKms.ThrowsAsync(
                KmsErrorKind.InvalidCiphertext, () => kms.DecryptAsync(TestStore.KeyName, asValue, TestKms.Context, Cancellation));
            var asKey = ciphertext.ToArray();
            asKey[0] = format;
            await TestKms.ThrowsAsync(
                KmsErrorKind.InvalidCiphertext, () => kms.UnwrapAsync(wrapped with { Ciphertext = asKey }, TestKms.Context, Cancellation));
        }
    }

    [Fact]
    public async Task Data_key_unwraps_to_its_plaintext_and_is_zeroed_when_disposed()
    {
        using var kms = await Store.CreateAsync();

        var key = await kms.GenerateDataKeyAsync(TestStore.KeyName, TestKms.Context, 64, Cancellation);

        Assert.Equal(64, key.Plaintext.Length);
        Assert.Equal(key.Plaintext.ToArray(), await kms.UnwrapAsync(key.Wrapped, TestKms.Context, Cancellation));
        key.Dispose();
        Assert.Equal(new byte[64], key.Plaintext.ToArray());
    }

    [Fact]
    public async Task Rewrapped_key_is_the_same_key_under_the_primary_version()
    {
        using var kms = await Store.CreateAsync();
        await kms.CreateKeyAsync("newer", Cancellation);
        var key = TestKms.NewKey();
        var wrapper = kms.GetKeyWrapper(TestStore.KeyName);
        var wrapped = await wrapper.WrapAsync(key, TestKms.Context, Cancellation);
        await kms.RotateKeyAsync(TestStore.KeyName, Cancellation);

        var rewrapped = await wrapper.RewrapAsync(wrapped, TestKms.Context, Cancellation);
        var moved = await kms.GetKeyWrapper("newer").RewrapAsync(rewrapped, TestKms.Context, Cancellation);

        Assert.Equal((wrapper.Kek, "2"), (rewrapped.Kek, rewrapped.KekVersion));
        Assert.Equal("local:newer", moved.Kek.ToString());
        foreach (var copy in new[] { wrapped, rewrapped, moved })
            Assert.Equal(key, await wrapper.UnwrapAsync(copy, TestKms.Context, Cancellation));
        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, async () => await wrapper.RewrapAsync(wrapped, EncryptionContext.Empty, Cancellation));
    }

    [Fact]
    public async Task Wrapper_describes_its_KEK()
    {
        var time = new FakeTimeProvider(DateTimeOffset.Parse("2026-03-01T10:00:00Z"));
        using var kms = await Store.CreateAsync(time);
        var wrapper = kms.GetKeyWrapper(TestStore.KeyName);
        await kms.RotateKeyAsync(TestStore.KeyName, Cancellation);

        var description = await wrapper.DescribeAsync(Cancellation);
        Assert.Equal((KekState.Enabled, "2", "software"), (description.State, description.PrimaryVersion, description.Protection));
        Assert.Equal(time.GetUtcNow(), description.CreatedAt);
        await kms.DisableKeyAsync(TestStore.KeyName, Cancellation);
        Assert.Equal(KekState.Disabled, (await wrapper.DescribeAsync(Cancellation)).State);
        await kms.ScheduleKeyDeletionAsync(TestStore.KeyName, 10, Cancellation);
        description = await wrapper.DescribeAsync(Cancellation);
        Assert.Equal((KekState.PendingDeletion, time.GetUtcNow().AddDays(10)), (description.State, description.DeletionAt));
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, async () => await kms.GetKeyWrapper("absent").DescribeAsync(Cancellation));
    }
}

public sealed class SqliteKeyUseTests() : KeyUseTests(new SqliteTestStore());

public sealed class PostgresKeyUseTests() : KeyUseTests(new PostgresTestStore());
