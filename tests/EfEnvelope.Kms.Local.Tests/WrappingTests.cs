using System.Security.Cryptography;
using EfEnvelope.Kms.Local.Keks;

namespace EfEnvelope.Kms.Local;

public sealed class WrappingTests : IDisposable
{
    private readonly TestKms _test = new();

    public void Dispose() => _test.Dispose();

    [Theory]
    [InlineData(16)]
    [InlineData(32)]
    [InlineData(64)]
    public async Task Wrapped_key_unwraps_in_the_same_context(int length)
    {
        using var kms = await _test.CreateAsync();
        var key = TestKms.NewKey(length);

        var wrapped = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);

        Assert.Equal("local:clinic", wrapped.Kek.ToString());
        Assert.Equal("1", wrapped.KekVersion);
        Assert.Equal(length + 49, wrapped.Ciphertext.Length);
        Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(15)]
    [InlineData(65)]
    public async Task Key_of_another_length_is_refused(int length)
    {
        using var kms = await _test.CreateAsync();

        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidRequest, () => kms.WrapAsync(TestKms.KeyName, new byte[length], TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Wrapped_key_with_another_context_does_not_unwrap()
    {
        using var kms = await _test.CreateAsync();
        var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);

        foreach (var other in new[] { EncryptionContext.Empty, new EncryptionContext([new("scope", "clinic"), new("table", "patient")]) })
            await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => kms.UnwrapAsync(wrapped, other, TestKms.Cancellation));
    }

    [Fact]
    public async Task Same_key_is_wrapped_differently_each_time()
    {
        using var kms = await _test.CreateAsync();
        var key = TestKms.NewKey();

        var first = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);
        var second = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);

        Assert.NotEqual(Convert.ToHexString(first.Ciphertext.Span), Convert.ToHexString(second.Ciphertext.Span));
    }

    [Fact]
    public async Task Wrapped_key_presented_under_another_KEK_is_the_wrong_key()
    {
        using var kms = await _test.CreateAsync();
        await kms.CreateKeyAsync("other", TestKms.Cancellation);
        var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);

        await TestKms.ThrowsAsync(
            KmsErrorKind.WrongKey,
            () => kms.UnwrapAsync(wrapped with { Kek = new KekUri("local:other") }, TestKms.Context, TestKms.Cancellation));
        await TestKms.ThrowsAsync(
            KmsErrorKind.WrongKey,
            () => kms.UnwrapAsync(wrapped with { Kek = new KekUri("aws-kms:clinic") }, TestKms.Context, TestKms.Cancellation));
        await TestKms.ThrowsAsync(
            KmsErrorKind.WrongKey, () => kms.UnwrapAsync(wrapped with { Kek = default }, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Wrapper_of_one_KEK_unwraps_what_another_of_the_same_file_wrapped()
    {
        using var kms = await _test.CreateAsync();
        await kms.CreateKeyAsync("newer", TestKms.Cancellation);
        var key = TestKms.NewKey();
        var wrapped = await kms.GetKeyWrapper(TestKms.KeyName).WrapAsync(key, TestKms.Context, TestKms.Cancellation);

        Assert.Equal(key, await kms.GetKeyWrapper("newer").UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task KEK_that_does_not_exist_is_not_found()
    {
        using var kms = await _test.CreateAsync();
        var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);

        await TestKms.ThrowsAsync(
            KmsErrorKind.NotFound, () => kms.WrapAsync("absent", TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
        var exception = await TestKms.ThrowsAsync(
            KmsErrorKind.NotFound,
            () => kms.UnwrapAsync(wrapped with { Kek = new KekUri("local:absent") }, TestKms.Context, TestKms.Cancellation));

        Assert.Contains("'absent'", exception.Message);
        Assert.Contains(_test.File, exception.Message);
        Assert.Equal(["clinic"], (await kms.ListKeysAsync(TestKms.Cancellation)).Select(k => k.Name));
    }

    [Fact]
    public async Task Key_of_the_same_name_in_another_file_is_the_wrong_key()
    {
        using var kms = await _test.CreateAsync();
        var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        using var otherTest = new TestKms();
        using var other = await otherTest.CreateAsync();

        await TestKms.ThrowsAsync(KmsErrorKind.WrongKey, () => other.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    // Reads the bytes by the table in WrappedBytes and by nothing of its code.
    [Fact]
    public void Layout_is_as_documented()
    {
        var (kek, key) = (TestKms.NewKey(), TestKms.NewKey());
        var keyId = "000102030405060708090a0b0c0d0e0f";

        var bytes = WrappedBytes.Wrap(kek, keyId, 0x01020304, key, TestKms.Context);

        Assert.Equal("01" + keyId + "01020304", Convert.ToHexStringLower(bytes.AsSpan(0, 21)));
        var opened = new byte[32];
        using var aes = new AesGcm(kek, 16);
        aes.Decrypt(
            bytes.AsSpan(21, 12),
            bytes.AsSpan(33, 32),
            bytes.AsSpan(65, 16),
            opened,
            [.. bytes.AsSpan(0, 21), .. TestKms.Context.AssociatedData.Span]);
        Assert.Equal(key, opened);
        Assert.Equal(81, bytes.Length);
    }

    [Fact]
    public async Task Disposed_KMS_serves_nobody()
    {
        var kms = await _test.CreateAsync();
        var wrapper = kms.GetKeyWrapper(TestKms.KeyName);
        var wrapped = await wrapper.WrapAsync(TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        kms.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => kms.ListKeysAsync(TestKms.Cancellation));
        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidRequest, async () => await wrapper.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidRequest, async () => await wrapper.WrapAsync(TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
    }
}
