using CsCheck;

namespace EfEnvelope.Kms.Local;

public sealed class TamperedWrappedKeyTests : IDisposable
{
    private readonly TestKms _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Any_changed_byte_of_a_wrapped_key_fails()
    {
        using var kms = await _test.CreateAsync();
        await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        var key = TestKms.NewKey();
        var wrapped = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);
        Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        for (var i = 0; i < wrapped.Ciphertext.Length; i++)
        {
            var position = i;
            await Gen.Byte[1, 255].SampleAsync(
                async mask =>
                {
                    var bytes = wrapped.Ciphertext.ToArray();
                    bytes[position] ^= mask;
                    await RefusedAsync(kms, wrapped with { Ciphertext = bytes });
                },
                iter: 8,
                threads: 1);
        }
    }

    [Fact]
    public async Task Any_other_length_of_a_wrapped_key_fails()
    {
        using var kms = await _test.CreateAsync();
        var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);

        for (var length = 0; length < wrapped.Ciphertext.Length + 40; length++)
        {
            if (length == wrapped.Ciphertext.Length)
                continue;
            var bytes = wrapped.Ciphertext.ToArray();
            Array.Resize(ref bytes, length);
            await TestKms.ThrowsAsync(
                KmsErrorKind.InvalidCiphertext,
                () => kms.UnwrapAsync(wrapped with { Ciphertext = bytes }, TestKms.Context, TestKms.Cancellation));
        }
    }

    [Fact]
    public async Task Version_moved_to_another_that_exists_fails()
    {
        using var kms = await _test.CreateAsync();
        await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        var bytes = wrapped.Ciphertext.ToArray();
        Assert.Equal(2, bytes[20]);
        bytes[20] = 1;

        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext,
            () => kms.UnwrapAsync(wrapped with { Ciphertext = bytes }, TestKms.Context, TestKms.Cancellation));
    }

    private static async Task RefusedAsync(LocalKms kms, WrappedKeyCopy wrapped)
    {
        var exception = await Assert.ThrowsAsync<KmsException>(() => kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        Assert.True(exception.Kind is KmsErrorKind.InvalidCiphertext or KmsErrorKind.WrongKey, $"{exception.Kind}");
    }
}
