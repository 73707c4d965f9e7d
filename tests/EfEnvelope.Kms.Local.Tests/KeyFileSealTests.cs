namespace EfEnvelope.Kms.Local;

public sealed class KeyFileSealTests : IDisposable
{
    private readonly TestKms _test = new();

    private string KeyFile => Path.Combine(_test.Folder, "kms.key");

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Key_file_opens_what_it_sealed()
    {
        var key = TestKms.NewKey();
        WrappedKeyCopy wrapped;
        using (var kms = await _test.CreateAsync(LocalKmsSeal.CreateKeyFile(KeyFile)))
            wrapped = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);

        using var again = _test.Open(LocalKmsSeal.KeyFile(KeyFile));
        Assert.Equal(key, await again.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public void Created_key_file_is_32_bytes_for_the_owner_alone()
    {
        LocalKmsSeal.CreateKeyFile(KeyFile);

        Assert.Equal(32, new FileInfo(KeyFile).Length);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
        Assert.Equal([KeyFile], Directory.GetFiles(_test.Folder));
    }

    [Fact]
    public void Missing_directory_of_a_key_file_is_reported()
    {
        var path = Path.Combine(_test.Folder, "missing", "kms.key");

        var e = Assert.Throws<KmsException>(() => LocalKmsSeal.CreateKeyFile(path));

        Assert.Equal((KmsErrorKind.InvalidRequest, LocalKmsMessages.KeyFileDirectoryMissing(path)), (e.Kind, e.Message));
    }

    [Fact]
    public async Task Restore_under_a_seal_that_does_not_work_leaves_nothing_behind()
    {
        using var source = new TestKms();
        using var backup = new MemoryStream();
        using (var kms = await source.CreateAsync())
            await kms.BackupAsync(backup, "the passphrase of the backup", TestKms.Cancellation);
        using (var refused = _test.Open(LocalKmsSeal.KeyFile(KeyFile)))
        {
            backup.Position = 0;
            await Assert.ThrowsAsync<KmsException>(() => refused.RestoreAsync(backup, "the passphrase of the backup", TestKms.Cancellation));
        }

        Assert.Empty(Directory.GetFiles(_test.Folder));
        using var restored = _test.Open(LocalKmsSeal.CreateKeyFile(KeyFile));
        backup.Position = 0;
        await restored.RestoreAsync(backup, "the passphrase of the backup", TestKms.Cancellation);
        Assert.NotNull(await restored.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation));
    }

    [Fact]
    public void Existing_key_file_is_never_replaced()
    {
        LocalKmsSeal.CreateKeyFile(KeyFile);
        var bytes = File.ReadAllBytes(KeyFile);

        var exception = Assert.Throws<KmsException>(() => LocalKmsSeal.CreateKeyFile(KeyFile));

        Assert.Equal(KmsErrorKind.InvalidRequest, exception.Kind);
        Assert.Equal(bytes, File.ReadAllBytes(KeyFile));
    }

    [Fact]
    public async Task Missing_key_file_is_not_made_by_use()
    {
        await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => _test.CreateAsync(LocalKmsSeal.KeyFile(KeyFile)));

        Assert.False(File.Exists(KeyFile));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.GroupRead | UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.OtherWrite)]
    public async Task Key_file_that_others_may_use_is_refused(UnixFileMode extra)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no file modes.");
        var seal = LocalKmsSeal.CreateKeyFile(KeyFile);
        using var kms = await _test.CreateAsync(seal);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | extra);

        using var again = _test.Open(seal);
        var exception = await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => again.OpenAsync(TestKms.Cancellation));

        Assert.Contains("chmod 600", exception.Message);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(31, true)]
    [InlineData(33, true)]
    [InlineData(32, false)]
    public async Task Malformed_key_file_is_refused(int length, bool random)
    {
        var seal = LocalKmsSeal.CreateKeyFile(KeyFile);
        File.WriteAllBytes(KeyFile, random ? TestKms.NewKey(length) : new byte[length]);

        await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => _test.CreateAsync(seal));
    }

    [Fact]
    public async Task Another_key_file_does_not_open()
    {
        using var kms = await _test.CreateAsync(LocalKmsSeal.CreateKeyFile(KeyFile));

        using var other = _test.Open(LocalKmsSeal.CreateKeyFile(KeyFile + "2"));
        var exception = await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => other.OpenAsync(TestKms.Cancellation));

        Assert.Contains("kms.key2", exception.Message);
    }

    [Fact]
    public async Task Passphrase_does_not_open_what_a_key_file_sealed()
    {
        using var kms = await _test.CreateAsync(LocalKmsSeal.CreateKeyFile(KeyFile));

        using var other = _test.Open();
        var exception = await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => other.OpenAsync(TestKms.Cancellation));

        Assert.Contains("'key-file'", exception.Message);
    }
}
