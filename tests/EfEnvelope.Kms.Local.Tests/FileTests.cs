namespace EfEnvelope.Kms.Local;

public sealed class FileTests : IDisposable
{
    private readonly TestKms _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Keys_survive_reopening()
    {
        var key = TestKms.NewKey();
        WrappedKeyCopy wrapped;
        using (var kms = await _test.CreateAsync())
            wrapped = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);

        using var again = _test.Open();
        Assert.Equal(key, await again.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Failure_to_open_is_not_kept()
    {
        using var kms = _test.Open();
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.OpenAsync(TestKms.Cancellation));

        var (wrapped, key) = await _test.MakeAsync();

        Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Creation_that_was_interrupted_is_finished_by_the_next()
    {
        // What is left when the process ends after the file was made and before its tables were.
        await SqliteFile.ExecuteAsync(_test.File, "PRAGMA journal_mode = WAL");
        Assert.Equal(4096, new FileInfo(_test.File).Length);
        using var kms = _test.Open();
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.OpenAsync(TestKms.Cancellation));

        await kms.CreateAsync(TestKms.Cancellation);

        Assert.Empty(await kms.ListKeysAsync(TestKms.Cancellation));
    }

    [Fact]
    public async Task File_replaced_while_open_is_noticed()
    {
        var (wrapped, key) = await _test.MakeAsync();
        using var kms = _test.Open();
        Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        File.Delete(_test.File);
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        await _test.MakeAsync();
        await TestKms.ThrowsAsync(KmsErrorKind.WrongKey, () => kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        var ofTheNewFile = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);
        using var fresh = _test.Open();
        Assert.Equal(key, await fresh.UnwrapAsync(ofTheNewFile, TestKms.Context, TestKms.Cancellation));
    }

    // A connection that is kept for the next call would still read the former file.
    [Fact]
    public async Task Another_file_that_is_moved_into_its_place_between_two_calls_is_noticed()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows lets no one replace a file that is open.");
        using var kms = await _test.CreateAsync();
        var key = TestKms.NewKey();
        var wrapped = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);
        var other = Path.Combine(_test.Folder, "other.db");
        using (var another = _test.Open(file: other))
        {
            await another.CreateAsync(TestKms.Cancellation);
            await another.CreateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        }

        Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        foreach (var log in Directory.GetFiles(_test.Folder, "kms.db-*"))
            File.Delete(log);
        File.Move(other, _test.File, overwrite: true);

        await TestKms.ThrowsAsync(KmsErrorKind.WrongKey, () => kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        File.Delete(_test.File);
        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Copy_of_the_file_alone_holds_every_key_as_soon_as_its_maker_knows_of_it()
    {
        using var kms = await _test.CreateAsync();
        var key = TestKms.NewKey();
        await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);
        await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        var copy = Path.Combine(_test.Folder, "copy.db");
        File.Copy(_test.File, copy);

        var wrapped = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);
        Assert.Equal("2", wrapped.KekVersion);
        using var copied = _test.Open(file: copy);
        Assert.Equal(key, await copied.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task Copy_of_the_file_alone_holds_a_new_version_though_another_instance_has_just_read()
    {
        using var one = await _test.CreateAsync();
        using var other = _test.Open();
        var key = TestKms.NewKey();
        await other.UnwrapAsync(await one.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation), TestKms.Context, TestKms.Cancellation);
        await one.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        var copy = Path.Combine(_test.Folder, "copy.db");
        File.Copy(_test.File, copy);

        var wrapped = await one.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);
        using var copied = _test.Open(file: copy);
        Assert.Equal(key, await copied.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
    }

    // 'cp -p' keeps all times, so nothing tells the two files apart but their places on the disk.
    [Fact]
    public async Task Key_is_made_in_the_file_that_is_there_now()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows lets no one replace a file that is open.");
        using var kms = await _test.CreateAsync();
        var key = TestKms.NewKey();
        var wrapped = await kms.WrapAsync(TestKms.KeyName, key, TestKms.Context, TestKms.Cancellation);
        for (var i = 0; i < 300 && File.Exists(_test.File + "-wal"); i++)
            await Task.Delay(100, TestKms.Cancellation);
        var copy = Path.Combine(_test.Folder, "copy.db");
        using (var process = System.Diagnostics.Process.Start("cp", ["-p", _test.File, copy]))
            await process.WaitForExitAsync(TestKms.Cancellation);
        Assert.Equal(key, await kms.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        foreach (var log in Directory.GetFiles(_test.Folder, "kms.db-*"))
            File.Delete(log);
        File.Move(copy, _test.File, overwrite: true);

        await kms.CreateKeyAsync("new", TestKms.Cancellation);
        var underNew = await kms.WrapAsync("new", key, TestKms.Context, TestKms.Cancellation);
        using var fresh = _test.Open();
        Assert.Equal(key, await fresh.UnwrapAsync(underNew, TestKms.Context, TestKms.Cancellation));
    }

    [Fact]
    public async Task File_is_released_a_moment_after_the_last_call()
    {
        using var kms = await _test.CreateAsync();
        await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);

        for (var i = 0; i < 300 && File.Exists(_test.File + "-wal"); i++)
            await Task.Delay(100, TestKms.Cancellation);
        Assert.Equal([_test.File], Directory.GetFiles(_test.Folder));
    }

    [Fact]
    public async Task Missing_directory_is_told()
    {
        using var kms = _test.Open(file: Path.Combine(_test.Folder, "absent", "kms.db"));

        await TestKms.ThrowsAsync(KmsErrorKind.NotFound, () => kms.CreateAsync(TestKms.Cancellation));
    }

    [Fact]
    public async Task Directory_in_the_place_of_the_file_is_told()
    {
        Directory.CreateDirectory(_test.File);

        var exception = await Assert.ThrowsAsync<KmsException>(
            async () => await _test.OpenConfigured().WrapAsync(TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
        Assert.Equal(KmsErrorKind.AccessDenied, exception.Kind);
    }

    [Fact]
    public async Task File_and_its_log_are_for_the_owner_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no file modes.");
        using var kms = await _test.CreateAsync();
        await using var reader = await SqliteFile.OpenAsync(_test.File);
        await using var command = reader.CreateCommand();
        command.CommandText = "SELECT count(*) FROM kms_meta";
        await command.ExecuteScalarAsync(TestKms.Cancellation);
        await kms.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);

        var files = Directory.GetFiles(_test.Folder).Order().ToArray();

        Assert.Equal(["kms.db", "kms.db-shm", "kms.db-wal"], files.Select(Path.GetFileName));
        foreach (var file in files)
        {
            if (!OperatingSystem.IsWindows())
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        }
    }

    [Fact]
    public async Task File_can_be_deleted_after_dispose()
    {
        using (await _test.CreateAsync())
        {
        }

        Assert.Equal([_test.File], Directory.GetFiles(_test.Folder));
        File.Delete(_test.File);
        using var again = await _test.CreateAsync();
        Assert.Single(await again.ListKeysAsync(TestKms.Cancellation));
    }
}
