using System.Security.Cryptography;
using CsCheck;

namespace EfEnvelope.Kms.Local;

public sealed class DamagedFileTests : IDisposable
{
    private readonly TestKms _test = new();

    public void Dispose() => _test.Dispose();

    [Theory]
    [InlineData(1, true)]
    [InlineData(10, true)]
    [InlineData(600, true)]
    [InlineData(20_000, true)]
    [InlineData(20_000, false)]
    public async Task File_that_is_no_database_is_refused_and_left_alone(int length, bool random)
    {
        var bytes = random ? RandomNumberGenerator.GetBytes(length) : new byte[length];
        await File.WriteAllBytesAsync(_test.File, bytes, TestKms.Cancellation);

        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidRequest,
            async () => await _test.OpenConfigured().WrapAsync(TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));

        Assert.Equal(bytes, await File.ReadAllBytesAsync(_test.File, TestKms.Cancellation));
    }

    [Fact]
    public async Task Database_of_another_application_is_refused_and_left_alone()
    {
        await SqliteFile.ExecuteAsync(_test.File, "CREATE TABLE patients (id INTEGER)");

        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidRequest,
            async () => await _test.OpenConfigured().WrapAsync(TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));

        Assert.Equal(1L, await SqliteFile.ExecuteAsync(_test.File, "SELECT count(*) FROM sqlite_master"));
    }

    [Fact]
    public async Task Later_format_is_refused()
    {
        var (wrapped, _) = await _test.MakeAsync();
        await SqliteFile.ExecuteAsync(_test.File, "UPDATE kms_meta SET format_version = 4");
        using var kms = _test.Open();

        var exception = await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidRequest, () => kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        Assert.Contains("format 4", exception.Message);
    }

    [Fact]
    public async Task Truncated_file_is_refused_at_any_length()
    {
        var (wrapped, key) = await _test.MakeAsync();
        var bytes = await File.ReadAllBytesAsync(_test.File, TestKms.Cancellation);
        var refused = 0;
        var lengths = Enumerable.Range(1, bytes.Length - 1).Where(n => n % 4096 < 2 || (n < 600 ? n % 33 == 1 : n % 509 == 0));
        foreach (var length in lengths)
        {
            // A part of the last page may be missing without harm; a wrong key may never come of it.
            if (await OutcomeAsync(bytes[..length], wrapped, key) is { } exception)
            {
                refused++;
                Assert.True(exception.Kind is KmsErrorKind.InvalidRequest or KmsErrorKind.InvalidCiphertext, $"{length}: {exception}");
            }
            else
            {
                Assert.True(length > bytes.Length - 4096, $"{length} of {bytes.Length} bytes were enough");
            }
        }

        Assert.True(refused > 20);
    }

    [Fact]
    public async Task Flipped_bit_never_yields_a_wrong_key_nor_a_strange_exception()
    {
        var (wrapped, key) = await _test.MakeAsync();
        var bytes = await File.ReadAllBytesAsync(_test.File, TestKms.Cancellation);
        var refused = 0;
        await Gen.Select(Gen.Int[0, bytes.Length - 1], Gen.Int[0, 7]).SampleAsync(
            async flip =>
            {
                var copy = bytes.ToArray();
                copy[flip.Item1] ^= (byte)(1 << flip.Item2);
                if (await OutcomeAsync(copy, wrapped, key) is not null)
                    refused++;
            },
            iter: 400,
            threads: 1);
        Assert.True(refused > 0);
    }

    [Fact]
    public async Task Every_flipped_byte_of_the_sealed_root_key_is_refused()
    {
        var (wrapped, key) = await _test.MakeAsync();
        var bytes = await File.ReadAllBytesAsync(_test.File, TestKms.Cancellation);
        var root = (byte[])(await SqliteFile.ExecuteAsync(_test.File, "SELECT sealed_root_key FROM kms_seals"))!;
        var start = bytes.AsSpan().IndexOf(root);
        Assert.True(start > 0);
        for (var i = 0; i < root.Length; i++)
        {
            var copy = bytes.ToArray();
            copy[start + i] ^= 0x10;
            Assert.Equal(KmsErrorKind.Unauthenticated, (await OutcomeAsync(copy, wrapped, key))?.Kind);
        }
    }

    // Null when the right key came out; a wrong key or any other exception fails the test.
    private async Task<KmsException?> OutcomeAsync(byte[] file, WrappedKeyCopy wrapped, byte[] key)
    {
        var path = Path.Combine(_test.Folder, "damaged.db");
        foreach (var left in Directory.GetFiles(_test.Folder, "damaged.db*"))
            File.Delete(left);
        await File.WriteAllBytesAsync(path, file, TestKms.Cancellation);
        using var kms = _test.Open(file: path);
        try
        {
            Assert.Equal(key, await kms.GetKeyWrapper(TestKms.KeyName).UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
            return null;
        }
        catch (KmsException e)
        {
            return e;
        }
    }
}
