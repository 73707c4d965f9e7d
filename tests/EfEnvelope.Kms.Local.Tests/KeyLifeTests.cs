using Microsoft.Extensions.Time.Testing;

namespace EfEnvelope.Kms.Local;

public sealed class KeyLifeTests : IDisposable
{
    private readonly TestKms _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Rotated_key_wraps_under_the_new_version_and_unwraps_under_the_old()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        using var kms = await _test.CreateAsync(time: time);
        var key = TestKms.NewKey();
        var old = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);

        time.Advance(TimeSpan.FromDays(90));
        var rotated = await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        var recent = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);

        Assert.Equal(2, rotated.PrimaryVersion);
        Assert.Equal(("1", "2"), (old.KekVersion, recent.KekVersion));
        Assert.Equal(key, await kms.UnwrapAsync(old, TestKms.Context, TestKms.Cancellation));
        Assert.Equal(key, await kms.UnwrapAsync(recent, TestKms.Context, TestKms.Cancellation));

        var described = await kms.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        Assert.Equal([1, 2], described.Versions.Select(v => v.Version));
        Assert.Equal(
            [time.Start, time.Start + TimeSpan.FromDays(90)], described.Versions.Select(v => v.Created));
        Assert.Equal(time.Start, described.Created);
    }

    [Fact]
    public async Task Each_version_has_material_of_its_own()
    {
        using var kms = await _test.CreateAsync();
        var old = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);

        // The sealed material of version 1 in the place of version 2: bound to its number, it must not open there.
        await SqliteFile.ExecuteAsync(
            _test.File,
            "UPDATE kms_key_versions SET sealed_material = (SELECT sealed_material FROM kms_key_versions WHERE version = 1) WHERE version = 2");

        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
        await kms.UnwrapAsync(old, TestKms.Context, TestKms.Cancellation);
    }

    [Fact]
    public async Task Material_moved_to_another_key_does_not_open()
    {
        using var kms = await _test.CreateAsync();
        await kms.CreateKeyAsync("other", TestKms.Cancellation);
        await SqliteFile.ExecuteAsync(
            _test.File,
            """
            UPDATE kms_key_versions SET sealed_material =
                (SELECT sealed_material FROM kms_key_versions JOIN kms_keys USING (key_id) WHERE name = 'other')
            """);

        await TestKms.ThrowsAsync(
            KmsErrorKind.InvalidCiphertext, () => kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
        await kms.WrapAsync("other", TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
    }

    [Fact]
    public async Task Disabled_key_neither_wraps_nor_unwraps_until_it_is_enabled()
    {
        using var kms = await _test.CreateAsync();
        using var elsewhere = _test.Open();
        var key = TestKms.NewKey();
        var wrapped = await elsewhere.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);

        Assert.Equal(LocalKmsKeyState.Disabled, (await kms.DisableKeyAsync(TestKms.KeyName, TestKms.Cancellation)).State);

        await TestKms.ThrowsAsync(
            KmsErrorKind.Disabled, () => elsewhere.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.Disabled, () => elsewhere.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        await TestKms.ThrowsAsync(KmsErrorKind.Disabled, () => elsewhere.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation));
        Assert.Equal(LocalKmsKeyState.Disabled, (await elsewhere.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation)).State);

        Assert.Equal(LocalKmsKeyState.Enabled, (await kms.EnableKeyAsync(TestKms.KeyName, TestKms.Cancellation)).State);
        Assert.Equal(key, await elsewhere.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Configured_wrapper_does_not_replace_a_disabled_key()
    {
        using var kms = await _test.CreateAsync();
        await kms.DisableKeyAsync(TestKms.KeyName, TestKms.Cancellation);

        await TestKms.ThrowsAsync(
            KmsErrorKind.Disabled,
            async () => await _test.OpenConfigured().WrapAsync(TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Created_twice_it_is_one_key()
    {
        using var kms = await _test.CreateAsync();
        var first = await kms.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation);

        var second = await kms.CreateKeyAsync(TestKms.KeyName, TestKms.Cancellation);

        Assert.Equal(first.KeyId, second.KeyId);
        Assert.Single(second.Versions);
    }

    [Fact]
    public async Task Keys_are_listed_by_name()
    {
        using var kms = await _test.CreateAsync();
        await kms.CreateKeyAsync("billing", TestKms.Cancellation);
        await kms.RotateKeyAsync("billing", TestKms.Cancellation);

        var keys = await kms.ListKeysAsync(TestKms.Cancellation);

        Assert.Equal([("billing", 2), ("clinic", 1)], keys.Select(k => (k.Name, k.PrimaryVersion)));
    }

    [Fact]
    public async Task Unknown_key_cannot_be_administered()
    {
        using var kms = await _test.CreateAsync();

        foreach (var call in new Func<string, CancellationToken, Task>[]
            { kms.RotateKeyAsync, kms.DescribeKeyAsync, kms.EnableKeyAsync, kms.DisableKeyAsync })
        {
            await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => call("absent", TestKms.Cancellation));
        }
    }

    [Fact]
    public async Task Version_that_an_older_backup_lacks_is_not_found()
    {
        using var kms = await _test.CreateAsync();
        var backup = System.IO.File.ReadAllBytes(_test.File);
        await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        System.IO.File.WriteAllBytes(_test.File, backup);

        var exception = await TestKms.ThrowsAsync(
            KmsErrorKind.NotFound, () => kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        Assert.Contains("version 2", exception.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-clinic")]
    [InlineData("cl inic")]
    [InlineData("klinik:1")]
    public async Task Malformed_name_is_refused(string name)
    {
        using var kms = await _test.CreateAsync();

        await Assert.ThrowsAsync<ArgumentException>(() => kms.CreateKeyAsync(name, TestKms.Cancellation));
        Assert.Throws<ArgumentException>(() => kms.GetKeyWrapper(name));
    }
}
