using System.Text.Json.Nodes;
using EfEnvelope.Kms.Local.Sealing;

namespace EfEnvelope.Kms.Local;

public sealed class PassphraseSealTests : IDisposable
{
    private readonly TestKms _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Wrong_passphrase_is_told_in_one_message()
    {
        var (wrapped, _) = await _test.MakeAsync();
        using var kms = _test.Open(TestKms.QuickSeal("wrong"));

        var exception = await TestKms.ThrowsAsync(
            KmsErrorKind.Unauthenticated, () => kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        Assert.StartsWith($"The passphrase does not open '{_test.File}'.", exception.Message);
    }

    [Fact]
    public async Task Wrong_passphrase_administers_nothing()
    {
        await _test.MakeAsync();
        using var kms = _test.Open(TestKms.QuickSeal("wrong"));

        foreach (var call in new Func<Task>[]
            {
                () => kms.OpenAsync(TestKms.Cancellation),
                () => kms.CreateAsync(TestKms.Cancellation),
                () => kms.CreateKeyAsync("other", TestKms.Cancellation),
                () => kms.ListKeysAsync(TestKms.Cancellation),
                () => kms.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation),
                () => kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation),
                () => kms.DisableKeyAsync(TestKms.KeyName, TestKms.Cancellation),
            })
        {
            await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, call);
        }

        using var right = _test.Open();
        var key = Assert.Single(await right.ListKeysAsync(TestKms.Cancellation));
        Assert.Equal((LocalKmsKeyState.Enabled, 1), (key.State, key.PrimaryVersion));
    }

    [Fact]
    public async Task Iterations_below_the_minimum_are_refused()
    {
        // A file with the right passphrase and few iterations, as one who guesses passphrases would like it.
        var (wrapped, _) = await _test.MakeAsync();
        using var kms = _test.Open(LocalKmsSeal.Passphrase(TestKms.Passphrase));

        var exception = await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        Assert.Contains("1000 iterations", exception.Message);
    }

    [Theory]
    [InlineData(650_000)]
    [InlineData(PassphraseSeal.MinimumIterations)]
    public async Task File_of_another_version_with_more_or_fewer_iterations_than_this_one_writes_opens(int iterations)
    {
        using (await _test.CreateAsync(new PassphraseSeal(TestKms.Passphrase, iterations)))
        {
        }

        using var kms = _test.Open(LocalKmsSeal.Passphrase(TestKms.Passphrase));
        await kms.OpenAsync(TestKms.Cancellation);
        using var later = _test.Open(new PassphraseSeal(TestKms.Passphrase, 700_000));
        await later.OpenAsync(TestKms.Cancellation);
    }

    [Fact]
    public void Floor_of_iterations_is_never_raised_and_the_default_is_not_below_it()
    {
        Assert.Equal(600_000, PassphraseSeal.MinimumIterations);
        Assert.True(PassphraseSeal.DefaultIterations >= PassphraseSeal.MinimumIterations);
    }

    [Theory]
    [InlineData(599_999)]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    public async Task Iterations_edited_in_the_file_are_refused(int iterations)
    {
        var seal = LocalKmsSeal.Passphrase(TestKms.Passphrase);
        using (await _test.CreateAsync(seal))
        {
        }

        await SqliteFile.ExecuteAsync(_test.File, $"UPDATE kms_seals SET parameters = json_set(parameters, '$.iterations', {iterations})");
        using var kms = _test.Open(seal);

        await TestKms.ThrowsAsync(KmsErrorKind.InvalidCiphertext, () => kms.OpenAsync(TestKms.Cancellation));
    }

    [Fact]
    public async Task Real_passphrase_is_stretched_at_least_600000_times_over_a_random_salt()
    {
        var salts = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            File.Delete(_test.File);
            using var wrapper = (LocalKeyWrapper)_test.OpenConfigured(LocalKmsSeal.Passphrase(TestKms.Passphrase));
            var key = TestKms.NewKey();
            var wrapped = await wrapper.WrapAsync(key, TestKms.Context, TestKms.Cancellation);
            Assert.Equal(key, await wrapper.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

            var parameters = JsonNode.Parse((string)(await SqliteFile.ExecuteAsync(_test.File, "SELECT parameters FROM kms_seals"))!)!;
            Assert.True(parameters["iterations"]!.GetValue<int>() >= 600_000);
            Assert.Equal("pbkdf2-hmac-sha512", parameters["kdf"]!.GetValue<string>());
            salts.Add(parameters["salt"]!.GetValue<string>());
            Assert.True(Convert.FromBase64String(salts[^1]).Length >= 16);
        }

        Assert.NotEqual(salts[0], salts[1]);
    }
}
